//! Starts from a sealed state: the same as from the whole log, or from the whole log.

use std::path::PathBuf;

use latchgate_monitor::ports::{Clock as _, Log as _};
use latchgate_wire::digest::HashKey;
use latchgate_wire::entry::*;
use latchgate_wire::receipt::ProofId;
use proptest::prelude::*;

use crate::OpenError;
use crate::recover::{self, Expected, Known};
use crate::sealed::{Seal, Sizes};
use crate::testing::*;
use crate::view::Synced;

/// Every end of a run seals, however short the log.
fn sealing() -> Home {
    let mut home = Home::in_memory();
    home.sizes.sealed = Sizes { entries_min: 1, every_entries: u64::MAX };
    home.sizes.log.roll_bytes = 4 << 10;
    home
}

/// A closed ledger with some calls of which one is open, two segments at least, and a proof.
fn closed() -> Home {
    let home = sealing();
    let ledger = home.ready(max_calls(99));
    for n in 0..8 {
        let proof = ProofId { jkt: "k".into(), jti: n.to_string(), iat: 1 };
        let call = Call { proof: Some(proof), ..keyed(call(n), &format!("key {n}")) };
        let intent = intent(grant(n), call);
        let seq = say(&ledger, Body::CallIntent(intent.clone())).unwrap().seq;
        if n != 5 {
            say(&ledger, Body::CallOutcome(outcome(seq, &intent))).unwrap();
        }
    }
    close(&ledger);
    assert!(home.segments().len() > 1);
    home
}

fn sealed_file(home: &Home) -> PathBuf {
    home.ledger_dir().join("state")
}

fn seal(home: &Home, key: u8) -> Seal {
    Seal::new(&home.ledger_dir(), &[key; 32], ORIGIN, "test")
}

/// Reads the log as a start does, from this state on or whole.
fn load(home: &Home, sealed: Option<Synced>) -> (Synced, u64) {
    let known = ["checkpoint", "../keys/last-checkpoint"].map(|name| {
        let path = home.ledger_dir().join(name);
        let keys = [key().verifying_key()];
        let (checkpoint, key) = crate::checkpoint::read(&path, &keys, None).unwrap().unwrap();
        Known { path, checkpoint, key }
    });
    let keys = [key().verifying_key()];
    let expected = Expected { origin: ORIGIN, keys: &keys, known: &known };
    let loaded = recover::load(&home.ledger_dir(), expected, sealed).unwrap();
    (loaded.synced, loaded.sealed)
}

fn taken_up(home: &Home) -> Option<Synced> {
    seal(home, 8).open(&home.ledger_dir().join("log")).unwrap()
}

#[test]
fn a_start_from_the_sealed_state_is_the_same_as_from_the_whole_log() {
    let home = closed();
    let sealed = taken_up(&home).unwrap();
    let size = sealed.tree.size();
    let (whole, none) = load(&home, None);
    assert_eq!((size, none), (whole.places.size(), 0));
    assert_eq!(load(&home, Some(sealed)), (whole, size));
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!((recovery.sealed, recovery.entries, recovery.unknown.len()), (size, size, 1));
    assert_eq!(ledger.recent_proofs().len(), 8);
    close(&ledger);
    assert!(verified(&home).is_sound(), "{:?}", verified(&home).findings);
    assert!(home.fatal.lock().unwrap().is_empty());
}

#[test]
fn entries_behind_the_sealed_state_are_folded_and_checked() {
    let home = closed();
    let (ledger, recovery) = home.open().unwrap();
    assert!(recovery.sealed > 0);
    let before = home.segments().len();
    for n in 20..40 {
        let intent = intent(grant(n), call(n));
        say(&ledger, Body::CallIntent(intent)).unwrap();
    }
    pollster::block_on(ledger.checkpoint()).unwrap();
    abandon(ledger);
    assert!(home.segments().len() > before, "the entries behind it fill more than one segment");
    let sealed = taken_up(&home).unwrap();
    let size = sealed.tree.size();
    let (whole, _) = load(&home, None);
    assert!(size < whole.places.size());
    assert_eq!(load(&home, Some(sealed)), (whole, size));
    // One of them altered is found by reading on, and named by reading everything.
    let path = home.segments().pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(home.open().map(drop), Err(OpenError::Tampered { seq, .. }) if seq > size));
}

/// What is done to the file.
type Change = Box<dyn Fn(&mut Vec<u8>)>;

#[test]
fn a_sealed_state_that_is_not_as_it_was_is_not_used() {
    let whole = folded(&closed());
    let length = std::fs::read(sealed_file(&closed())).unwrap().len();
    let changes: Vec<(String, Change)> = [0, 17, 18, 49, 50, 90, length / 2, length - 1]
        .into_iter()
        .map(|at| -> (String, Change) { (format!("byte {at}"), Box::new(move |bytes| bytes[at] ^= 1)) })
        .chain([0, 10, 40, length - 1].map(|len| -> (String, Change) {
            (format!("cut to {len}"), Box::new(move |bytes| bytes.truncate(len)))
        }))
        .collect();
    for (what, change) in changes {
        let home = closed();
        let mut bytes = std::fs::read(sealed_file(&home)).unwrap();
        change(&mut bytes);
        std::fs::write(sealed_file(&home), bytes).unwrap();
        let (ledger, recovery) = home.open().unwrap();
        assert_eq!(recovery.sealed, 0, "{what}");
        assert_eq!(
            ledger.view.read().state.calls_left(&session(1)),
            whole.state.calls_left(&session(1)),
            "{what}"
        );
        close(&ledger);
        let (ledger, recovery) = home.open().unwrap();
        assert!(recovery.sealed > 0, "{what}: the next end has sealed anew");
        close(&ledger);
    }
}

#[test]
fn a_state_sealed_by_another_key_program_or_for_another_log_is_not_used() {
    let sealed_by = |key, origin, program: &str| {
        let home = closed();
        let (whole, _) = load(&home, None);
        Seal::new(&home.ledger_dir(), &[key; 32], origin, program).keep(whole).unwrap();
        let (ledger, recovery) = home.open().unwrap();
        close(&ledger);
        recovery.sealed > 0
    };
    assert!(sealed_by(8, ORIGIN, "test"));
    assert!(!sealed_by(7, ORIGIN, "test"));
    assert!(!sealed_by(8, "other/01TESTTESTTESTTESTTESTTEST", "test"));
    assert!(!sealed_by(8, ORIGIN, "newer"));
}

#[test]
fn an_unknown_member_is_refused_even_under_a_right_mac() {
    let home = closed();
    let file = std::fs::read(sealed_file(&home)).unwrap();
    let body = String::from_utf8(file[50..].to_vec()).unwrap();
    let open = |body: &str| {
        let mac = HashKey::new(&[8; 32]).digest(&[&file[..18], body.as_bytes()]);
        std::fs::write(sealed_file(&home), [&file[..18], &mac.0, body.as_bytes()].concat()).unwrap();
        seal(&home, 8).open(&home.ledger_dir().join("log")).map(drop).map_err(|error| error.to_string())
    };
    open(&body).unwrap();
    let error = open(&body.replacen("\"swept_at\"", "\"swept\":1,\"swept_at\"", 1)).unwrap_err();
    assert!(error.contains("unknown field"), "{error}");
    let error = open(&body.replacen("\"fold\":", "\"fold\":9", 1)).unwrap_err();
    assert!(error.contains("another version"), "{error}");
    let size = format!("\"size\":{},\"last_time\"", load(&home, None).0.places.size());
    assert!(body.contains(&size));
    let error = open(&body.replacen(&size, "\"size\":3,\"last_time\"", 1)).unwrap_err();
    assert!(error.contains("do not agree"), "{error}");
}

#[test]
fn an_older_sealed_state_leads_to_the_same_by_a_longer_way() {
    let home = closed();
    let older = std::fs::read(sealed_file(&home)).unwrap();
    let (ledger, _) = home.open().unwrap();
    say(
        &ledger,
        Body::LeaseRevoked(LeaseRevoked {
            target: RevocationTarget::All(Everything::Everything),
            operator: "op".into(),
            reason: None,
            proof: None,
        }),
    )
    .unwrap();
    close(&ledger);
    std::fs::write(sealed_file(&home), older).unwrap();
    let sealed = taken_up(&home).unwrap();
    let (whole, _) = load(&home, None);
    assert!(sealed.tree.size() < whole.places.size());
    let (ledger, recovery) = home.open().unwrap();
    assert!(recovery.sealed > 0 && ledger.is_revoked(&who()), "what was revoked stays revoked");
    close(&ledger);
}

#[test]
fn a_ledger_rolled_back_with_both_checkpoints_is_found_by_its_sealed_state() {
    let home = closed();
    let files = |home: &Home| {
        let mut files = vec![home.ledger_dir().join("checkpoint"), home.last_checkpoint()];
        files.extend(home.segments());
        files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<Vec<_>>()
    };
    let before = files(&home);
    let (ledger, _) = home.open().unwrap();
    say(&ledger, config("q")).unwrap();
    close(&ledger);
    for path in home.segments() {
        std::fs::remove_file(path).unwrap();
    }
    for (path, bytes) in &before {
        std::fs::write(path, bytes).unwrap();
    }
    let error = home.open().map(drop).unwrap_err();
    assert!(
        matches!(&error, OpenError::RolledBack { checkpoint, .. } if *checkpoint == sealed_file(&home)),
        "{error}"
    );
    // Its twin: without the newer state nothing on this machine remembers.
    std::fs::remove_file(sealed_file(&home)).unwrap();
    close(&home.open().unwrap().0);
}

#[test]
fn an_entry_altered_in_front_of_the_sealed_state_ends_the_gate_and_is_named_by_the_next_start() {
    let home = closed();
    let path = &home.segments()[0];
    let mut bytes = std::fs::read(path).unwrap();
    let third = bytes.split_inclusive(|byte| *byte == b'\n').take(3).map(<[u8]>::len).sum::<usize>();
    bytes[third + 60] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let (ledger, recovery) = home.open().unwrap();
    assert!(recovery.sealed > 0);
    // Closing waits for the reading behind the start only as far as it has come: so this does.
    while sealed_file(&home).exists() {
        std::thread::yield_now();
    }
    assert!(ledger.view.entry(3).is_err(), "nobody is answered by it");
    assert!(ledger.view.entry(4).unwrap().is_some());
    abandon(ledger);
    assert!(home.fatal.lock().unwrap()[0].contains("not those that its state was sealed over"));
    assert!(matches!(home.open().map(drop), Err(OpenError::Tampered { seq: 3, .. })));
}

#[test]
fn a_short_log_is_neither_sealed_nor_taken_up() {
    let mut home = sealing();
    home.sizes.sealed.entries_min = 1_000;
    close(&home.ready(max_calls(9)));
    assert!(!sealed_file(&home).exists());
    home.sizes.sealed.entries_min = 1;
    close(&home.open().unwrap().0);
    assert!(sealed_file(&home).exists());
    home.sizes.sealed.entries_min = 1_000;
    let (ledger, recovery) = home.open().unwrap();
    assert_eq!(recovery.sealed, 0);
    close(&ledger);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever was done and however often the gate was started: the sealed state and the entries behind it are the log.
    #[test]
    fn sealed_state_and_tail_are_the_whole_log(runs in prop::collection::vec(
        (prop::collection::vec((0..6u64, 0..5u8), 0..12), 0..30i64, any::<bool>()), 1..5,
    )) {
        let home = sealing();
        abandon(home.ready(max_calls(40)));
        let mut grants = 0u64;
        for (steps, hours, is_closed) in runs {
            home.clock.advance(hours * HOUR);
            let (ledger, _) = home.open().unwrap();
            for (n, what) in steps {
                grants += 1;
                let made = u64::try_from(home.clock.now().as_ms()).unwrap();
                let grant_id = latchgate_wire::ids::GrantId::new(made, u128::from(grants));
                let intent = intent(grant_id, keyed(call(n), "k"));
                // Refusals are part of it.
                match what {
                    0 => drop(say(&ledger, Body::CallHeld(held(u128::from(grants), asked(call(n)))))),
                    1 => drop(say(&ledger, config(if n % 2 == 0 { "p" } else { "q" }))),
                    _ => {
                        let make = [outcome, unknown_outcome, harmless_outcome][usize::from(what) - 2];
                        if let Ok(committed) = say(&ledger, Body::CallIntent(intent.clone())) {
                            drop(say(&ledger, Body::CallOutcome(make(committed.seq, &intent))));
                        }
                    }
                }
            }
            if is_closed {
                close(&ledger);
            } else {
                pollster::block_on(ledger.checkpoint()).unwrap();
                abandon(ledger);
            }
            let sealed = taken_up(&home);
            let size = sealed.as_ref().map_or(0, |sealed| sealed.tree.size());
            let (whole, _) = load(&home, None);
            prop_assert_eq!(load(&home, sealed), (whole, size));
        }
    }
}
