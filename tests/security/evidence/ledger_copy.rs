//! A copy of a ledger in an attacker's hands: lines taken out, put in, rewritten, and signed with whatever key he has.

use std::fs;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use latchgate_tests::{Gate, segments_in};
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::{Body, Entry};
use latchgate_wire::merkle::{Frontier, leaf_hash};
use serde_json::Value;
use tempfile::TempDir;

pub struct LedgerCopy {
    _dir: TempDir,
    pub ledger: PathBuf,
    pub lines: Vec<Vec<u8>>,
}

impl LedgerCopy {
    pub fn of(gate: &Gate) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = dir.path().join("ledger");
        copy(&gate.ledger(), &ledger);
        let lines = lines_of(&ledger);
        Self { _dir: dir, ledger, lines }
    }

    /// Writes the lines back as the only segment. The tiles go: whoever changes the log would make them anew.
    pub fn write(&self) {
        write(&self.ledger, &self.lines.concat_lines());
        let tiles = self.ledger.join("tile");
        if tiles.exists() {
            fs::remove_dir_all(tiles).unwrap();
        }
    }

    /// Signs a checkpoint over the lines as they are now.
    pub fn checkpoint(&self, key: &SigningKey) {
        fs::write(self.ledger.join("checkpoint"), checkpoint(&self.lines, key)).unwrap();
    }

    /// The position of the first entry that `is` picks.
    pub fn position(&self, is: impl Fn(&Value) -> bool) -> usize {
        self.lines.iter().position(|line| is(&serde_json::from_slice(line).unwrap())).expect("such an entry")
    }

    pub fn of_kind(&self, kind: &str) -> usize {
        self.position(|entry| entry["kind"] == kind)
    }

    /// Changes every entry and signs it anew, numbered from 0.
    pub fn resign(&mut self, key: &SigningKey, mut change: impl FnMut(&mut Entry)) {
        for (seq, line) in self.lines.iter_mut().enumerate() {
            let mut entry = Entry::read(line).unwrap();
            let old = entry.seq;
            entry.seq = seq as u64;
            change(&mut entry);
            renumber(&mut entry, old);
            *line = entry.sign(key).unwrap().bytes().to_vec();
        }
    }
}

/// Receipts name their intent by number: as far behind as before, where that is all that moved.
fn renumber(entry: &mut Entry, old: u64) {
    if let Body::CallOutcome(receipt) = &mut entry.body {
        receipt.intent_seq = receipt.intent_seq + entry.seq - old;
    }
}

pub trait Lines {
    fn concat_lines(&self) -> Vec<u8>;
}

impl Lines for Vec<Vec<u8>> {
    fn concat_lines(&self) -> Vec<u8> {
        self.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
    }
}

/// The gate's own key: what only the gate, or who runs as its user, can sign with.
pub fn entry_key(gate: &Gate) -> SigningKey {
    SigningKey::from_pkcs8_pem(&fs::read_to_string(gate.keys().join("entry.key")).unwrap()).unwrap()
}

pub fn another_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The whole lines of a ledger.
pub fn lines_of(ledger: &Path) -> Vec<Vec<u8>> {
    let bytes: Vec<u8> = segments_in(ledger).iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let written = bytes.split(|byte| *byte == 0).next().unwrap();
    written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
}

/// Replaces all segments by one.
pub fn write(ledger: &Path, bytes: &[u8]) {
    let segments = segments_in(ledger);
    segments.iter().skip(1).for_each(|path| fs::remove_file(path).unwrap());
    fs::write(&segments[0], bytes).unwrap();
}

/// A signed note over these lines.
pub fn checkpoint(lines: &[Vec<u8>], key: &SigningKey) -> String {
    let origin = Entry::read(&lines[0]).unwrap().gate;
    let mut tree = Frontier::default();
    lines.iter().for_each(|line| tree.push(leaf_hash(line)));
    Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(key)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}
