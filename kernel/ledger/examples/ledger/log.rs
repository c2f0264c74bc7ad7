//! A long log, written as fast as it can be signed: the real entries, segments and checkpoints.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use ed25519_dalek::SigningKey;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::*;
use latchgate_wire::keychain;
use latchgate_wire::merkle::{Frontier, leaf_hash};
use latchgate_wire::receipt::Boundary;
use latchgate_wire::time::Timestamp;

use crate::{Failure, append, entries, machine};

const SEGMENT_BYTES: u64 = 64 << 20;
const CHECKPOINT_ENTRIES: u64 = 256;
/// Entries that are signed together.
const TOGETHER: u64 = 8_192;

/// Writes a log of `size` entries, one a millisecond, ending an hour ago.
pub fn write(dir: &Path, size: u64) -> Result<(), Failure> {
    let ledger = dir.join("ledger");
    std::fs::create_dir_all(ledger.join("log"))?;
    std::fs::create_dir_all(dir.join("keys"))?;
    let ms = i64::try_from(size)?;
    let from = latchgate_monitor::ports::Clock::now(&append::WallClock).plus_ms(-3_600_000 - ms);
    let mut history = BufWriter::new(File::create(ledger.join("checkpoints"))?);
    let (mut tree, mut note) = (Frontier::default(), String::new());
    let (mut segment, mut segment_bytes) = (None, 0);
    let key = append::key();
    for first in (0..size).step_by(usize::try_from(TOGETHER)?) {
        for line in signed(first..size.min(first + TOGETHER), from, &key)? {
            if segment.is_none() || segment_bytes >= SEGMENT_BYTES {
                let name = format!("{:020}.jsonl", tree.size());
                segment = Some(BufWriter::new(File::create(ledger.join("log").join(name))?));
                segment_bytes = 0;
            }
            if let Some(segment) = &mut segment {
                segment.write_all(&line)?;
                segment.write_all(b"\n")?;
            }
            segment_bytes += line.len() as u64 + 1;
            tree.push(leaf_hash(&line));
            if tree.size() % CHECKPOINT_ENTRIES == 0 || tree.size() == size {
                let (size, root) = (tree.size(), tree.root());
                note = Checkpoint { origin: entries::ORIGIN.into(), size, root }.sign(&key);
                history.write_all(Checkpoint::line(&note).unwrap_or_default().as_bytes())?;
            }
        }
    }
    if let Some(mut segment) = segment {
        segment.flush()?;
    }
    history.flush()?;
    std::fs::write(ledger.join("checkpoint"), &note)?;
    std::fs::write(dir.join("keys/last-checkpoint"), &note)?;
    Ok(())
}

/// The lines of these entries, signed on all cores.
fn signed(range: std::ops::Range<u64>, from: Timestamp, key: &SigningKey) -> Result<Vec<Vec<u8>>, Failure> {
    let seqs: Vec<u64> = range.collect();
    let share = seqs.len().div_ceil(machine::cores()).max(1);
    let sign =
        |seq: &u64| -> Result<Vec<u8>, Failure> { Ok(entry(*seq, from, key).sign(key)?.bytes().to_vec()) };
    std::thread::scope(|scope| {
        let threads: Vec<_> = seqs
            .chunks(share)
            .map(|seqs| scope.spawn(move || seqs.iter().map(sign).collect::<Result<Vec<_>, _>>()))
            .collect();
        let mut lines = Vec::new();
        for thread in threads {
            lines.extend(thread.join().map_err(|_| "a signing thread panicked")??);
        }
        Ok(lines)
    })
}

/// What stands at `seq`: the gate's start, the policy, a lease for each session; then intents and their outcomes in turn.
fn entry(seq: u64, from: Timestamp, key: &SigningKey) -> Entry {
    let head = 2 + entries::PRINCIPALS + 1;
    let time = |seq: u64| from.plus_ms(i64::try_from(seq).unwrap_or(i64::MAX));
    let (body, n) = match seq.checked_sub(head) {
        None => (first(seq, from, key), None),
        Some(behind) => {
            let (n, intent_seq) = (behind / 2, head + behind / 2 * 2);
            let intent = entries::intent(n, time(intent_seq));
            let body = if behind.is_multiple_of(2) {
                Body::CallIntent(intent)
            } else {
                Body::CallOutcome(entries::outcome(n, intent_seq, &intent, time(seq)))
            };
            (body, Some(n))
        }
    };
    let trace_id = n.map(|n| entries::trace_id(n, time(head + n * 2)));
    Entry { v: FORMAT, seq, time: time(seq), gate: entries::ORIGIN.into(), trace_id, body }
}

fn first(seq: u64, from: Timestamp, key: &SigningKey) -> Body {
    let started = GateStarted {
        version: "bench".into(),
        boundary: Boundary::SameUser,
        entry_key: keychain::text(&key.verifying_key()),
        checkpoint_size: None,
    };
    let head = [Body::GateStarted(started), entries::config()].into_iter().chain(entries::leases(from));
    head.into_iter().nth(usize::try_from(seq).unwrap_or(usize::MAX)).unwrap_or_else(entries::config)
}
