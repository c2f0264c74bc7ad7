//! A ledger that was tampered with does not verify: each way of doing it is found and named by a stranger with the key.

use std::fs;

use ed25519_dalek::SigningKey;
use latchgate_tests::{Gate, Ran, policy};
use latchgate_wire::entry::{Body, Decision};
use serde_json::{Value, json};

use super::ledger_copy::{LedgerCopy, another_key, entry_key};
use crate::scene::{LOOPBACK, Scene};

/// A gate that has ended, with an entry of every kind in its ledger.
fn lived() -> Scene {
    let policy =
        format!("{}\n@id(\"tick\")\npermit (principal, action == Action::\"tick\", resource);", policy::ASK)
            .replace(
                "permit (principal, action, resource);",
                "permit (principal, action in Action::\"class:read\", resource);",
            );
    let mut scene =
        Scene::of(Gate::builder().policy(&policy).config(LOOPBACK).root_file("a", "a").root_file("b", "b"));
    let operator = scene.operator();
    for number in 0..2 {
        scene.post(number).send().expect(200);
    }
    scene.agent.call("unknown", &json!({})).send();
    for (path, decide) in [("a", true), ("b", false)] {
        let held = scene.agent.call("fs_read", &json!({ "path": path })).send().expect(202);
        let id = held["approval_id"].as_str().unwrap();
        if decide {
            operator.approve(id)
        } else {
            operator.deny(id, "no")
        };
    }
    operator.revoke(&json!({ "agent": "nobody" }));
    assert!(scene.gate.terminate().success());
    scene.gate.assert_sound();
    scene
}

fn verify(scene: &Scene, copy: &LedgerCopy) -> Ran {
    let key = scene.gate.keys().join("entry.pub");
    let (dir, key) = (copy.ledger.to_str().unwrap(), key.to_str().unwrap());
    scene.gate.cli(&["verify", dir, "--key", key, "--json"])
}

/// The copy, changed by `attack`, is found out under `rule`, at the entry where that can be said.
#[track_caller]
fn check(scene: &Scene, what: &str, rule: &str, attack: impl FnOnce(&mut LedgerCopy) -> Option<usize>) {
    let mut copy = LedgerCopy::of(&scene.gate);
    let twin = verify(scene, &copy);
    assert_eq!(twin.code, 0, "the twin of {what}: {twin:#?}");
    let seq = attack(&mut copy);
    let found = verify(scene, &copy);
    assert_eq!(found.code, 6, "{what}: {found:#?}");
    let report = found.json();
    let findings = report["findings"].as_array().unwrap();
    let is_named = |finding: &Value| finding["rule"] == rule && seq.is_none_or(|seq| finding["seq"] == seq);
    assert!(findings.iter().any(is_named), "{what}: expected {rule} at {seq:?}: {report:#}");
    assert_eq!(report["verified"], false, "{what}");
}

#[test]
fn an_altered_entry_is_found() {
    let scene = lived();
    for (kind, from, to) in [
        ("call.denied", "action_not_found", "action_not_fount"),
        ("call.outcome", "\"calls\":1", "\"calls\":0"),
        ("call.intent", "\"verdict\":\"allow\"", "\"verdict\":\"ask\""),
        ("lease.issued", "tools:call", "class:read"),
        ("approval.decided", "\"decision\":\"approved\"", "\"decision\":\"denied\""),
        ("gate.started", "same-user", "service"),
        ("lease.revoked", "nobody", "anybody"),
        ("config.changed", "sha256:", "sha256:0"),
    ] {
        check(&scene, kind, "signature", |copy| {
            let seq = copy.of_kind(kind);
            let line = String::from_utf8(copy.lines[seq].clone()).unwrap();
            assert!(line.contains(from), "{line}");
            copy.lines[seq] = line.replacen(from, to, 1).into_bytes();
            copy.write();
            Some(seq)
        });
    }
}

/// The signature itself: one bit of it, and one of another entry in its place.
#[test]
fn an_altered_or_exchanged_signature_is_found() {
    let scene = lived();
    let sig_at = |line: &[u8]| {
        let text = std::str::from_utf8(line).unwrap();
        let at = text.find("\"sig\":\"").unwrap() + 7;
        at..at + 86
    };
    for kind in ["call.intent", "gate.stopped"] {
        check(&scene, "a bit of a signature", "signature", |copy| {
            let seq = copy.of_kind(kind);
            let line = &mut copy.lines[seq];
            let at = sig_at(line).start + 40;
            line[at] = if line[at] == b'A' { b'B' } else { b'A' };
            copy.write();
            Some(seq)
        });
        check(&scene, "another entry's signature", "signature", |copy| {
            let (seq, other) = (copy.of_kind(kind), copy.of_kind("call.denied"));
            let sig = copy.lines[other][sig_at(&copy.lines[other])].to_vec();
            let at = sig_at(&copy.lines[seq]);
            copy.lines[seq].splice(at, sig);
            copy.write();
            Some(seq)
        });
    }
}

/// The same value in another spelling is not what was signed.
#[test]
fn an_entry_that_was_written_differently_is_found() {
    let scene = lived();
    let spellings: [fn(String) -> String; 4] = [
        |line| line.replacen("{\"", "{ \"", 1),
        |line| line.replacen("call.denied", "call\\u002edenied", 1),
        |line| line.replacen("{\"", "{\"zz\":1,\"", 1),
        |line| line.replace("\"v\":1", "\"v\":1.0"),
    ];
    for spelling in spellings {
        check(&scene, "another spelling", "signature", |copy| {
            let seq = copy.of_kind("call.denied");
            let line = String::from_utf8(copy.lines[seq].clone()).unwrap();
            let other = spelling(line.clone());
            assert_ne!(line, other);
            copy.lines[seq] = other.into_bytes();
            copy.write();
            Some(seq)
        });
    }
}

#[test]
fn a_dropped_moved_or_repeated_entry_is_found() {
    let scene = lived();
    let last = LedgerCopy::of(&scene.gate).lines.len() - 1;
    for at in [0, 1, last / 2, last - 1] {
        check(&scene, &format!("{at} dropped"), "sequence", |copy| {
            copy.lines.remove(at);
            copy.write();
            Some(at + 1)
        });
        check(&scene, &format!("{at} and the next exchanged"), "sequence", |copy| {
            copy.lines.swap(at, at + 1);
            copy.write();
            None
        });
        check(&scene, &format!("{at} repeated"), "sequence", |copy| {
            copy.lines.insert(at, copy.lines[at].clone());
            copy.write();
            Some(at)
        });
        check(&scene, &format!("{at} repeated at the end"), "sequence", |copy| {
            copy.lines.push(copy.lines[at].clone());
            copy.write();
            Some(at)
        });
    }
}

#[test]
fn a_cut_end_is_found() {
    let scene = lived();
    let all = LedgerCopy::of(&scene.gate).lines.len();
    for kept in [1, all / 2, all - 1] {
        check(&scene, &format!("cut to {kept}"), "checkpoint", |copy| {
            copy.lines.truncate(kept);
            copy.write();
            None
        });
    }
    check(&scene, "half a line at the end", "torn", |copy| {
        let last = copy.lines.last_mut().unwrap();
        last.truncate(last.len() / 2);
        copy.write();
        let segment = &latchgate_tests::segments_in(&copy.ledger)[0];
        let bytes = fs::read(segment).unwrap();
        fs::write(segment, &bytes[..bytes.len() - 1]).unwrap();
        Some(all - 1)
    });
    check(&scene, "everything behind a NUL", "checkpoint", |copy| {
        let segment = &latchgate_tests::segments_in(&copy.ledger)[0];
        let mut bytes = fs::read(segment).unwrap();
        let half = copy.lines[..all / 2].iter().map(|line| line.len() + 1).sum::<usize>();
        bytes[half] = 0;
        fs::write(segment, bytes).unwrap();
        None
    });
}

#[test]
fn a_swapped_key_is_found() {
    let scene = lived();
    check(&scene, "another key, consistently", "signature", |copy| {
        let key = another_key();
        copy.resign(&key, |entry| name_key(&mut entry.body, &key));
        copy.write();
        copy.checkpoint(&key);
        Some(0)
    });
    // Without a key of one's own nothing but consistency can be said, and that is said.
    let mut copy = LedgerCopy::of(&scene.gate);
    let key = another_key();
    copy.resign(&key, |entry| name_key(&mut entry.body, &key));
    copy.write();
    copy.checkpoint(&key);
    // Whoever forges takes away what remembers.
    std::fs::remove_file(copy.ledger.join("checkpoints")).unwrap();
    let dir = copy.ledger.to_str().unwrap();
    let mut unpinned = scene.gate.command(&["verify", dir, "--json"]);
    let nowhere = tempfile::tempdir().unwrap();
    let ran = Ran::of(unpinned.env("LATCHGATE_HOME", nowhere.path()));
    assert_eq!((ran.code, &ran.json()["pinned"]), (2, &json!(false)), "{ran:#?}");
}

fn name_key(body: &mut Body, key: &SigningKey) {
    use base64::Engine as _;
    if let Body::GateStarted(started) = body {
        started.entry_key =
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    }
}

#[test]
fn a_forged_checkpoint_is_found() {
    let scene = lived();
    check(&scene, "none", "checkpoint", |copy| {
        fs::remove_file(copy.ledger.join("checkpoint")).unwrap();
        None
    });
    check(&scene, "signed by another key", "checkpoint", |copy| {
        copy.checkpoint(&another_key());
        None
    });
    check(&scene, "cut, and signed over by another key", "checkpoint", |copy| {
        copy.lines.pop();
        copy.write();
        copy.checkpoint(&another_key());
        None
    });
    for (what, line) in [("another origin", 0), ("another size", 1), ("another root", 2)] {
        check(&scene, what, "checkpoint", |copy| {
            let path = copy.ledger.join("checkpoint");
            let text = fs::read_to_string(&path).unwrap();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines[line] = match line {
                0 => "latchgate/01ARZ3NDEKTSV4RRFFQ69G5FAV".into(),
                1 => "1".into(),
                _ => lines[line].chars().rev().skip(1).chain(['=']).collect(),
            };
            fs::write(path, lines.join("\n") + "\n").unwrap();
            None
        });
    }
}

#[test]
fn an_entry_lifted_from_another_log_is_found() {
    let scene = lived();
    let other = lived();
    let lifted = LedgerCopy::of(&other.gate);
    let receipt = lifted.lines[lifted.of_kind("call.outcome")].clone();
    check(&scene, "another gate's receipt at the end", "signature", |copy| {
        copy.lines.push(receipt.clone());
        copy.write();
        None
    });
    check(&scene, "another gate's receipt in place of one", "signature", |copy| {
        let seq = copy.of_kind("call.outcome");
        copy.lines[seq] = receipt.clone();
        copy.write();
        None
    });
    check(&scene, "another gate's log under this gate's checkpoint", "signature", |copy| {
        copy.lines = lifted.lines.clone();
        copy.write();
        Some(0)
    });
}

/// Even the gate's own key does not make a different past out of one that was signed over.
#[test]
fn a_past_rewritten_with_the_gates_own_key_is_found_by_its_checkpoint() {
    let scene = lived();
    let key = entry_key(&scene.gate);
    check(&scene, "one entry", "checkpoint", |copy| {
        copy.resign(&key, |entry| {
            if let Body::CallDenied(denied) = &mut entry.body {
                denied.action_id = "something else".into();
            }
        });
        copy.write();
        None
    });
}

/// And a log that is signed throughout must still make sense: the rules that the gate admits entries by.
#[test]
fn a_log_signed_throughout_that_makes_no_sense_is_found() {
    let scene = lived();
    let key = entry_key(&scene.gate);
    let attack = |what: &str, rule: &str, change: &dyn Fn(&mut LedgerCopy)| {
        check(&scene, what, rule, |copy| {
            change(copy);
            copy.resign(&key, |_| {});
            copy.write();
            copy.checkpoint(&key);
            None
        });
    };
    attack("an effect without an intent", "meaning", &|copy| {
        copy.lines.remove(copy.of_kind("call.intent"));
    });
    attack("two outcomes of one intent", "meaning", &|copy| {
        let at = copy.of_kind("call.outcome");
        copy.lines.insert(at + 1, copy.lines[at].clone());
    });
    attack("one grant twice", "meaning", &|copy| {
        let at = copy.of_kind("call.intent");
        copy.lines.insert(at + 1, copy.lines[at].clone());
    });
    attack("a call without its lease", "meaning", &|copy| {
        copy.lines.remove(copy.of_kind("lease.issued"));
    });
    attack("an approved call without its approval", "meaning", &|copy| {
        copy.lines.remove(copy.position(|entry| entry["decision"] == "approved"));
    });
    attack("an approval without its held call", "meaning", &|copy| {
        copy.lines.remove(copy.of_kind("call.held"));
    });
    attack("a call under a policy that was never in force", "meaning", &|copy| {
        copy.lines.remove(copy.of_kind("config.changed"));
    });
    check(&scene, "a denial turned into an approval", "decision", |copy| {
        copy.resign(&key, |entry| {
            if let Body::ApprovalDecided(decided) = &mut entry.body {
                decided.decision = Decision::Approved;
            }
        });
        copy.write();
        copy.checkpoint(&key);
        Some(copy.position(|entry| entry["reason"] == "no"))
    });
    check(&scene, "an approval of another call", "decision", |copy| {
        let denied = copy.lines[copy.position(|entry| entry["reason"] == "no")].clone();
        let denied: Value = serde_json::from_slice(&denied).unwrap();
        copy.resign(&key, |entry| {
            if let Body::ApprovalDecided(decided) = &mut entry.body
                && decided.decision == Decision::Approved
            {
                decided.plan_digest = denied["plan_digest"].as_str().unwrap().parse().unwrap();
            }
        });
        copy.write();
        copy.checkpoint(&key);
        None
    });
}
