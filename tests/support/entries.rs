//! What a ledger's segments say, read as a stranger would: JSON lines up to the first NUL.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The segment files of a ledger directory, in order.
///
/// # Panics
/// If there is no log.
pub fn segments_in(ledger: &Path) -> Vec<PathBuf> {
    let log = ledger.join("log");
    let files = fs::read_dir(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    paths.sort();
    paths
}

/// Every whole entry of a ledger directory, oldest first.
///
/// # Panics
/// If a line is no JSON.
pub fn entries_in(ledger: &Path) -> Vec<Value> {
    segments_in(ledger).iter().flat_map(|path| entries_of(path)).collect()
}

/// The entries of one kind.
pub fn of_kind<'a>(entries: &'a [Value], kind: &str) -> Vec<&'a Value> {
    entries.iter().filter(|entry| entry["kind"] == kind).collect()
}

fn entries_of(path: &Path) -> Vec<Value> {
    let bytes = fs::read(path).unwrap();
    let written = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    // The gate may be in the middle of the last line.
    let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = written[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines
        .map(|line| {
            serde_json::from_slice(line).unwrap_or_else(|error| {
                panic!("{}: {error}: {}", path.display(), String::from_utf8_lossy(line))
            })
        })
        .collect()
}
