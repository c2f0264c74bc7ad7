//! What a stranger is handed holds by itself or not at all: bundles, tiles, checkpoints, and what this side has seen before.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_tests::{Gate, Ran};
use latchgate_wire::entry::{Body, KeyRotated};
use serde_json::{Value, json};

use super::ledger_copy::{LedgerCopy, another_key, entry_key};
use crate::scene::Scene;

fn key(gate: &Gate) -> String {
    gate.keys().join("entry.pub").to_str().unwrap().to_owned()
}

fn calls(scene: &Scene, n: usize) -> String {
    let mut last = String::new();
    for _ in 0..n {
        let done = scene.post(scene.number()).send().expect(200);
        last = done["receipt_id"].as_str().unwrap().to_owned();
    }
    last
}

fn verify_bundle(gate: &Gate, bundle: &Value, key: &str) -> Ran {
    let path = gate.base().join("bundle.json");
    fs::write(&path, bundle.to_string()).unwrap();
    gate.cli(&["verify", "--bundle", path.to_str().unwrap(), "--key", key, "--json"])
}

type Attack<'a> = &'a dyn Fn(&mut Value);

/// Each member of a bundle, changed by as little as can be.
#[test]
fn a_bundle_that_was_altered_proves_nothing() {
    let scene = Scene::allowing();
    let receipt = calls(&scene, 3);
    let gate = &scene.gate;
    let bundle = gate.cli(&["ledger", "proof", &receipt, "--payloads"]).exited(0).json();
    let twin = verify_bundle(gate, &bundle, &key(gate)).exited(0).json();
    assert_eq!(twin["payloads"], json!(["arguments", "plan", "result"]), "{twin:#}");
    assert_eq!(twin["entries"][1]["receipt_id"], receipt);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let attacks: [(&str, Attack<'_>); 12] = [
        ("format", &|b| b["format"] = json!("latchgate-bundle-v2")),
        ("entry", &|b| {
            b["entries"][1]["entry"] =
                json!(text(&b["entries"][1]["entry"]).replace("\"calls\":1", "\"calls\":2"))
        }),
        ("signature", &|b| {
            let entry = text(&b["entries"][0]["entry"]);
            let at = entry.find("\"sig\":\"").unwrap() + 20;
            let other = if &entry[at..=at] == "A" { "B" } else { "A" };
            b["entries"][0]["entry"] = json!(format!("{}{other}{}", &entry[..at], &entry[at + 1..]));
        }),
        ("index", &|b| b["entries"][1]["index"] = json!(b["entries"][1]["index"].as_u64().unwrap() + 1)),
        ("hash", &|b| b["entries"][0]["proof"][0] = json!(BASE64.encode([7; 32]))),
        ("hash left out", &|b| drop(b["entries"][0]["proof"].as_array_mut().unwrap().pop())),
        ("hash too many", &|b| {
            b["entries"][0]["proof"].as_array_mut().unwrap().push(json!(BASE64.encode([0; 32])))
        }),
        ("no entries", &|b| b["entries"] = json!([])),
        ("checkpoint", &|b| {
            b["checkpoint"] = json!(text(&b["checkpoint"]).replacen("latchgate/", "latchgatf/", 2))
        }),
        ("key", &|b| b["key"] = json!("AAAA")),
        ("payload", &|b| b["payloads"][0]["value"]["body"] = json!("something else")),
        ("salt", &|b| b["payloads"][2]["salt"] = json!(BASE64.encode([1; 32]))),
    ];
    for (what, attack) in attacks {
        let mut altered = bundle.clone();
        attack(&mut altered);
        assert_ne!(altered, bundle, "{what}");
        assert_eq!(verify_bundle(gate, &altered, &key(gate)).code, 6, "{what}");
    }
    // Another gate's key trusts nothing of it.
    let other = Scene::allowing();
    assert_eq!(verify_bundle(gate, &bundle, &key(&other.gate)).code, 6);
    scene.end();
}

/// A receipt of another gate under this gate's checkpoint, and this gate's under another's.
#[test]
fn a_receipt_lifted_into_another_log_proves_nothing() {
    let (scene, other) = (Scene::allowing(), Scene::allowing());
    let bundle = |scene: &Scene| {
        let receipt = calls(scene, 2);
        scene.gate.cli(&["ledger", "proof", &receipt]).exited(0).json()
    };
    let (own, theirs) = (bundle(&scene), bundle(&other));
    let mut lifted = theirs.clone();
    lifted["checkpoint"] = own["checkpoint"].clone();
    for key in [key(&scene.gate), key(&other.gate)] {
        assert_eq!(verify_bundle(&scene.gate, &lifted, &key).code, 6);
    }
    verify_bundle(&scene.gate, &own, &key(&scene.gate)).exited(0);
    scene.end();
    other.end();
}

/// State rolled back as a whole, ledger, keys and all: the gate itself cannot know, but whoever remembers does.
#[test]
fn a_state_rolled_back_with_its_ledger_is_found_by_whoever_saw_more() {
    for is_attacked in [true, false] {
        let mut scene = Scene::allowing();
        let elsewhere = tempfile::tempdir().unwrap();
        let (seen, kept) = (elsewhere.path().join("seen"), elsewhere.path().join("state"));
        let look = |scene: &Scene| {
            scene.gate.cli(&["ledger", "checkpoint", "--seen", seen.to_str().unwrap(), "--json"])
        };
        calls(&scene, 2);
        look(&scene).exited(0);
        assert!(scene.gate.terminate().success());
        copy(&scene.gate.home().join("state"), &kept);
        scene.gate.start().map_err(|refused| refused.stderr).unwrap();
        calls(&scene, 5);
        let last = look(&scene).exited(0).json();
        assert_eq!(last["seen"], "grown");
        assert!(scene.gate.terminate().success());
        if is_attacked {
            fs::remove_dir_all(scene.gate.home().join("state")).unwrap();
            copy(&kept, &scene.gate.home().join("state"));
        }
        scene.gate.start().map_err(|refused| refused.stderr).unwrap();
        let shorter = look(&scene);
        let mut forked = None;
        if is_attacked {
            // And once it has grown past what was seen, it is another log.
            calls(&scene, 9);
            forked = Some(look(&scene));
        }
        match forked {
            Some(forked) => {
                for found in [shorter, forked] {
                    assert_eq!(found.code, 6, "{found:#?}");
                    assert!(found.stdout.contains("rolled back"), "{found:#?}");
                }
            }
            None => assert_eq!(shorter.exited(0).json()["seen"], "grown"),
        }
    }
}

#[test]
fn a_witness_does_not_cosign_another_past() {
    let mut scene = Scene::allowing();
    let elsewhere = tempfile::tempdir().unwrap();
    let (kept, state) = (elsewhere.path().join("state"), scene.gate.home().join("state"));
    let key_file = elsewhere.path().join("entry.pub");
    fs::copy(scene.gate.keys().join("entry.pub"), &key_file).unwrap();
    let witness_home = elsewhere.path().join("witness");
    let witness = |scene: &Scene| {
        let ledger = scene.gate.ledger();
        let args =
            ["ledger", "witness", ledger.to_str().unwrap(), "--key", key_file.to_str().unwrap(), "--json"];
        Ran::of(scene.gate.command(&args).env("LATCHGATE_HOME", &witness_home))
    };
    calls(&scene, 2);
    assert!(scene.gate.terminate().success());
    copy(&state, &kept);
    scene.gate.start().map_err(|refused| refused.stderr).unwrap();
    calls(&scene, 3);
    assert!(scene.gate.terminate().success());
    let first = witness(&scene).exited(0).json();
    assert_eq!((&first["before"], first["note"].as_str().unwrap().lines().count()), (&Value::Null, 6));
    // The twin: more of the same log, by its tiles.
    scene.gate.start().map_err(|refused| refused.stderr).unwrap();
    calls(&scene, 3);
    assert!(scene.gate.terminate().success());
    let second = witness(&scene).exited(0).json();
    assert_eq!(second["before"], first["size"]);
    // Another past of the same length and more, under the same key.
    fs::remove_dir_all(&state).unwrap();
    copy(&kept, &state);
    scene.gate.start().map_err(|refused| refused.stderr).unwrap();
    assert!(scene.gate.terminate().success());
    assert_eq!(witness(&scene).code, 6, "a shorter one");
    scene.gate.start().map_err(|refused| refused.stderr).unwrap();
    calls(&scene, 12);
    assert!(scene.gate.terminate().success());
    let refused = witness(&scene);
    assert_eq!(refused.code, 6, "{refused:#?}");
    assert!(refused.stdout.contains("NOT cosigned"), "{refused:#?}");
}

/// A witness far from the ledger, who has checkpoints and what the other gate's operator printed between two of them.
#[test]
fn a_witness_without_tiles_cosigns_by_a_proof_and_by_no_other() {
    let scene = Scene::allowing();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = elsewhere.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key_file = file("entry.pub", &fs::read_to_string(key(&scene.gate)).unwrap());
    let witness_home = elsewhere.path().join("witness");
    let witness = |note: &str, more: &[&str]| {
        let args = [&["ledger", "witness", note, "--key", &key_file, "--json"], more].concat();
        Ran::of(scene.gate.command(&args).env("LATCHGATE_HOME", &witness_home))
    };
    let shown = |name: &str| {
        let note = scene.gate.cli(&["ledger", "checkpoint"]).exited(0).stdout;
        let size = note.lines().nth(1).unwrap().to_owned();
        (file(name, &note), size)
    };
    let between = |old: &str, new: &str| {
        scene.gate.cli(&["ledger", "consistency", old, new, "--json"]).exited(0).json()
    };
    calls(&scene, 3);
    let (first, old) = shown("first");
    assert_eq!(witness(&first, &[]).exited(0).json()["before"], Value::Null);
    calls(&scene, 4);
    let (second, new) = shown("second");
    let proved = between(&old, &new);
    let unproved = witness(&second, &[]).exited(2);
    assert!(unproved.stdout.contains(&format!("ledger consistency {old} {new}")), "{unproved:#?}");
    let attacks: [(&str, Attack<'_>); 3] = [
        ("a hash", &|p| p["proof"][0] = json!(BASE64.encode([7; 32]))),
        ("a hash left out", &|p| drop(p["proof"].as_array_mut().unwrap().pop())),
        ("a proof between others", &|p| *p = between("1", &new)),
    ];
    for (what, attack) in attacks {
        let mut altered = proved.clone();
        attack(&mut altered);
        assert_ne!(altered, proved, "{what}");
        let refused = witness(&second, &["--proof", &file("altered", &altered.to_string())]);
        assert!([2, 6].contains(&refused.code), "{what}: {refused:#?}");
        assert!(!refused.stdout.contains("verifier_key"), "{what}: {refused:#?}");
    }
    // The twin: what was printed.
    let proof = file("between", &proved.to_string());
    let cosigned = witness(&second, &["--proof", &proof]).exited(0).json();
    assert_eq!((cosigned["before"].to_string(), cosigned["size"].to_string()), (old, new));
    assert_eq!(cosigned["note"].as_str().unwrap().lines().count(), 6);
    // And from then on the first is an older one.
    assert_eq!(witness(&first, &["--proof", &proof]).code, 6);
    scene.end();
}

fn verify(scene: &Scene, copy: &LedgerCopy, more: &[&str]) -> Ran {
    let key = key(&scene.gate);
    let args = [&["verify", copy.ledger.to_str().unwrap(), "--key", &key, "--json"], more].concat();
    scene.gate.cli(&args)
}

#[track_caller]
fn found(ran: &Ran, rule: &str) {
    assert_eq!(ran.code, 6, "{ran:#?}");
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["rule"] == rule), "expected {rule}: {report:#}");
}

/// A log of several segments and tiles, in an attacker's hands.
#[test]
fn swapped_segments_edited_tiles_and_older_checkpoints_are_found() {
    let mut scene = Scene::allowing();
    calls(&scene, 4);
    let early = LedgerCopy::of(&scene.gate);
    calls(&scene, 4);
    assert!(scene.gate.terminate().success());
    let whole = || {
        let copy = LedgerCopy::of(&scene.gate);
        let segments = latchgate_tests::segments_in(&copy.ledger);
        let (first, second) = copy.lines.split_at(copy.lines.len() / 2);
        let name = copy.ledger.join(format!("log/{:020}.jsonl", first.len()));
        fs::write(&segments[0], lines(first)).unwrap();
        fs::write(&name, lines(second)).unwrap();
        (copy, segments[0].clone(), name)
    };
    let (copy, first, second) = whole();
    verify(&scene, &copy, &[]).exited(0);
    let (one, other) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    fs::write(&first, other).unwrap();
    fs::write(&second, one).unwrap();
    found(&verify(&scene, &copy, &[]), "sequence");
    let (copy, _, second) = whole();
    fs::remove_file(second).unwrap();
    found(&verify(&scene, &copy, &[]), "checkpoint");
    let (copy, first, _) = whole();
    fs::remove_file(first).unwrap();
    found(&verify(&scene, &copy, &[]), "sequence");
    // Tiles: any byte of any.
    let (copy, ..) = whole();
    let tile = fs::read_dir(copy.ledger.join("tile/0/000.p")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&tile).unwrap();
    bytes[31] ^= 1;
    fs::write(&tile, bytes).unwrap();
    found(&verify(&scene, &copy, &[]), "tile");
    // An older checkpoint with the log cut to it is a smaller log: only somebody who remembers finds it out.
    let remembered = scene.gate.base().join("remembered");
    fs::copy(scene.gate.ledger().join("checkpoint"), &remembered).unwrap();
    let remembered = remembered.to_str().unwrap();
    verify(&scene, &LedgerCopy::of(&scene.gate), &["--checkpoint", remembered]).exited(0);
    let note = fs::read_to_string(early.ledger.join("checkpoint")).unwrap();
    let size: usize = note.lines().nth(1).unwrap().parse().unwrap();
    let mut cut = early;
    cut.lines.truncate(size);
    cut.write();
    verify(&scene, &cut, &[]).exited(0);
    found(&verify(&scene, &cut, &["--checkpoint", remembered]), "checkpoint");
    // And the older checkpoint alone, where signatures before it are to be taken on trust, still binds what it is over.
    let old = scene.gate.base().join("old");
    fs::write(&old, &note).unwrap();
    let since = ["--since", old.to_str().unwrap()];
    verify(&scene, &LedgerCopy::of(&scene.gate), &since).exited(0);
    let mut copy = LedgerCopy::of(&scene.gate);
    copy.lines[1] = String::from_utf8_lossy(&copy.lines[1]).replace("sha256:", "sha256:0").into_bytes();
    copy.write();
    assert_eq!(verify(&scene, &copy, &since).code, 6);
}

/// A log under a key of the attacker's own, with a change of keys that leads to the gate's.
#[test]
fn a_change_of_keys_that_the_gate_did_not_agree_to_leads_nowhere() {
    let mut scene = Scene::allowing();
    calls(&scene, 2);
    scene.gate.cli(&["ledger", "rotate-key"]).exited(0);
    calls(&scene, 2);
    assert!(scene.gate.terminate().success());
    scene.gate.assert_sound();
    let mut copy = LedgerCopy::of(&scene.gate);
    verify(&scene, &copy, &[]).exited(0);
    let (theirs, gates) = (another_key(), entry_key(&scene.gate));
    let at = copy.of_kind("key.rotated");
    let mut key = theirs.clone();
    for seq in 0..copy.lines.len() {
        let mut entry = latchgate_wire::entry::Entry::read(&copy.lines[seq]).unwrap();
        match &mut entry.body {
            Body::GateStarted(started) => {
                started.entry_key = latchgate_wire::keychain::text(&theirs.verifying_key())
            }
            Body::KeyRotated(KeyRotated { old_key, .. }) => {
                *old_key = latchgate_wire::keychain::text(&theirs.verifying_key());
            }
            _ => {}
        }
        copy.lines[seq] = entry.sign(&key).unwrap().bytes().to_vec();
        if seq == at {
            key = gates.clone();
        }
    }
    copy.write();
    copy.checkpoint(&gates);
    found(&verify(&scene, &copy, &[]), "key");
    found(&verify(&scene, &copy, &[]), "signature");
}

fn lines(lines: &[Vec<u8>]) -> Vec<u8> {
    lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect()
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
            let mode = path.metadata().unwrap().permissions().mode();
            fs::set_permissions(&target, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

/// Payloads lie beside the log under a key that strangers do not have; whoever has it finds each that is not what was recorded.
#[test]
fn payloads_that_were_exchanged_altered_or_taken_away_are_found() {
    let mut scene = Scene::allowing();
    calls(&scene, 4);
    assert!(scene.gate.terminate().success());
    let payload_key = scene.gate.keys().join("payload.key");
    let with_payloads = ["--payloads", payload_key.to_str().unwrap()];
    let attack = |what: &str, attack: &dyn Fn(&mut Vec<u8>)| {
        let copy = LedgerCopy::of(&scene.gate);
        verify(&scene, &copy, &with_payloads).exited(0);
        let file = copy.ledger.join("payload/00000000.dat");
        let mut bytes = fs::read(&file).unwrap();
        attack(&mut bytes);
        fs::write(&file, bytes).unwrap();
        // Who has no key for them can say nothing about payloads, and the log is as sound as before.
        verify(&scene, &copy, &[]).exited(0);
        let ran = verify(&scene, &copy, &with_payloads);
        assert_eq!(ran.code, 6, "{what}: {ran:#?}");
        found(&ran, "payload");
    };
    let magic = |bytes: &[u8]| -> Vec<usize> {
        (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"LGP1").collect()
    };
    attack("a byte of one", &|bytes| bytes[100] ^= 1);
    attack("two of equal length exchanged", &|bytes| {
        let at = magic(bytes);
        let len = |n: usize| at[n + 1] - at[n];
        let pair = (0..at.len() - 1).flat_map(|a| (a + 1..at.len() - 1).map(move |b| (a, b)));
        let (a, b) = pair.into_iter().find(|(a, b)| len(*a) == len(*b)).expect("two of equal length");
        let (from, to, size) = (at[a], at[b], len(a));
        let kept = bytes[from..from + size].to_vec();
        bytes.copy_within(to..to + size, from);
        bytes[to..to + size].copy_from_slice(&kept);
    });
    attack("a key destroyed without an entry", &|bytes| bytes[8..68].fill(0));
}
