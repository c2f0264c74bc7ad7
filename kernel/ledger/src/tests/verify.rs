//! Offline verification: a sound ledger is sound, and every kind of tampering is found and named.

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::Log as _;
use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::dpop;
use latchgate_wire::entry::*;
use latchgate_wire::es256;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::merkle::{Frontier, leaf_hash};
use latchgate_wire::receipt::ProofId;

use crate::testing::*;
use crate::verify::{self, Report, Trust};

/// An operator's signed decision, as the operator API takes it.
fn signed(held: &CallHeld, verb: &str, plan: &str) -> Signed {
    let key = es256::SigningKey::from_entropy(&[3; 32]).unwrap();
    let body = format!("{{\"plan_digest\":\"{plan}\"}}");
    let url = format!("http://localhost/v1/approvals/{}/{verb}", held.approval_id);
    let request = dpop::Request {
        method: "POST",
        url: &url,
        token: None,
        body: Some(body.as_bytes()),
        jti: "proof-of-the-operator",
        now: at(0),
    };
    let proof = dpop::sign(&request, &key).unwrap();
    let jkt = Jwk::from(key.verifying_key()).thumbprint().to_string();
    Signed { operator: "op".into(), jkt, body, proof }
}

/// One call of each fate, an approval, a denial; closed.
fn sound() -> Home {
    let home = Home::new();
    let ledger = home.ready(max_calls(100));
    let allowed = intent(grant(1), call(1));
    let seq = say(&ledger, Body::CallIntent(allowed.clone())).unwrap().seq;
    say(&ledger, Body::CallOutcome(outcome(seq, &allowed))).unwrap();
    let waiting = held(1, asked(call(2)));
    say(&ledger, Body::CallHeld(waiting.clone())).unwrap();
    let plan = waiting.call.plan.digest.to_string();
    let signed = signed(&waiting, "approve", &plan);
    say(&ledger, operators(&[("op", &signed.jkt, Role::Approver)])).unwrap();
    let signed = Some(signed);
    let decision = ApprovalDecided { signed, ..decided(&waiting, Decision::Approved) };
    say(&ledger, Body::ApprovalDecided(decision)).unwrap();
    let approval = ledger.approval(waiting.approval_id).unwrap().approved;
    let redeemed = CallIntent { approval, ..intent(grant(2), asked(call(2))) };
    let seq = say(&ledger, Body::CallIntent(redeemed.clone())).unwrap().seq;
    say(&ledger, Body::CallOutcome(outcome(seq, &redeemed))).unwrap();
    close(&ledger);
    home
}

fn check(home: &Home) -> Report {
    verified(home)
}

/// Rules found broken, without repetition.
fn rules(report: &Report) -> Vec<&'static str> {
    let mut rules: Vec<_> = report.findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Rewrites the history of checkpoints.
fn rewrite_history(home: &Home, change: impl FnOnce(&mut Vec<String>)) {
    let path = home.ledger_dir().join("checkpoints");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    std::fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// A ledger with four checkpoints in its history.
fn remembered() -> Home {
    let home = sound();
    for _ in 0..2 {
        let (ledger, _) = home.open().unwrap();
        say(&ledger, config("p")).unwrap();
        close(&ledger);
    }
    home
}

#[test]
fn each_checkpoint_of_the_history_is_held_to_the_log() {
    let home = remembered();
    let report = check(&home);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert!(report.checkpoints >= 4, "{}", report.checkpoints);
    type Change = fn(&mut Vec<String>);
    let changes: [(Change, &str); 6] = [
        (|lines| lines.swap(1, 2), "line 3: it is over"),
        (|lines| lines[1] = lines[1].replacen(' ', " A", 1), "line 2: it is no checkpoint"),
        (|lines| lines[1] = altered_root(&lines[1]), "line 2: the first"),
        (|lines| lines[1] = altered_signature(&lines[1]), "line 2: over"),
        (|lines| lines.push(signed_line(99_999, 5)), "its end was cut off"),
        (|lines| lines[2] = signed_line_of(&lines[2], 6), "line 3: over"),
    ];
    for (change, expected) in changes {
        let home = remembered();
        rewrite_history(&home, change);
        let report = check(&home);
        assert_eq!(rules(&report), ["checkpoint"], "{expected}");
        assert!(report.findings[0].message.contains(expected), "{expected}: {:?}", report.findings);
    }
}

#[test]
fn a_log_written_anew_by_its_own_key_parts_from_its_history_and_the_checkpoint_is_named() {
    let home = remembered();
    // The last entry is another, and both checkpoints are over it: only what was signed before shows it.
    resign(&home, 3, |entry| entry.trace_id = None);
    let bytes: Vec<Vec<u8>> = home.segments().iter().flat_map(|path| lines(path)).collect();
    let mut tree = Frontier::default();
    bytes.iter().for_each(|line| tree.push(leaf_hash(line)));
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size: tree.size(), root: tree.root() };
    let note = checkpoint.sign(&key());
    std::fs::write(home.ledger_dir().join("checkpoint"), &note).unwrap();
    std::fs::write(home.last_checkpoint(), &note).unwrap();
    let report = check(&home);
    let of_history =
        report.findings.iter().filter(|finding| finding.message.starts_with("checkpoints, line"));
    assert!(of_history.count() >= 3, "{:?}", report.findings);
    // Without its history it would pass.
    std::fs::remove_file(home.ledger_dir().join("checkpoints")).unwrap();
    let report = check(&home);
    assert!(report.findings.iter().all(|finding| finding.rule == "tile"), "{:?}", report.findings);
    assert!(report.notes.iter().any(|note| note.contains("history")), "{:?}", report.notes);
}

/// The same with another root.
fn altered_root(line: &str) -> String {
    let mut parts: Vec<_> = line.split(' ').collect();
    let other = parts[1].replacen(&parts[1][..1], if parts[1].starts_with('A') { "B" } else { "A" }, 1);
    parts[1] = &other;
    parts.join(" ")
}

/// The same with other bytes in the middle of its signature.
fn altered_signature(line: &str) -> String {
    let at = line.len() - 30;
    format!(
        "{}{}{}",
        &line[..at],
        if line[at..].starts_with("AAAA") { "BBBB" } else { "AAAA" },
        &line[at + 4..]
    )
}

fn signed_line(size: u64, key: u8) -> String {
    let checkpoint = Checkpoint { origin: ORIGIN.into(), size, root: [1; 32] };
    Checkpoint::line(&checkpoint.sign(&SigningKey::from_bytes(&[key; 32]))).unwrap().trim_end().to_owned()
}

/// The same checkpoint by another key.
fn signed_line_of(line: &str, key: u8) -> String {
    let (said, _) = Checkpoint::of_line(ORIGIN, line).unwrap();
    Checkpoint::line(&said.sign(&SigningKey::from_bytes(&[key; 32]))).unwrap().trim_end().to_owned()
}

fn rewrite(home: &Home, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let path = &home.segments()[0];
    let mut lines = lines(path);
    change(&mut lines);
    let bytes: Vec<u8> = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
    std::fs::write(path, bytes).unwrap();
}

/// Signs entry `seq` again after `change`: what whoever has the key could do.
fn resign(home: &Home, seq: usize, change: impl FnOnce(&mut Entry)) {
    rewrite(home, |lines| {
        let mut entry = Entry::read(&lines[seq]).unwrap();
        change(&mut entry);
        lines[seq] = entry.sign(&key()).unwrap().bytes().to_vec();
    });
}

#[test]
fn a_sound_ledger_has_no_findings() {
    let report = check(&sound());
    assert_eq!(report.findings, []);
    assert!(report.pinned && report.is_sound());
    assert_eq!((report.entries, report.checkpoint_size), (11, Some(11)));
    assert_eq!(report.origin.as_deref(), Some(ORIGIN));
}

#[test]
fn without_a_pinned_key_the_log_is_only_self_consistent() {
    let home = sound();
    let report = verified_with(&home, Trust::SelfConsistent);
    assert!(report.is_sound() && !report.pinned);
}

#[test]
fn another_key_verifies_nothing() {
    let home = sound();
    let other = SigningKey::from_bytes(&[6; 32]).verifying_key();
    let report = verified_with(&home, Trust::Key(other));
    assert_eq!(rules(&report), ["signature"]);
}

#[test]
fn an_altered_entry_is_named() {
    for seq in 0..10 {
        let home = sound();
        rewrite(&home, |lines| {
            let at = lines[seq].windows(8).position(|w| w == b"\"sig\":\"").unwrap_or(20) + 9;
            lines[seq][at] ^= 1;
        });
        let report = check(&home);
        assert!(
            report.findings.iter().any(|f| f.seq == Some(seq as u64) && f.rule == "signature"),
            "{report:?}"
        );
        assert!(rules(&report).contains(&"checkpoint"));
    }
}

#[test]
fn a_missing_moved_or_repeated_entry_is_found() {
    let changes: [fn(&mut Vec<Vec<u8>>); 4] = [
        |lines| drop(lines.remove(4)),
        |lines| lines.swap(4, 5),
        |lines| lines.insert(5, lines[4].clone()),
        |lines| drop(lines.remove(0)),
    ];
    for change in changes {
        let home = sound();
        rewrite(&home, change);
        let report = check(&home);
        assert!(rules(&report).contains(&"sequence"), "{report:?}");
        assert!(rules(&report).contains(&"checkpoint"), "{report:?}");
    }
}

#[test]
fn a_cut_end_is_found() {
    let home = sound();
    rewrite(&home, |lines| lines.truncate(8));
    let report = check(&home);
    assert_eq!(rules(&report), ["checkpoint"]);
    assert!(report.findings[0].message.contains("cut off"), "{report:?}");
}

#[test]
fn a_missing_checkpoint_is_a_finding() {
    let home = sound();
    std::fs::remove_file(home.ledger_dir().join("checkpoint")).unwrap();
    assert_eq!(rules(&check(&home)), ["checkpoint"]);
}

#[test]
fn a_line_on_its_way_is_a_note() {
    let home = sound();
    let path = &home.segments()[0];
    let mut bytes = std::fs::read(path).unwrap();
    bytes.extend_from_slice(b"{\"gate\":\0\0\0");
    std::fs::write(path, bytes).unwrap();
    let report = check(&home);
    assert!(report.is_sound() && report.notes.len() == 1, "{report:?}");
}

#[test]
fn an_effect_without_intent_is_found() {
    let home = sound();
    resign(&home, 4, |entry| {
        let Body::CallOutcome(receipt) = &mut entry.body else { panic!("{entry:?}") };
        receipt.intent_seq = 1;
    });
    let report = check(&home);
    assert!(report.findings.iter().any(|f| f.seq == Some(4) && f.rule == "meaning"), "{report:?}");
}

#[test]
fn a_grant_used_twice_is_found() {
    let home = sound();
    resign(&home, 8, |entry| {
        let Body::CallIntent(intent) = &mut entry.body else { panic!("{entry:?}") };
        intent.grant_id = grant(1);
    });
    let report = check(&home);
    let finding = report.findings.iter().find(|f| f.seq == Some(8)).unwrap();
    assert!(finding.message.contains("grant"), "{finding:?}");
}

#[test]
fn a_proof_used_twice_is_found() {
    let home = sound();
    let proof = Some(ProofId { jkt: "k".into(), jti: "j".into(), iat: 0 });
    for (seq, proof) in [(3, proof.clone()), (8, proof)] {
        resign(&home, seq, |entry| {
            let Body::CallIntent(intent) = &mut entry.body else { panic!("{entry:?}") };
            intent.call.proof = proof;
        });
    }
    let report = check(&home);
    assert!(report.findings.iter().any(|f| f.seq == Some(8) && f.rule == "proof"), "{report:?}");
}

#[test]
fn a_decision_that_the_operator_did_not_sign_is_found() {
    let other_plan = |signed: &mut Signed, held: &CallHeld| {
        *signed = self::signed(held, "approve", &latchgate_wire::digest::Digest::of(b"x").to_string());
    };
    let other_verb = |signed: &mut Signed, held: &CallHeld| {
        *signed = self::signed(held, "deny", &held.call.plan.digest.to_string());
    };
    let other_body = |signed: &mut Signed, _: &CallHeld| signed.body.push(' ');
    let other_key = |signed: &mut Signed, _: &CallHeld| signed.jkt = "other".into();
    type Change<'a> = &'a dyn Fn(&mut Signed, &CallHeld);
    let changes: [Change<'_>; 4] = [&other_plan, &other_verb, &other_body, &other_key];
    for change in changes {
        let home = sound();
        resign(&home, 7, |entry| {
            let Body::ApprovalDecided(decided) = &mut entry.body else { panic!("{entry:?}") };
            change(decided.signed.as_mut().unwrap(), &held(1, asked(call(2))));
        });
        let report = check(&home);
        assert!(report.findings.iter().any(|f| f.seq == Some(7) && f.rule == "decision"), "{report:?}");
    }
}

#[test]
fn an_intent_left_open_by_an_earlier_run_is_found() {
    let home = sound();
    let (ledger, _) = home.open().unwrap();
    close(&ledger);
    rewrite(&home, |lines| {
        // Entry 4 answered intent 3; in its place stands something harmless, signed by the gate's own key.
        let mut entry = Entry::read(&lines[4]).unwrap();
        entry.body = Body::GateStopped(GateStopped { reason: "x".into() });
        lines[4] = entry.sign(&key()).unwrap().bytes().to_vec();
        let mut started = Entry::read(&lines[0]).unwrap();
        started.seq = 5;
        lines[5] = started.sign(&key()).unwrap().bytes().to_vec();
    });
    let report = check(&home);
    assert!(report.findings.iter().any(|f| f.message.contains("intent 3 of an earlier run")), "{report:?}");
}

#[test]
fn an_empty_directory_is_no_log() {
    let dir = tempfile::tempdir().unwrap();
    let request = verify::Request {
        dir: dir.path(),
        trust: Trust::SelfConsistent,
        remembered: &[],
        since: None,
        payload_key: None,
        progress: &|_| {},
    };
    assert!(verify::verify(&request).is_err());
}
