//! Opening, closing, and what others may do meanwhile.

use std::os::unix::fs::PermissionsExt as _;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use latchgate_monitor::ports::{CallIdentity, CommitError, Log as _, Payloads as _, Prior, Refusal};
use latchgate_monitor::proofs::UsedProof;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::*;
use latchgate_wire::ids::GrantId;
use latchgate_wire::receipt::ProofId;

use crate::testing::*;
use crate::{ApprovalFilter, OpenError};

#[test]
fn a_new_ledger_starts_with_its_key_and_a_checkpoint() {
    let home = Home::new();
    let (ledger, recovery) = home.open().unwrap();
    assert!(recovery.created);
    let first = ledger.entry(0).unwrap().unwrap();
    let first = Entry::open(&first, &key().verifying_key()).unwrap();
    assert!(matches!(first.entry.body, Body::GateStarted(_)));
    for path in [home.ledger_dir().join("checkpoint"), home.last_checkpoint()] {
        let note = std::fs::read_to_string(path).unwrap();
        assert_eq!(Checkpoint::open(&note, &key().verifying_key()).unwrap().size, 1);
    }
    let pem = std::fs::read_to_string(home.ledger_dir().join("keys/entry-0.pem")).unwrap();
    assert_eq!(VerifyingKey::from_public_key_pem(&pem).unwrap(), key().verifying_key());
}

#[test]
fn files_and_directories_are_private() {
    let home = Home::new();
    let ledger = home.ready(max_calls(1));
    ledger.payloads().put(b"x").unwrap();
    ledger.keep_policy(b"policy").unwrap();
    close(&ledger);
    let mut left = vec![home.ledger_dir()];
    while let Some(path) = left.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{path:?}");
        if path.is_dir() {
            left.extend(std::fs::read_dir(path).unwrap().map(|item| item.unwrap().path()));
        }
    }
}

#[test]
fn what_was_committed_is_there_after_a_restart() {
    let home = Home::new();
    let ledger = home.ready(max_calls(2));
    let intent = intent(grant(1), call(1));
    let seq = say(&ledger, Body::CallIntent(intent.clone())).unwrap().seq;
    let done = say(&ledger, Body::CallOutcome(outcome(seq, &intent))).unwrap();
    close(&ledger);
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!((recovery.cut_bytes, recovery.unknown.len()), (0, 0));
    assert_eq!(ledger.entry(done.seq).unwrap().unwrap(), done.line.bytes());
    assert_eq!(ledger.calls_left(&who()), Some(1));
    assert_eq!(ledger.outcome_of(seq).unwrap().seq, done.seq);
    assert!(matches!(say(&ledger, Body::CallIntent(intent)), Err(CommitError::Refused(Refusal::GrantUsed))));
}

#[test]
fn a_closed_ledger_is_cut_to_its_size_and_takes_nothing_more() {
    let home = Home::new();
    let ledger = home.ready(max_calls(1));
    close(&ledger);
    let bytes = std::fs::read(&home.segments()[0]).unwrap();
    assert!(bytes.ends_with(b"}\n"));
    assert!(matches!(say(&ledger, config("q")), Err(CommitError::Closed(_))));
    let note = std::fs::read_to_string(home.last_checkpoint()).unwrap();
    assert_eq!(Checkpoint::open(&note, &key().verifying_key()).unwrap().size, 4);
}

#[test]
fn a_second_opener_is_refused_and_told_by_whom() {
    let home = Home::new();
    let (ledger, _) = home.open().unwrap();
    let error = home.open().map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Locked { pid: Some(pid), .. } if pid == std::process::id()));
    assert!(error.to_string().contains(&std::process::id().to_string()));
    close(&ledger);
    home.open().unwrap();
}

#[test]
fn a_checkpoint_on_request_covers_what_was_answered() {
    let home = Home::new();
    let ledger = home.ready(max_calls(1));
    let note = pollster::block_on(ledger.checkpoint()).unwrap().note;
    assert_eq!(Checkpoint::open(&note, &key().verifying_key()).unwrap().size, 3);
    assert_eq!(std::fs::read_to_string(home.ledger_dir().join("checkpoint")).unwrap(), note);
}

#[test]
fn segments_are_rolled_and_read_across() {
    let home = Home::new();
    let ledger = home.ready(max_calls(1));
    for n in 0..300 {
        say(&ledger, config(&format!("policy {n}"))).unwrap();
    }
    assert!(home.segments().len() > 2);
    let before = ledger.entries(0, 1000).unwrap();
    close(&ledger);
    let (ledger, _) = home.open().unwrap();
    assert_eq!(ledger.entries(0, before.len()).unwrap(), before);
    assert_eq!(ledger.entries(100, 7).unwrap(), before[100..107]);
}

#[test]
fn time_never_goes_back_in_entries() {
    let home = Home::new();
    let ledger = home.ready(max_calls(1));
    let late = {
        home.clock.advance(5_000);
        say(&ledger, config("q")).unwrap().time
    };
    home.clock.advance(-10_000);
    assert_eq!(say(&ledger, config("r")).unwrap().time, late);
    close(&ledger);
    let (_, recovery) = home.open().unwrap();
    assert_eq!(recovery.clock_behind_ms, 10_000);
}

#[test]
fn recent_proofs_are_found_after_a_restart() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10));
    let proof = |jti: &str| ProofId { jkt: "k".into(), jti: jti.into(), iat: 0 };
    let with_proof = |n: u64, made_at: i64, jti: &str| {
        let grant = GrantId::new(made_at.unsigned_abs(), u128::from(n));
        Body::CallIntent(intent(grant, Call { proof: Some(proof(jti)), ..read_call(n) }))
    };
    say(&ledger, with_proof(1, T0, "old")).unwrap();
    home.clock.advance(65_001);
    say(&ledger, with_proof(2, T0 + 65_001, "new")).unwrap();
    assert!(ledger.recent_proofs().is_empty(), "those of this run are the caller's to remember");
    close(&ledger);
    let (ledger, _) = home.open().unwrap();
    assert_eq!(ledger.recent_proofs(), [UsedProof::of(&proof("new"))]);
}

#[test]
fn a_joined_call_is_given_the_receipt_of_the_first() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10));
    let first = intent(grant(1), call(1));
    let seq = say(&ledger, Body::CallIntent(first.clone())).unwrap().seq;
    assert!(ledger.outcome_of(seq).is_none());
    let receipt = outcome(seq, &first);
    say(&ledger, Body::CallOutcome(receipt.clone())).unwrap();
    let again = say(&ledger, Body::CallIntent(intent(grant(2), call(1))));
    let Err(CommitError::Refused(Refusal::Joined(prior))) = again else { panic!("{again:?}") };
    let Prior::Finished(finished) = *prior else { panic!("{prior:?}") };
    assert_eq!(finished.receipt, receipt);
    assert_eq!(ledger.receipt(receipt.receipt_id).unwrap().receipt, receipt);
    say(&ledger, Body::CallsDelivered(CallsDelivered { intents: vec![seq] })).unwrap();
    let identity = CallIdentity {
        principal: who().principal,
        action_id: ACTION.into(),
        request_hash: call(1).request_hash,
        idempotency_key: None,
        is_read: false,
    };
    assert_eq!(ledger.prior(&identity), None);
    assert_eq!(ledger.outcome_of(seq).unwrap().receipt, receipt, "found in the log");
}

#[test]
fn approvals_are_listed_with_what_came_of_them() {
    let home = Home::new();
    let ledger = home.ready(max_calls(10));
    let (one, two) = (held(1, asked(call(1))), held(2, asked(call(2))));
    say(&ledger, Body::CallHeld(one.clone())).unwrap();
    say(&ledger, Body::CallHeld(two)).unwrap();
    say(&ledger, operators(&[("op", "k", Role::Approver)])).unwrap();
    say(&ledger, Body::ApprovalDecided(decided(&one, Decision::Approved))).unwrap();
    let approval = ledger.approval(one.approval_id).unwrap().approved;
    let intent = CallIntent { approval, ..intent(grant(1), asked(call(1))) };
    let seq = say(&ledger, Body::CallIntent(intent.clone())).unwrap().seq;
    say(&ledger, Body::CallOutcome(outcome(seq, &intent))).unwrap();
    let all = ledger.approvals(&ApprovalFilter::default());
    assert_eq!(all.iter().map(|a| a.held.approval_id).collect::<Vec<_>>(), [approval_id(2), approval_id(1)]);
    assert_eq!(all[1].finished.as_ref().unwrap().receipt.intent_seq, seq);
    let pending =
        ApprovalFilter { status: Some(latchgate_monitor::ports::ApprovalStatus::Pending), principal: None };
    assert_eq!(ledger.approvals(&pending).len(), 1);
    assert_eq!(ledger.stats().approvals_pending, 1);
}
