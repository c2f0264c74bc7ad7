//! The sled index: which entries have which term. Behind the log, disposable at any moment, never a reason not to start.
//!
//! ```text
//! <term> 00 <first seq u64 BE>   ->  offsets u16 BE from `first seq`, ascending: one batch's entries with that term
//! 02 <second> <first seq> <part> ->  pairs of mark (4 bytes) and offset: one batch's entries with ids made in that second
//! 01 <mark>                      ->  how many entries have this mark (`tally`) u64 BE
//! 00 "high"                      ->  number of entries indexed u64 BE | leaf hash of the last one
//! 00 "log"                       ->  origin of the log, and the format of this index
//! ```
//!
//! Nearly every id is of one call alone. A key for each would make sled keep some hundred bytes in memory for each call ever
//! indexed; so ids that few entries have lie together, found by the second that their ULIDs name.
//!
//! Values stay below the 4 KiB above which sled spills into files that it never syncs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use latchgate_wire::digest::Digest;
use latchgate_wire::entry::Entry;
use latchgate_wire::ids::{ApprovalId, GrantId, ReceiptId, TraceId};
use latchgate_wire::merkle::Hash;

use crate::tally::Mark;
use crate::terms::{self, Term};

/// Entries indexed at once: the offsets of one batch stay within 1 KiB.
pub const BATCH_ENTRIES: usize = 512;

const CACHE_BYTES: u64 = 2 << 20;
const FLUSH_EVERY_MS: u64 = 2_000;
const HIGH: &[u8] = b"\0high";
const LOG: &[u8] = b"\0log";
const MARK: u8 = 1;
const IDS: u8 = 2;
/// Of a mark and its offset.
const PAIR_BYTES: usize = 6;
/// Pairs in one value.
const PAIRS_MAX: usize = 512;
/// An index of another format is built anew.
const FORMAT: u8 = 4;

/// An open index.
#[derive(Clone, Debug)]
pub struct Index {
    db: sled::Db,
}

/// How far the index goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct High {
    pub size: u64,
    /// Leaf hash of the last entry indexed.
    pub last: Hash,
}

impl Index {
    /// Opens the index of this log. One that is broken is moved aside, one of another log is emptied.
    pub fn open(dir: &Path, origin: &str) -> Result<Self, String> {
        let index = open_db(dir).or_else(|error| {
            tracing::warn!(%error, "the index cannot be read; it is moved aside and rebuilt");
            move_aside(dir).map_err(|error| error.to_string())?;
            open_db(dir)
        })?;
        if index.get(LOG)?.as_deref() != Some(&log_value(origin)[..]) {
            index.clear(origin)?;
        }
        Ok(index)
    }

    /// Forgets everything.
    pub fn clear(&self, origin: &str) -> Result<(), String> {
        guarded(|| {
            self.db.clear()?;
            self.db.insert(LOG, log_value(origin)).map(drop)
        })
    }

    pub fn high(&self) -> Result<Option<High>, String> {
        let Some(value) = self.get(HIGH)? else { return Ok(None) };
        let high = value.split_first_chunk::<8>().and_then(|(size, last)| {
            Some(High { size: u64::from_be_bytes(*size), last: last.try_into().ok()? })
        });
        Ok(high)
    }

    /// Adds entries that follow each other, at most [`BATCH_ENTRIES`].
    pub fn add(&self, entries: &[&Entry], last: Hash) -> Result<(), String> {
        let Some(first_seq) = entries.first().map(|entry| entry.seq) else { return Ok(()) };
        let mut lists: BTreeMap<Term, Vec<u8>> = BTreeMap::new();
        let mut ids: BTreeMap<u64, Vec<[u8; PAIR_BYTES]>> = BTreeMap::new();
        for (entry, offset) in entries.iter().zip(0u16..) {
            for term in terms::of(entry) {
                if let Some(second) = second_of(&term) {
                    let (pairs, pair) = (ids.entry(second).or_default(), pair(&term, offset));
                    // An entry may have a term twice; the list names it once.
                    if !pairs
                        .iter()
                        .rev()
                        .take_while(|known| known[4..] == pair[4..])
                        .any(|known| *known == pair)
                    {
                        pairs.push(pair);
                    }
                    continue;
                }
                let list = lists.entry(term).or_default();
                if !list.ends_with(&offset.to_be_bytes()) {
                    list.extend_from_slice(&offset.to_be_bytes());
                }
            }
        }
        let mut batch = sled::Batch::default();
        for (term, list) in lists {
            batch.insert(key(&term, first_seq), list);
        }
        for (second, pairs) in ids {
            for (part, pairs) in (0u8..).zip(pairs.chunks(PAIRS_MAX)) {
                batch.insert(&[&ids_key(second, first_seq)[..], &[part]].concat()[..], pairs.concat());
            }
        }
        for (mark, count) in self.counted(entries)? {
            batch.insert(mark, &count.to_be_bytes());
        }
        let size = first_seq + entries.len() as u64;
        batch.insert(HIGH, [&size.to_be_bytes()[..], &last].concat());
        guarded(|| self.db.apply_batch(batch))
    }

    /// Entries before `before` that may have this term, the newest first: all that have it, and hardly any other.
    pub fn with_term<'a>(
        &'a self,
        term: &str,
        before: u64,
    ) -> impl Iterator<Item = Result<u64, String>> + use<'a> {
        let second = second_of(term);
        let range = match second {
            Some(second) => self.db.range(ids_key(second, 0)..ids_key(second, before)),
            None => self.db.range(key(term, 0)..key(term, before)),
        };
        let mark = second.map(|_| mark(term));
        range.rev().flat_map(move |item| match (item, mark) {
            (Ok((key, pairs)), Some(mark)) => newest_of(mark, &key, &pairs, before),
            (Ok((key, list)), None) => newest_first(&key, &list, before),
            (Err(error), _) => vec![Err(error.to_string())],
        })
    }

    /// Marks from one minute up to, not including, another, with how many entries have each.
    pub fn marks(
        &self,
        minutes: std::ops::Range<u64>,
    ) -> impl Iterator<Item = Result<(Mark, u64), String>> + use<'_> {
        let range = self.db.range(minute_key(minutes.start)..minute_key(minutes.end));
        range.map(|item| {
            let (key, count) = item.map_err(|error| error.to_string())?;
            let mark = key.split_first().and_then(|(_, mark)| Mark::from_bytes(mark));
            let count = count.as_ref().try_into().map(u64::from_be_bytes);
            mark.zip(count.ok()).ok_or_else(|| "a count is malformed".to_owned())
        })
    }

    /// What the counts come to with these entries. Only the thread that indexes writes them.
    fn counted(&self, entries: &[&Entry]) -> Result<BTreeMap<Vec<u8>, u64>, String> {
        let mut counts = BTreeMap::new();
        for mark in entries.iter().filter_map(|entry| Mark::of(entry)) {
            let key = [&[MARK], &mark.to_bytes()[..]].concat();
            if !counts.contains_key(&key) {
                let stored = self.get(&key)?.and_then(|count| count.as_ref().try_into().ok());
                counts.insert(key.clone(), stored.map_or(0, u64::from_be_bytes));
            }
            counts.entry(key).and_modify(|count: &mut u64| *count += 1);
        }
        Ok(counts)
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, String> {
        guarded(|| self.db.get(key))
    }
}

fn log_value(origin: &str) -> Vec<u8> {
    [origin.as_bytes(), &[0, FORMAT]].concat()
}

/// In front of every mark of that minute.
fn minute_key(minute: u64) -> Vec<u8> {
    [&[MARK], &minute.to_be_bytes()[..]].concat()
}

fn key(term: &str, first_seq: u64) -> Vec<u8> {
    [term.as_bytes(), &[0], &first_seq.to_be_bytes()].concat()
}

/// Of an id that few entries have, when it was made. Sessions and leases are named by each of their calls: they are terms like
/// any other.
fn second_of(term: &str) -> Option<u64> {
    let id = term.strip_prefix("id:")?;
    let made_ms = (id.parse().map(|id: TraceId| id.time_ms()))
        .or_else(|_| id.parse().map(|id: GrantId| id.time_ms()))
        .or_else(|_| id.parse().map(|id: ReceiptId| id.time_ms()))
        .or_else(|_| id.parse().map(|id: ApprovalId| id.time_ms()));
    made_ms.ok().map(|ms| ms / 1000)
}

fn ids_key(second: u64, first_seq: u64) -> Vec<u8> {
    [&[IDS], &second.to_be_bytes()[..], &first_seq.to_be_bytes()].concat()
}

/// Enough of the id to tell it from nearly every other of its second; whoever asks looks at the entry.
fn mark(term: &str) -> [u8; 4] {
    let digest = Digest::of(term.as_bytes());
    [digest.0[0], digest.0[1], digest.0[2], digest.0[3]]
}

fn pair(term: &str, offset: u16) -> [u8; PAIR_BYTES] {
    let ([a, b, c, d], [high, low]) = (mark(term), offset.to_be_bytes());
    [a, b, c, d, high, low]
}

fn newest_of(mark: [u8; 4], key: &[u8], pairs: &[u8], before: u64) -> Vec<Result<u64, String>> {
    let Some((first_seq, _part)) = key.get(9..).and_then(|rest| rest.split_first_chunk::<8>()) else {
        return vec![Err("a key is malformed".into())];
    };
    let first_seq = u64::from_be_bytes(*first_seq);
    let (pairs, _) = pairs.as_chunks::<PAIR_BYTES>();
    let marked = pairs.iter().rev().filter(|pair| pair.starts_with(&mark));
    let seqs = marked.map(|pair| first_seq + u64::from(u16::from_be_bytes([pair[4], pair[5]])));
    seqs.filter(|seq| *seq < before).map(Ok).collect()
}

fn newest_first(key: &[u8], list: &[u8], before: u64) -> Vec<Result<u64, String>> {
    let Some((_, first_seq)) = key.split_last_chunk::<8>() else {
        return vec![Err("a key is malformed".into())];
    };
    let first_seq = u64::from_be_bytes(*first_seq);
    let seqs =
        list.chunks_exact(2).rev().map(|pair| first_seq + u64::from(u16::from_be_bytes([pair[0], pair[1]])));
    seqs.filter(|seq| *seq < before).map(Ok).collect()
}

fn open_db(dir: &Path) -> Result<Index, String> {
    remove_torn_snapshots(dir).map_err(|error| error.to_string())?;
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(FLUSH_EVERY_MS))
        .mode(sled::Mode::HighThroughput);
    guarded(|| config.open()).map(|db| Index { db })
}

/// sled refuses to open beside a snapshot that a crash cut short.
fn remove_torn_snapshots(dir: &Path) -> std::io::Result<()> {
    let items = match std::fs::read_dir(dir) {
        Ok(items) => items,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for item in items {
        let item = item?;
        let name = item.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            std::fs::remove_file(item.path())?;
        }
    }
    Ok(())
}

/// Keeps one broken index for whoever wants to look at it.
fn move_aside(dir: &Path) -> std::io::Result<()> {
    let mut aside = dir.as_os_str().to_owned();
    aside.push(".broken");
    let aside = PathBuf::from(aside);
    if aside.exists() {
        std::fs::remove_dir_all(&aside)?;
    }
    std::fs::rename(dir, aside)
}

/// sled panics on some broken files.
fn guarded<T>(work: impl FnOnce() -> sled::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("sled panicked".into()),
    }
}
