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
        let indexer = Indexer { view, index, origin, indexed, waiting: VecDeque::new() };
        let handle = std::thread::Builder::new().name("index".into()).spawn(move || indexer.run(&fed))?;
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
    fn run(mut self, fed: &Fed) {
        if let Err(why) = self.work(fed) {
            // Queries go on without: what is not indexed is read from the log.
            tracing::error!(%why, "the index is given up until the next start");
        }
    }

    fn work(&mut self, fed: &Fed) -> Result<(), String> {
        self.resume()?;
        loop {
            self.flush()?;
            let meal = fed.next();
            self.waiting.extend(meal.lines);
            if meal.is_last {
                return self.flush();
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

    fn flush(&mut self) -> Result<(), String> {
        loop {
            let from = self.indexed.load(Ordering::Acquire);
            while self.waiting.front().is_some_and(|line| line.entry.seq < from) {
                self.waiting.pop_front();
            }
            let size = if self.waiting.front().is_some_and(|line| line.entry.seq == from) {
                self.add_waiting(from)?
            } else {
                self.add_from_log(from)?
            };
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

    fn add_from_log(&self, from: u64) -> Result<u64, String> {
        let (entries, last) = self.read(from).map_err(|error| error.to_string())?;
        self.index.add(&entries.iter().collect::<Vec<_>>(), last)?;
        Ok(entries.len() as u64)
    }

    fn read(&self, from: u64) -> Result<(Vec<Entry>, Hash), ReadError> {
        let (mut entries, mut last) = (Vec::new(), [0; 32]);
        while entries.len() < BATCH_ENTRIES {
            let seq = from + entries.len() as u64;
            let Some(block) = self.view.read().places.block(seq) else { break };
            let skip = usize::try_from(seq - block.first_seq).unwrap_or(usize::MAX);
            for line in block.read()?.into_iter().skip(skip).take(BATCH_ENTRIES - entries.len()) {
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
