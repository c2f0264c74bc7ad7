//! The log goes over to another key: by an entry that both sign, and across any crash.

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::Committed;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::entry::*;

use crate::testing::*;
use crate::verify::{Report, Trust};
use crate::{Ledger, OpenError, Recovery};

fn new_key() -> SigningKey {
    SigningKey::from_bytes(&[6; 32])
}

fn signed() -> Signed {
    Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() }
}

fn rotate(ledger: &Ledger, key: SigningKey) -> Committed {
    pollster::block_on(ledger.rotate(key, signed())).unwrap()
}

/// A ledger with an admin.
fn ready(home: &Home) -> Ledger {
    let ledger = home.ready(max_calls(9));
    say(&ledger, operators(&[("op", "k", Role::Admin)])).unwrap();
    ledger
}

fn open_with(
    home: &Home,
    key: SigningKey,
    next: Option<SigningKey>,
) -> Result<(Ledger, Recovery), OpenError> {
    let config = crate::OpenConfig { entry_key: key, next_key: next, ..home.config() };
    Ledger::open_on(std::sync::Arc::new(crate::disk::RealDisk), home.sizes, config)
}

/// The operator's word is not a real one here; anything else is a finding.
fn findings(report: &Report) -> Vec<&crate::verify::Finding> {
    report.findings.iter().filter(|finding| finding.rule != "decision").collect()
}

#[test]
fn entries_and_checkpoints_behind_a_rotation_are_the_new_keys() {
    let home = Home::new();
    let ledger = ready(&home);
    let rotated = rotate(&ledger, new_key());
    Entry::open(rotated.line.bytes(), &key().verifying_key()).unwrap();
    let note = pollster::block_on(ledger.checkpoint()).unwrap().note;
    assert_eq!(Checkpoint::open(&note, &new_key().verifying_key()).unwrap().size, rotated.seq + 1);
    let next = say(&ledger, config("q")).unwrap();
    Entry::open(next.line.bytes(), &new_key().verifying_key()).unwrap();
    assert!(Entry::open(next.line.bytes(), &key().verifying_key()).is_err());
    close(&ledger);
    let names: Vec<_> =
        std::fs::read_dir(home.ledger_dir().join("keys")).unwrap().map(|i| i.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn either_key_verifies_the_whole_log_and_a_third_does_not() {
    let home = Home::new();
    let ledger = ready(&home);
    rotate(&ledger, new_key());
    for n in 0..200 {
        say(&ledger, config(&format!("policy {n}"))).unwrap();
    }
    close(&ledger);
    for trusted in [key(), new_key()] {
        let report = verified_with(&home, Trust::Key(trusted.verifying_key()));
        assert!(findings(&report).is_empty(), "{report:?}");
        assert_eq!((report.keys.len(), report.keys[1].0), (2, 5));
    }
    let third = SigningKey::from_bytes(&[7; 32]).verifying_key();
    let report = verified_with(&home, Trust::Key(third));
    assert!(findings(&report).iter().any(|f| f.rule == "signature" && f.seq == Some(0)), "{report:?}");
}

#[test]
fn a_gate_starts_again_under_its_new_key_and_not_under_the_old() {
    let home = Home::new();
    let ledger = ready(&home);
    rotate(&ledger, new_key());
    close(&ledger);
    assert!(matches!(
        open_with(&home, key(), None),
        Err(OpenError::Checkpoint(_) | OpenError::Tampered { .. })
    ));
    let (ledger, recovery) = open_with(&home, new_key(), None).unwrap();
    assert!(!recovery.took_next_key);
    rotate(&ledger, SigningKey::from_bytes(&[8; 32]));
    say(&ledger, config("z")).unwrap();
    close(&ledger);
    open_with(&home, SigningKey::from_bytes(&[8; 32]), None).unwrap();
}

/// The next key is durable before the entry; which of the two it is after a crash, the log says.
#[test]
fn after_a_crash_the_log_says_which_key_it_is() {
    let home = Home::new();
    let ledger = ready(&home);
    abandon(ledger);
    let (ledger, recovery) = open_with(&home, key(), Some(new_key())).unwrap();
    assert!(!recovery.took_next_key);
    rotate(&ledger, new_key());
    abandon(ledger);
    let (ledger, recovery) = open_with(&home, key(), Some(new_key())).unwrap();
    assert!(recovery.took_next_key);
    let next = say(&ledger, config("q")).unwrap();
    Entry::open(next.line.bytes(), &new_key().verifying_key()).unwrap();
    close(&ledger);
    open_with(&home, new_key(), None).unwrap();
}

#[test]
fn whoever_is_no_admin_rotates_nothing() {
    let home = Home::new();
    let ledger = home.ready(max_calls(9));
    say(&ledger, operators(&[("op", "k", Role::Approver)])).unwrap();
    assert!(pollster::block_on(ledger.rotate(new_key(), signed())).is_err());
    let next = say(&ledger, config("q")).unwrap();
    Entry::open(next.line.bytes(), &key().verifying_key()).unwrap();
    close(&ledger);
    home.open().unwrap();
}

/// What a thief of the old key can write behind the rotation is no part of the log.
#[test]
fn an_entry_that_the_old_key_signs_behind_the_rotation_is_found() {
    let home = Home::new();
    let ledger = ready(&home);
    rotate(&ledger, new_key());
    say(&ledger, config("q")).unwrap();
    close(&ledger);
    let path = home.segments().remove(0);
    let mut all = lines(&path);
    let last = all.last_mut().unwrap();
    let entry = Entry::read(last).unwrap();
    let seq = entry.seq;
    *last = entry.sign(&key()).unwrap().bytes().to_vec();
    std::fs::write(&path, all.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect::<Vec<_>>())
        .unwrap();
    let report = verified_with(&home, Trust::Key(new_key().verifying_key()));
    assert!(report.findings.iter().any(|f| f.rule == "signature" && f.seq == Some(seq)), "{report:?}");
    assert!(matches!(open_with(&home, new_key(), None), Err(OpenError::Tampered { seq: s, .. }) if s == seq));
}
