//! The thread that writes the index behind the log.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use latchgate_wire::entry::{Entry, Line};
use latchgate_wire::merkle::{Hash, leaf_hash};

use crate::feed::{self, Fed, Feed};
use crate::index::{BATCH_ENTRIES, High, Index};
use crate::view::{ReadError, View};

/// The running thread. It ends when the last [`Feed`] is gone.
pub struct Thread {
    pub feed: Feed,
    handle: JoinHandle<()>,
}

impl Thread {
    /// Goes on where the index ends, or anew if it is not one of this log.
    pub fn start(view: Arc<View>, index: Index, origin: String, indexed: Arc<AtomicU64>) -> io::Result<Self> {
        let (feed, fed) = feed::feed();
        let mut indexer = Indexer { view, index, origin, indexed, waiting: VecDeque::new() };
        // Before anybody asks: without a word of how far the index goes, the first query would read the whole log.
        let resumed = indexer.resume();
        let run = move || indexer.run(resumed, &fed);
        let handle = std::thread::Builder::new().name("index".into()).spawn(run)?;
        Ok(Self { feed, handle })
    }

    pub fn end(self) {
        drop(self.feed);
        if self.handle.join().is_err() {
            tracing::error!("the index thread panicked");
        }
    }
}

/// Brings the index up to what is synced now, without a thread.
#[cfg(test)]
pub fn build(
    view: Arc<View>,
    index: Index,
    origin: String,
    waiting: VecDeque<Arc<Line>>,
) -> Result<Arc<AtomicU64>, String> {
    let indexed = Arc::new(AtomicU64::new(0));
    let mut indexer = Indexer { view, index, origin, indexed: Arc::clone(&indexed), waiting };
    indexer.resume()?;
    indexer.flush()?;
    indexer.catch_up(u64::MAX)?;
    Ok(indexed)
}

struct Indexer {
    view: Arc<View>,
    index: Index,
    origin: String,
    indexed: Arc<AtomicU64>,
    waiting: VecDeque<Arc<Line>>,
}

impl Indexer {
    fn run(mut self, resumed: Result<(), String>, fed: &Fed) {
        if let Err(why) = resumed.and_then(|()| self.work(fed)) {
            // Queries go on without: what is not indexed is read from the log.
            tracing::error!(%why, "the index is given up until the next start");
        }
    }

    fn work(&mut self, fed: &Fed) -> Result<(), String> {
        self.catch_up(u64::MAX)?;
        loop {
            let meal = fed.next();
            let is_quiet = meal.lines.is_empty() || meal.is_last;
            self.waiting.extend(meal.lines);
            self.flush()?;
            if is_quiet {
                self.catch_up(u64::MAX)?;
            }
            if meal.is_last {
                return Ok(());
            }
        }
    }

    /// Where to go on: behind what is indexed, if that is a part of this log.
    fn resume(&mut self) -> Result<(), String> {
        let at = match self.index.high()? {
            Some(high) if self.is_ours(high) => high.size,
            Some(_) => {
                self.index.clear(&self.origin)?;
                0
            }
            None => 0,
        };
        self.indexed.store(at, Ordering::Release);
        Ok(())
    }

    fn is_ours(&self, high: High) -> bool {
        let last = high.size.checked_sub(1).and_then(|seq| self.view.line(seq).ok().flatten());
        last.is_some_and(|line| leaf_hash(&line) == high.last)
    }

    /// Takes in what was handed over, and what is missing in front of it: all of it is in the log, since entries are handed over
    /// once they are published.
    fn flush(&mut self) -> Result<(), String> {
        while let Some(front) = self.waiting.front().map(|line| line.entry.seq) {
            let from = self.indexed.load(Ordering::Acquire);
            if front > from {
                self.catch_up(front)?;
            } else if front < from {
                self.waiting.pop_front();
            } else {
                let size = self.add_waiting(from)?;
                self.indexed.store(from + size, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Takes in from the log what stands before `to`, as far as there is any. That costs several times as much as what is
    /// handed over.
    fn catch_up(&mut self, to: u64) -> Result<(), String> {
        loop {
            let from = self.indexed.load(Ordering::Acquire);
            let size = self.add_from_log(from, to)?;
            if size == 0 {
                return Ok(());
            }
            self.indexed.store(from + size, Ordering::Release);
        }
    }

    /// Those in front that follow each other: what did not fit into the feed is missing between others.
    fn add_waiting(&mut self, from: u64) -> Result<u64, String> {
        let in_order = self.waiting.iter().zip(from..).take(BATCH_ENTRIES);
        let count = in_order.take_while(|(line, seq)| line.entry.seq == *seq).count();
        let lines: Vec<_> = self.waiting.drain(..count).collect();
        let entries: Vec<_> = lines.iter().map(|line| &line.entry).collect();
        let last = lines.last().map_or([0; 32], |line| leaf_hash(line.bytes()));
        self.index.add(&entries, last)?;
        Ok(count as u64)
    }

    fn add_from_log(&self, from: u64, to: u64) -> Result<u64, String> {
        let entries_max = to.saturating_sub(from).min(BATCH_ENTRIES as u64) as usize;
        let (entries, last) = self.read(from, entries_max).map_err(|error| error.to_string())?;
        self.index.add(&entries.iter().collect::<Vec<_>>(), last)?;
        Ok(entries.len() as u64)
    }

    fn read(&self, from: u64, entries_max: usize) -> Result<(Vec<Entry>, Hash), ReadError> {
        let (mut entries, mut last) = (Vec::new(), [0; 32]);
        while entries.len() < entries_max {
            let seq = from + entries.len() as u64;
            let Some(block) = self.view.read().places.block(seq) else { break };
            let skip = usize::try_from(seq - block.first_seq).unwrap_or(usize::MAX);
            for line in block.read()?.into_iter().skip(skip).take(entries_max - entries.len()) {
                let read = |error: latchgate_wire::entry::EntryError| ReadError::Entry {
                    seq,
                    why: error.to_string(),
                };
                entries.push(Entry::read(&line).map_err(read)?);
                last = leaf_hash(&line);
            }
        }
        Ok((entries, last))
    }
}
