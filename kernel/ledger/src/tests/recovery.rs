//! Taking up a log that is not as it was left.

use std::path::Path;

use latchgate_monitor::ports::{CallIdentity, Log as _, Prior};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::*;
use latchgate_wire::receipt::{EffectStatus, FailureClass};

use crate::OpenError;
use crate::testing::*;

/// A ledger of seven entries (0 to 6), closed, all within the checkpoint.
fn closed() -> Home {
    let home = Home::new();
    let ledger = home.ready(max_calls(9));
    for policy in ["q", "r", "s"] {
        say(&ledger, config(policy)).unwrap();
    }
    close(&ledger);
    home
}

/// Rewrites the only segment's lines.
fn rewrite(home: &Home, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let path = &home.segments()[0];
    let mut lines = lines(path);
    change(&mut lines);
    let bytes: Vec<u8> = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
    std::fs::write(path, bytes).unwrap();
}

fn error(home: &Home) -> OpenError {
    home.open().map(drop).unwrap_err()
}

#[test]
fn an_edited_byte_is_refused_and_its_entry_named() {
    for seq in 0..7usize {
        let home = closed();
        rewrite(&home, |lines| {
            let at = lines[seq].len() / 2;
            lines[seq][at] ^= 1;
        });
        let error = error(&home);
        assert!(matches!(error, OpenError::Tampered { seq: s, size: 7, .. } if s == seq as u64), "{error}");
        assert!(error.to_string().contains(&format!("entry {seq} ")), "{error}");
    }
}

#[test]
fn a_dropped_moved_or_repeated_entry_is_refused() {
    type Change = fn(&mut Vec<Vec<u8>>);
    let changes: [(u64, Change); 4] = [
        (2, |lines| drop(lines.remove(2))),
        (2, |lines| lines.swap(2, 3)),
        (3, |lines| lines.insert(3, lines[2].clone())),
        (0, |lines| drop(lines.remove(0))),
    ];
    for (named, change) in changes {
        let home = closed();
        rewrite(&home, change);
        let error = error(&home);
        assert!(matches!(error, OpenError::Tampered { seq, .. } if seq == named), "{error}");
    }
}

#[test]
fn a_log_cut_below_its_checkpoint_is_refused_and_left_alone() {
    let home = closed();
    rewrite(&home, |lines| lines.truncate(5));
    let before = std::fs::read(&home.segments()[0]).unwrap();
    let error = error(&home);
    assert!(matches!(error, OpenError::RolledBack { entries: 5, size: 7, .. }), "{error}");
    assert!(error.to_string().contains("restore"), "{error}");
    assert_eq!(std::fs::read(&home.segments()[0]).unwrap(), before);
}

#[test]
fn a_log_rolled_back_with_its_checkpoint_is_found_by_the_copy() {
    let home = closed();
    let checkpoint = home.ledger_dir().join("checkpoint");
    let (log, note) = (std::fs::read(&home.segments()[0]).unwrap(), std::fs::read(&checkpoint).unwrap());
    let (ledger, _) = home.open().unwrap();
    say(&ledger, config("later")).unwrap();
    close(&ledger);
    std::fs::write(&home.segments()[0], log).unwrap();
    std::fs::write(checkpoint, note).unwrap();
    let error = error(&home);
    assert!(
        matches!(&error, OpenError::RolledBack { entries: 7, checkpoint, .. } if *checkpoint == home.last_checkpoint()),
        "{error}"
    );
}

#[test]
fn a_missing_ledger_is_no_new_ledger() {
    let home = closed();
    std::fs::remove_dir_all(home.ledger_dir()).unwrap();
    assert!(matches!(error(&home), OpenError::RolledBack { entries: 0, size: 7, .. }));
    assert!(!home.ledger_dir().exists());
}

#[test]
fn a_log_without_any_checkpoint_is_refused() {
    let home = closed();
    std::fs::remove_file(home.last_checkpoint()).unwrap();
    let (ledger, _) = home.open().unwrap();
    close(&ledger);
    std::fs::remove_file(home.last_checkpoint()).unwrap();
    std::fs::remove_file(home.ledger_dir().join("checkpoint")).unwrap();
    assert!(matches!(error(&home), OpenError::NoCheckpoint { .. }));
}

#[test]
fn another_history_under_the_same_key_is_refused() {
    let (home, other) = (closed(), closed());
    rewrite(&other, |_| {});
    let (ledger, _) = other.open().unwrap();
    say(&ledger, config("other")).unwrap();
    close(&ledger);
    let (ledger, _) = home.open().unwrap();
    say(&ledger, config("this")).unwrap();
    close(&ledger);
    std::fs::copy(&other.segments()[0], &home.segments()[0]).unwrap();
    assert!(matches!(error(&home), OpenError::Forked { .. }));
}

#[test]
fn a_forged_checkpoint_is_refused() {
    let home = closed();
    let path = home.ledger_dir().join("checkpoint");
    let note = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, note.replace("\n7\n", "\n3\n")).unwrap();
    assert!(matches!(error(&home), OpenError::Checkpoint(_)));
}

#[test]
fn an_entry_of_a_newer_format_is_refused_not_cut() {
    let home = closed();
    let mut newer = lines(&home.segments()[0]).remove(3);
    let at = newer.len() - 2;
    assert_eq!(&newer[at - 4..], b"\"v\":1}");
    newer[at] = b'2';
    rewrite(&home, |lines| lines.push(newer));
    assert!(matches!(error(&home), OpenError::Newer { seq: 7, found: 2 }));
}

/// Appends to the last segment what a crash could leave behind the checkpoint.
fn append(path: &Path, bytes: &[u8]) {
    let mut all = std::fs::read(path).unwrap();
    all.extend_from_slice(bytes);
    std::fs::write(path, all).unwrap();
}

#[test]
fn a_torn_end_is_cut_kept_and_recorded() {
    let torn: [&[u8]; 4] = [b"{\"gate\":", b"{}\n", b"\0\0\0late bytes\n", b"{}\nmore\n\0\0"];
    for bytes in torn {
        let home = closed();
        append(&home.segments()[0], bytes);
        let (ledger, recovery) = home.open().unwrap();
        let expected = &bytes[..bytes.iter().rposition(|b| *b != 0).unwrap() + 1];
        assert_eq!(std::fs::read(recovery.cut_kept.unwrap()).unwrap(), expected);
        let recovered = ledger.query(&query_kind("gate.recovered")).unwrap();
        assert_eq!(recovered.entries[0]["cut_digest"], Digest::of(expected).to_string());
        assert_eq!(recovered.entries[0]["cut_bytes"], expected.len());
        assert_eq!(recovery.entries, 7);
        close(&ledger);
        assert_eq!(home.open().unwrap().1.cut_bytes, 0, "the second start finds all in order");
    }
}

#[test]
fn a_segment_behind_a_torn_end_goes_with_it() {
    let home = closed();
    append(&home.segments()[0], b"torn");
    std::fs::write(home.ledger_dir().join("log").join(crate::segment::file_name(8)), b"x\n").unwrap();
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!(std::fs::read(recovery.cut_kept.unwrap()).unwrap(), b"tornx\n");
    assert_eq!(home.segments().len(), 1);
    close(&ledger);
}

#[test]
fn an_empty_segment_that_was_just_started_is_gone_on_with() {
    let home = closed();
    std::fs::write(home.ledger_dir().join("log").join(crate::segment::file_name(7)), [0; 4096]).unwrap();
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!((recovery.entries, recovery.cut_bytes), (7, 0));
    say(&ledger, config("next")).unwrap();
    close(&ledger);
    assert_eq!(lines(&home.segments()[1]).len(), 3);
    home.open().unwrap();
}

#[test]
fn a_segment_under_another_name_is_refused() {
    let home = closed();
    let path = &home.segments()[0];
    std::fs::rename(path, path.with_file_name(crate::segment::file_name(3))).unwrap();
    assert!(matches!(error(&home), OpenError::Tampered { seq: 0, .. }));
}

#[test]
fn interrupted_calls_become_unknown_outcomes_that_are_never_run_again() {
    let home = Home::new();
    let ledger = home.ready(max_calls(5));
    let open = intent(grant(1), call(1));
    let seq = say(&ledger, Body::CallIntent(open.clone())).unwrap().seq;
    let read = say(&ledger, Body::CallIntent(intent(grant(2), read_call(2)))).unwrap().seq;
    abandon(ledger);
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!(recovery.unknown, [seq, read]);
    let finished = ledger.outcome_of(seq).unwrap();
    assert_eq!(finished.receipt.effect(), EffectStatus::Unknown);
    assert_eq!(finished.receipt.failure_class, Some(FailureClass::Interrupted));
    assert_eq!(finished.receipt.grant_id, open.grant_id);
    assert_eq!(ledger.calls_left(&who()), Some(3), "what was reserved counts as spent");
    let identity = CallIdentity {
        principal: who().principal,
        action_id: ACTION.into(),
        request_hash: open.call.request_hash,
        idempotency_key: None,
        is_read: false,
    };
    assert!(matches!(ledger.prior(&identity), Some(Prior::Unknown(f)) if f.seq == finished.seq));
    assert_eq!(ledger.stats().unknown_outcomes, 1);
    close(&ledger);
    assert!(home.open().unwrap().1.unknown.is_empty());
}

fn query_kind(kind: &str) -> latchgate_wire::api::AuditQuery {
    latchgate_wire::api::AuditQuery { kind: Some(kind.into()), ..Default::default() }
}
