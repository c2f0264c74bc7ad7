//! Reading a log back: splitting segments into lines, checking signatures on all cores, and position, gate and time in order.

use std::num::NonZero;
use std::ops::Range;

use ed25519_dalek::VerifyingKey;
use latchgate_wire::entry::{Entry, EntryError, Line};
use latchgate_wire::time::Timestamp;

/// Lines that are opened together; bounds what is held in memory.
pub const BATCH_LINES: usize = 4096;

/// Fewer lines than this are not worth another thread.
const LINES_PER_THREAD_MIN: usize = 64;

/// Where the lines of a segment are, and what follows them.
#[derive(Debug)]
pub struct Split {
    /// Without line breaks.
    pub lines: Vec<Range<usize>>,
    /// Behind the last line break.
    pub lines_end: usize,
    pub rest: Rest,
}

/// What a segment holds behind its last whole line.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or the zeros of space allocated ahead.
    Empty,
    /// Bytes without line break, or anything behind a NUL.
    Torn,
}

/// Entries end at the first NUL.
pub fn split(bytes: &[u8]) -> Split {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let mut lines = Vec::new();
    let mut start = 0;
    for (at, _) in bytes[..end].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        lines.push(start..at);
        start = at + 1;
    }
    let is_clean = start == end && bytes[end..].iter().all(|byte| *byte == 0);
    Split { lines, lines_end: start, rest: if is_clean { Rest::Empty } else { Rest::Torn } }
}

/// Checks form and signature of each line, on all cores, in order.
pub fn open_all(bytes: &[u8], lines: &[Range<usize>], key: &VerifyingKey) -> Vec<Result<Line, EntryError>> {
    map_all(lines, |line| Entry::open(&bytes[line.clone()], key))
}

/// Does something with each line, on all cores, in order.
pub fn map_all<I: Sync, T: Send>(lines: &[I], map: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = lines.len().div_ceil(cores).max(LINES_PER_THREAD_MIN);
    let map = &map;
    std::thread::scope(|scope| {
        let mapped = |lines: &'_ [I]| -> Vec<T> { lines.iter().map(map).collect() };
        let threads: Vec<_> = lines.chunks(share).map(|lines| scope.spawn(move || mapped(lines))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// What the next entry must continue.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub next_seq: u64,
    pub last_time: Option<Timestamp>,
    /// Origin; taken from the first entry if not known before.
    pub gate: Option<String>,
}

/// Why a validly signed entry does not continue the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    #[error("expected entry {expected}, found entry {found}")]
    Seq { expected: u64, found: u64 },
    #[error("its time {time} lies before that of the entry in front ({last})")]
    Time { time: Timestamp, last: Timestamp },
    #[error("it belongs to another log: `{0}`")]
    Gate(String),
}

impl Cursor {
    pub fn start(gate: Option<String>) -> Self {
        Self { next_seq: 0, last_time: None, gate }
    }

    pub fn check(&self, entry: &Entry) -> Result<(), Break> {
        if self.gate.as_ref().is_some_and(|gate| *gate != entry.gate) {
            return Err(Break::Gate(entry.gate.clone()));
        }
        if entry.seq != self.next_seq {
            return Err(Break::Seq { expected: self.next_seq, found: entry.seq });
        }
        match self.last_time {
            Some(last) if entry.time < last => Err(Break::Time { time: entry.time, last }),
            Some(_) | None => Ok(()),
        }
    }

    pub fn advance(&mut self, entry: &Entry) {
        self.next_seq = entry.seq.saturating_add(1);
        self.last_time = Some(entry.time);
        self.gate.get_or_insert_with(|| entry.gate.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_the_first_nul() {
        let split = split(b"a\nbc\n\0\0\0");
        assert_eq!((split.lines, split.lines_end, split.rest), (vec![0..1, 2..4], 5, Rest::Empty));
    }

    #[test]
    fn what_is_no_whole_line_is_torn() {
        for bytes in [&b"a\nb"[..], b"a\nb\0", b"a\n\0b\n", b"\0\0\x01"] {
            assert_eq!(split(bytes).rest, Rest::Torn, "{bytes:?}");
        }
        assert_eq!(split(b"").rest, Rest::Empty);
        assert_eq!(split(b"a\n").rest, Rest::Empty);
    }
}
