//! A verifier that shares nothing with ours, written from docs/ledger.md: it takes what the gate gives, and nothing that was altered.

use std::fs;
use std::path::Path;
use std::process::Command;

use latchgate_tests::{Gate, Ran, workspace};
use serde_json::{Value, json};

use crate::{gate, python};

fn check(key: &Path, what: &Path) -> Ran {
    let script = workspace().join("tests/compat/verify.py");
    Ran::of(Command::new(python()).arg("-B").arg(script).arg(key).arg(what).env_clear())
}

fn read(gate: &Gate) -> String {
    let done = gate.cli(&["call", "fs_read", r#"{"path":"hello.txt"}"#, "--json"]).exited(0).json();
    done["receipt_id"].as_str().unwrap().to_owned()
}

/// A gate whose ledger has more than one tile and has changed its key, exported; its first key and its last.
fn exported() -> (Gate, Vec<std::path::PathBuf>, String) {
    let gate = gate();
    let keys = ["first.pub", "last.pub"].map(|name| gate.base().join(name));
    fs::copy(gate.keys().join("entry.pub"), &keys[0]).unwrap();
    let receipt = read(&gate);
    gate.cli(&["ledger", "rotate-key"]).exited(0);
    fs::copy(gate.keys().join("entry.pub"), &keys[1]).unwrap();
    let agent = gate.raw_agent();
    while gate.entries().len() < 300 {
        for _ in 0..20 {
            agent.call("fs_read", &json!({ "path": "hello.txt" })).send().expect(200);
        }
    }
    gate.cli(&["ledger", "export", gate.base().join("export").to_str().unwrap()]).exited(0);
    (gate, keys.to_vec(), receipt)
}

#[test]
fn an_export_is_taken_as_it_is_and_not_otherwise() {
    let (gate, keys, _) = exported();
    let export = gate.base().join("export");
    for key in &keys {
        let ran = check(key, &export).exited(0);
        assert!(ran.stdout.ends_with("entries verified\n"), "{ran:#?}");
    }
    let other = self::gate();
    assert_ne!(check(&other.keys().join("entry.pub"), &export).code, 0, "another gate's key");
    let log = export.join("log/00000000000000000000.jsonl");
    let attacks =
        [log, export.join("checkpoint"), export.join("tile/0/000"), export.join("tile/entries/000")];
    for file in attacks {
        let sound = fs::read(&file).unwrap();
        for at in [40, sound.len() / 2, sound.len() - 40] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1;
            fs::write(&file, &bytes).unwrap();
            assert_ne!(check(&keys[0], &export).code, 0, "{} at {at}", file.display());
        }
        fs::write(&file, sound).unwrap();
    }
    check(&keys[0], &export).exited(0);
}

#[test]
fn a_bundle_is_taken_as_it_is_and_not_otherwise() {
    let (gate, keys, receipt) = exported();
    let path = gate.base().join("bundle.json");
    gate.cli(&["ledger", "proof", &receipt, "--payloads", "--out", path.to_str().unwrap()]).exited(0);
    for key in &keys {
        check(key, &path).exited(0);
    }
    let sound: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(sound["entries"].as_array().unwrap().len(), 3, "intent, outcome and the change of keys");
    let attacks: [(&str, Value); 5] = [
        ("/entries/0/index", json!(1)),
        ("/entries/1/proof/0", sound["entries"][0]["proof"][0].clone()),
        ("/payloads/0/value", json!({ "path": "other.txt" })),
        ("/key", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("/checkpoint", json!(sound["checkpoint"].as_str().unwrap().replace("\n3", "\n4"))),
    ];
    for (pointer, value) in attacks {
        let mut altered = sound.clone();
        let member = altered.pointer_mut(pointer).unwrap();
        assert_ne!(*member, value, "{pointer}");
        *member = value;
        fs::write(&path, altered.to_string()).unwrap();
        assert_ne!(check(&keys[0], &path).code, 0, "{pointer}");
    }
}
