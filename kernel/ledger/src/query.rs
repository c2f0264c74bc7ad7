//! Finding entries: the index for what it covers, the log itself for what is newer, so that answers never lag.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchgate_wire::api::{AuditPage, AuditQuery};
use latchgate_wire::entry::Entry;
use latchgate_wire::time::Timestamp;

use crate::index::Index;
use crate::terms::{self, Term};
use crate::view::{ReadError, View};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1_000;
/// Entries that one page of those who follow looks at: what fits may be rare.
const LOOKED_AT_MAX: u64 = 20_000;

/// Answers queries over what is synced.
#[derive(Clone)]
pub struct Queries {
    pub view: Arc<View>,
    /// Absent if it cannot be opened at all: then the log is read from end to start.
    pub index: Option<Index>,
    /// Entries below this are indexed.
    pub indexed: Arc<AtomicU64>,
}

/// Half-open range of `seq`.
#[derive(Clone, Copy)]
struct Bounds {
    low: u64,
    high: u64,
}

impl Queries {
    /// A page of entries, newest first. Reads files: not for the threads that serve sockets.
    pub fn page(&self, query: &AuditQuery) -> Result<AuditPage, ReadError> {
        let limit = query.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let wanted = terms::wanted(query);
        let size = self.view.size();
        if let Some(from) = query.from {
            return self.page_from(from, size, &wanted, query, limit);
        }
        let mut found = self.newest(&wanted, self.bounds(query, size)?, limit + 1)?;
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next_before = found.last().filter(|_| is_more).map(|(seq, _)| *seq);
        let entries = found.iter().map(|(seq, line)| as_json(*seq, line)).collect::<Result<_, _>>()?;
        Ok(AuditPage { entries, next_from: size, next_before })
    }

    /// Oldest first, for whoever follows: in the order of the log and by the log alone.
    fn page_from(
        &self,
        from: u64,
        size: u64,
        wanted: &[Term],
        query: &AuditQuery,
        limit: usize,
    ) -> Result<AuditPage, ReadError> {
        let bounds = self.bounds(query, size)?;
        let low = bounds.low.max(from);
        let high = bounds.high.min(low.saturating_add(LOOKED_AT_MAX));
        let mut found =
            Found { lines: Lines { view: &self.view, block: None }, wanted, limit, hits: Vec::new() };
        let mut next = low;
        while next < high && !found.is_full() {
            found.look_at(next)?;
            next += 1;
        }
        let entries = found.hits.iter().map(|(seq, line)| as_json(*seq, line)).collect::<Result<_, _>>()?;
        Ok(AuditPage { entries, next_from: next, next_before: None })
    }

    /// The newest entry with all these terms.
    pub fn last_with(&self, wanted: &[Term]) -> Result<Option<Entry>, ReadError> {
        let found = self.newest(wanted, Bounds { low: 0, high: self.view.size() }, 1)?;
        match found.first() {
            Some((seq, _)) => self.view.entry(*seq),
            None => Ok(None),
        }
    }

    fn bounds(&self, query: &AuditQuery, size: u64) -> Result<Bounds, ReadError> {
        let low = query.since.map_or(Ok(0), |since| self.first_at(since, size))?;
        let high = query.until.map_or(Ok(size), |until| self.first_at(until, size))?;
        Ok(Bounds { low, high: high.min(query.before.unwrap_or(u64::MAX)) })
    }

    /// The first entry not before `time`: times never go back along the log.
    pub fn first_at(&self, time: Timestamp, size: u64) -> Result<u64, ReadError> {
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low + (high - low) / 2;
            let is_before = self.view.entry(middle)?.is_some_and(|entry| entry.time < time);
            if is_before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    fn newest(
        &self,
        wanted: &[Term],
        bounds: Bounds,
        limit: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, ReadError> {
        let mut found =
            Found { lines: Lines { view: &self.view, block: None }, wanted, limit, hits: Vec::new() };
        let indexed = match &self.index {
            Some(_) if !wanted.is_empty() => self.indexed.load(Ordering::Acquire),
            Some(_) | None => 0,
        };
        let border = bounds.low.max(indexed);
        for seq in (border..bounds.high).rev() {
            if found.is_full() {
                break;
            }
            found.look_at(seq)?;
        }
        if let Some(index) = &self.index
            && indexed > bounds.low
        {
            let below = bounds.high.min(indexed);
            let in_index = found.hits.len();
            if let Err(why) = found.look_up(index, Bounds { low: bounds.low, high: below })? {
                tracing::warn!(%why, "the index cannot be read; the log is searched instead");
                found.hits.truncate(in_index);
                for seq in (bounds.low..below).rev() {
                    if found.is_full() {
                        break;
                    }
                    found.look_at(seq)?;
                }
            }
        }
        Ok(found.hits)
    }
}

/// What a search has found so far.
struct Found<'a> {
    lines: Lines<'a>,
    wanted: &'a [Term],
    limit: usize,
    hits: Vec<(u64, Vec<u8>)>,
}

impl Found<'_> {
    fn is_full(&self) -> bool {
        self.hits.len() >= self.limit
    }

    /// Takes the entry if it has the terms. The index only proposes; this decides.
    fn look_at(&mut self, seq: u64) -> Result<(), ReadError> {
        let Some(line) = self.lines.line(seq)? else { return Ok(()) };
        let is_hit = self.wanted.is_empty() || {
            let terms = terms::of(&as_entry(seq, line)?);
            self.wanted.iter().all(|term| terms.contains(term))
        };
        if is_hit {
            self.hits.push((seq, line.to_vec()));
        }
        Ok(())
    }

    /// The inner error is the index's.
    fn look_up(&mut self, index: &Index, bounds: Bounds) -> Result<Result<(), String>, ReadError> {
        let lists = self.wanted.iter().map(|term| {
            let before = move |before| index.with_term(term, before);
            List::new(before, bounds.high)
        });
        for seq in (Common { lists: lists.collect() }) {
            match seq {
                Ok(seq) if seq >= bounds.low && !self.is_full() => self.look_at(seq)?,
                Ok(_) => break,
                Err(why) => return Ok(Err(why)),
            }
        }
        Ok(Ok(()))
    }
}

/// A descending list that can be begun anew anywhere, which costs about as much as some hundred steps along it.
struct List<I: Iterator, F> {
    entries: Peekable<I>,
    before: F,
}

/// Entries that are passed over one by one; whoever is farther away is looked up.
const NEAR: u64 = 2_048;

impl<I: Iterator<Item = Result<u64, String>>, F: Fn(u64) -> I> List<I, F> {
    fn new(before: F, from: u64) -> Self {
        Self { entries: before(from).peekable(), before }
    }

    /// Goes on to the first entry that is not above `seq`.
    fn go_down_to(&mut self, seq: u64) {
        let is_far = matches!(self.entries.peek(), Some(Ok(head)) if head.saturating_sub(seq) > NEAR);
        if is_far {
            self.entries = (self.before)(seq.saturating_add(1)).peekable();
        }
        while self.entries.next_if(|head| head.as_ref().is_ok_and(|head| *head > seq)).is_some() {}
    }
}

/// What all of several descending lists have in common.
struct Common<I: Iterator, F> {
    lists: Vec<List<I, F>>,
}

impl<I: Iterator<Item = Result<u64, String>>, F: Fn(u64) -> I> Iterator for Common<I, F> {
    type Item = Result<u64, String>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (mut lowest, mut highest) = (u64::MAX, 0);
            for list in &mut self.lists {
                match list.entries.peek()? {
                    Ok(seq) => (lowest, highest) = (lowest.min(*seq), highest.max(*seq)),
                    Err(why) => return Some(Err(why.clone())),
                }
            }
            if lowest == highest {
                self.lists.iter_mut().for_each(|list| drop(list.entries.next()));
                return Some(Ok(lowest));
            }
            self.lists.iter_mut().for_each(|list| list.go_down_to(lowest));
        }
    }
}

/// Reads lines, keeping the block that the last one lay in.
struct Lines<'a> {
    view: &'a View,
    block: Option<(u64, Vec<Vec<u8>>)>,
}

impl Lines<'_> {
    fn line(&mut self, seq: u64) -> Result<Option<&[u8]>, ReadError> {
        let is_here = |(first, lines): &(u64, Vec<_>)| (*first..*first + lines.len() as u64).contains(&seq);
        if !self.block.as_ref().is_some_and(is_here) {
            let block = self.view.read().places.block(seq);
            let Some(block) = block else { return Ok(None) };
            self.block = Some((block.first_seq, block.read()?));
        }
        let line =
            self.block.as_ref().and_then(|(first, lines)| lines.get(usize::try_from(seq - first).ok()?));
        Ok(line.map(Vec::as_slice))
    }
}

fn as_entry(seq: u64, line: &[u8]) -> Result<Entry, ReadError> {
    Entry::read(line).map_err(|error| ReadError::Entry { seq, why: error.to_string() })
}

fn as_json(seq: u64, line: &[u8]) -> Result<serde_json::Value, ReadError> {
    serde_json::from_slice(line).map_err(|error| ReadError::Entry { seq, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// What the lists have in common, and how many entries were looked at for it.
    fn common(lists: &[Vec<u64>]) -> (Vec<u64>, u64) {
        let looked_at = Cell::new(0);
        let list = |entries: &Vec<u64>| {
            let (entries, looked_at) = (entries.clone(), &looked_at);
            let before = move |before: u64| {
                let below = entries.partition_point(|seq| *seq < before);
                let mut below = entries[..below].to_vec();
                std::iter::from_fn(move || {
                    looked_at.set(looked_at.get() + 1);
                    below.pop().map(Ok)
                })
            };
            List::new(before, u64::MAX)
        };
        let lists = Common { lists: lists.iter().map(list).collect() };
        let found = lists.map(Result::unwrap).collect();
        (found, looked_at.get())
    }

    #[test]
    fn a_rare_term_beside_a_frequent_one_is_found_without_looking_at_all() {
        let frequent: Vec<u64> = (0..1_000_000).filter(|seq| seq % 3 != 1).collect();
        let rare = vec![2, 4, 99, 100_000, 500_001, 999_999];
        let (found, looked_at) = common(&[frequent, rare]);
        assert_eq!(found, [999_999, 500_001, 99, 2]);
        assert!(looked_at < 10 * NEAR, "{looked_at}");
    }

    #[test]
    fn what_is_common_is_what_each_list_has() {
        let lists: Vec<Vec<u64>> = [2, 3, 5]
            .iter()
            .map(|n| (0..30_000).filter(|seq| seq % n == 0 && seq % 7 < 5).collect())
            .collect();
        let expected: Vec<u64> = (0..30_000).rev().filter(|seq| seq % 30 == 0 && seq % 7 < 5).collect();
        assert_eq!(common(&lists).0, expected);
        assert_eq!(common(&[vec![1], vec![]]).0, Vec::<u64>::new());
    }
}
