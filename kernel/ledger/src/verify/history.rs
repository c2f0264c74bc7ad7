//! The history of checkpoints, held to the log as that is read: each goes on from the one before, over the entries that there are.
//!
//! Read beside the log, so it takes no memory; signatures are checked on all cores, some at a time.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Take};
use std::path::Path;

use ed25519_dalek::VerifyingKey;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::keychain::Keychain;
use latchgate_wire::merkle::Frontier;

use crate::{history, scan};

/// Signatures that are checked together.
const TOGETHER: usize = 1_024;

/// A history that is being read.
#[derive(Default)]
pub struct HistoryCheck {
    lines: Option<BufReader<Take<File>>>,
    /// The line that `next` stands on, from 1.
    number: u64,
    next: Option<(Checkpoint, String)>,
    last_size: u64,
    unsigned: Vec<Unchecked>,
    pub faults: Vec<String>,
    pub notes: Vec<String>,
    /// Checkpoints that are over entries of this log.
    pub found: u64,
}

/// A checkpoint whose signature is still to be checked.
struct Unchecked {
    number: u64,
    size: u64,
    note: String,
    key: VerifyingKey,
}

impl HistoryCheck {
    /// Takes the history as it is now: what a running gate appends meanwhile may be over entries that are not read.
    pub fn begin(ledger_dir: &Path) -> Self {
        let file = File::open(history::path(ledger_dir));
        let lines = file.and_then(|file| {
            let len = file.metadata()?.len();
            Ok(BufReader::new(file.take(len)))
        });
        let mut check = Self::default();
        match lines {
            Ok(lines) => check.lines = Some(lines),
            Err(error) => check.notes.push(format!("the history of checkpoints is not there: {error}")),
        }
        check
    }

    /// To be told of the tree at every size, from the first entry on.
    pub fn pass(&mut self, tree: &Frontier, keys: &Keychain, origin: &str) {
        if self.number == 0 {
            self.advance(origin);
        }
        while self.next.as_ref().is_some_and(|(said, _)| said.size <= tree.size()) {
            let Some((said, note)) = self.next.take() else { return };
            if said.size < tree.size() {
                let before = self.last_size;
                self.fault(format!("it is over {} entries and stands behind one over {before}", said.size));
            } else if said.root != tree.root() {
                self.fault(format!("the first {} entries are not those that it was signed over", said.size));
            } else {
                self.found += 1;
                let (number, size, key) = (self.number, said.size, *keys.at(said.size));
                self.unsigned.push(Unchecked { number, size, note, key });
                if self.unsigned.len() >= TOGETHER {
                    self.check_signatures();
                }
            }
            self.last_size = tree.size();
            self.advance(origin);
        }
    }

    /// At the end of the log.
    pub fn finish(&mut self, entries: u64, origin: &str) {
        self.check_signatures();
        if let Some((said, _)) = self.next.take() {
            self.fault(format!(
                "it was signed over {} entries, the log has {entries}: its end was cut off",
                said.size
            ));
            let mut more = 0_u64;
            while let Some(line) = self.read_line() {
                more += u64::from(Checkpoint::of_line(origin, &line).is_some());
            }
            if more > 0 {
                self.notes.push(format!("so are {more} checkpoints more"));
            }
        }
    }

    /// On to the next line that is a checkpoint.
    fn advance(&mut self, origin: &str) {
        while let Some(line) = self.read_line() {
            self.next = Checkpoint::of_line(origin, &line);
            if self.next.is_some() {
                return;
            }
            self.fault("it is no checkpoint: it was altered".into());
        }
    }

    fn read_line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        self.lines.as_mut()?.read_until(b'\n', &mut bytes).ok()?;
        self.number += 1;
        let Some(line) = bytes.strip_suffix(b"\n") else {
            if !bytes.is_empty() {
                self.notes.push("the last line of the history of checkpoints is not whole".into());
            }
            self.lines = None;
            return None;
        };
        Some(String::from_utf8_lossy(line).into_owned())
    }

    fn check_signatures(&mut self) {
        let unsigned = std::mem::take(&mut self.unsigned);
        let opened = scan::map_all(&unsigned, |kept| Checkpoint::open(&kept.note, &kept.key).map(drop));
        for (kept, opened) in unsigned.iter().zip(opened) {
            if let Err(error) = opened {
                self.faults.push(message(kept.number, &format!("over {} entries: {error}", kept.size)));
            }
        }
    }

    fn fault(&mut self, why: String) {
        self.faults.push(message(self.number, &why));
    }
}

fn message(number: u64, why: &str) -> String {
    format!("checkpoints, line {number}: {why}")
}
