//! The writer under load, on a full disk and on a broken one.

use std::sync::Arc;

use latchgate_monitor::ports::{CommitError, Committed, Durability, Log as _, Payloads as _, Refusal};
use latchgate_wire::entry::*;
use tokio::task::JoinSet;

use crate::Ledger;
use crate::testing::disk::FaultyDisk;
use crate::testing::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// Commits all at once.
fn all(ledger: &Ledger, bodies: Vec<Body>) -> Vec<Result<Committed, CommitError>> {
    runtime().block_on(async {
        let mut tasks = JoinSet::new();
        for body in bodies {
            let ledger = ledger.clone();
            tasks.spawn(async move { ledger.commit(commit(body)).await });
        }
        tasks.join_all().await
    })
}

fn intents(n: u64) -> Vec<Body> {
    (0..n).map(|n| Body::CallIntent(intent(grant(n), read_call(n)))).collect()
}

#[test]
fn sixty_four_callers_cannot_pass_a_budget() {
    let home = Home::new();
    let ledger = home.ready(max_calls(20));
    let results = all(&ledger, intents(64));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 20);
    let exhausted = |result: &&Result<_, CommitError>| {
        matches!(result, Err(CommitError::Refused(Refusal::BudgetExhausted)))
    };
    assert_eq!(results.iter().filter(exhausted).count(), 44);
    assert_eq!(ledger.calls_left(&who()), Some(0));
}

#[test]
fn sixty_four_callers_cannot_use_a_grant_twice() {
    let home = Home::new();
    let ledger = home.ready(max_calls(99));
    let bodies = (0..64).map(|n| Body::CallIntent(intent(grant(1), read_call(n)))).collect();
    assert_eq!(all(&ledger, bodies).iter().filter(|result| result.is_ok()).count(), 1);
}

#[test]
fn commits_that_wait_share_a_sync() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10_000));
    let before = ledger.stats();
    assert!(all(&ledger, intents(500)).iter().all(Result::is_ok));
    let after = ledger.stats();
    assert_eq!(after.entries - before.entries, 500);
    assert!(after.syncs - before.syncs < 250, "{} syncs", after.syncs - before.syncs);
}

#[test]
fn sequence_and_answer_agree() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10_000));
    for result in all(&ledger, intents(100)) {
        let committed = result.unwrap();
        assert_eq!(ledger.entry(committed.seq).unwrap().unwrap(), committed.line.bytes());
    }
    assert_eq!(*ledger.changed().borrow(), ledger.stats().entries);
}

#[test]
fn payloads_are_synced_only_with_commits_that_ask_for_it() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10));
    let put_and_commit = |payload: Durability| {
        ledger.payloads().put(b"arguments").unwrap();
        let commit = latchgate_monitor::ports::Commit { payload, ..commit(config("p")) };
        pollster::block_on(ledger.commit(commit)).unwrap();
        ledger.stats().payload_syncs
    };
    assert_eq!(put_and_commit(Durability::Buffered), 0);
    assert_eq!(put_and_commit(Durability::Synced), 1);
    assert_eq!(put_and_commit(Durability::Buffered), 1);
}

#[test]
fn an_entry_that_is_too_long_is_refused_alone() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10));
    let long = Body::GateStopped(GateStopped { reason: "x".repeat(LINE_BYTES_MAX) });
    assert!(matches!(say(&ledger, long), Err(CommitError::Invalid(_))));
    say(&ledger, config("p")).unwrap();
}

#[test]
fn a_full_disk_denies_new_calls_and_loses_no_outcome() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    say(&ledger, config("p")).unwrap();
    say(&ledger, lease(who(), max_calls(10_000))).unwrap();
    disk.set_room(Some(0));
    let mut open = Vec::new();
    let refusal = loop {
        let intent = intent(grant(open.len() as u64), read_call(1));
        match say(&ledger, Body::CallIntent(intent.clone())) {
            Ok(committed) => open.push((committed.seq, intent)),
            Err(error) => break error,
        }
    };
    assert!(matches!(refusal, CommitError::Full), "{refusal}");
    assert!(!open.is_empty());
    // Smaller entries may still fit, but they never take the outcomes' room.
    while say(&ledger, config("p")).is_ok() {}
    for (seq, intent) in &open {
        let mut receipt = outcome(*seq, intent);
        // As large as an outcome may be.
        receipt.operation.target = "x".repeat(6_500);
        say(&ledger, Body::CallOutcome(receipt)).unwrap();
    }
    // The room of settled outcomes is used first; then space returns, and so do calls.
    let mut n = 1_000;
    while say(&ledger, Body::CallIntent(intent(grant(n), read_call(1)))).is_ok() {
        n += 1;
    }
    disk.set_room(None);
    say(&ledger, Body::CallIntent(intent(grant(n), read_call(1)))).unwrap();
    assert!(home.fatal.lock().unwrap().is_empty());
}

#[test]
fn a_full_disk_fails_a_payload_and_nothing_else() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    disk.set_room(Some(0));
    let full = ledger.payloads().put(b"x");
    assert!(matches!(full, Err(latchgate_monitor::ports::PayloadError::Full)), "{full:?}");
    disk.set_room(None);
    let at = ledger.payloads().put(b"x").unwrap();
    assert_eq!(ledger.payloads().read(at).unwrap(), b"x");
}

#[test]
fn less_room_than_is_taken_at_once_is_enough_for_a_payload() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    disk.set_room(Some(1_000));
    let at = ledger.payloads().put(b"x").unwrap();
    assert_eq!(ledger.payloads().read(at).unwrap(), b"x");
    let full = ledger.payloads().put(&[0; 1_000]);
    assert!(matches!(full, Err(latchgate_monitor::ports::PayloadError::Full)), "{full:?}");
}

#[test]
fn a_failed_sync_ends_everything_and_answers_nobody_as_done() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    let before = ledger.stats().entries;
    disk.fail_to_sync();
    assert!(matches!(say(&ledger, config("p")), Err(CommitError::Closed(_))));
    assert!(matches!(say(&ledger, config("p")), Err(CommitError::Closed(_))));
    let fatal = home.fatal.lock().unwrap().clone();
    assert_eq!(fatal, ["writing the ledger failed: the disk is gone"]);
    assert_eq!(ledger.stats().entries, before, "readers saw nothing of it");
}

/// A sync that fails may lose what anybody had written: that it was another one's payload does not make this one durable.
#[test]
fn a_failed_sync_of_space_for_one_payload_makes_nobody_else_s_durable() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    ledger.payloads().put(b"of a call that is about to be committed").unwrap();
    disk.fail_to_allocate();
    assert!(ledger.payloads().put(&[7; 16 << 10]).is_err());
    let synced = latchgate_monitor::ports::Commit { payload: Durability::Synced, ..commit(config("p")) };
    assert!(matches!(pollster::block_on(ledger.commit(synced)), Err(CommitError::Closed(_))));
    // Answered by the end of the thread, which has told by then why.
    assert!(matches!(say(&ledger, config("p")), Err(CommitError::Closed(_))));
    assert_eq!(
        home.fatal.lock().unwrap().clone(),
        ["writing the ledger failed: the payload store has failed"]
    );
}

#[test]
fn no_segment_is_started_without_room_in_it() {
    let home = Home::new();
    let disk = FaultyDisk::default();
    let (ledger, _) = home.open_on(Arc::new(disk.clone())).unwrap();
    // Fill the first segment to beyond its size, with just enough room for it.
    disk.set_room(Some(64 << 10));
    while say(&ledger, config("p")).is_ok() {}
    assert_eq!(home.segments().len(), 1);
    disk.set_room(None);
    say(&ledger, config("p")).unwrap();
    say(&ledger, config("p")).unwrap();
    assert_eq!(home.segments().len(), 2);
    close(&ledger);
    home.open().unwrap();
}
