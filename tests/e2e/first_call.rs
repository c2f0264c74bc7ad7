//! The first call on a new home, and the ledger that stands for it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchgate_tests::{Gate, eventually, of_kind, segments_in};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("hello.txt", "hello, gate\n").start()
}

fn read_hello(gate: &Gate) -> Value {
    gate.cli(&["call", "--json", "fs_read", r#"{"path":"hello.txt"}"#]).exited(0).json()
}

#[test]
fn reading_a_file_prints_its_text_and_names_the_receipt() {
    let gate = gate();
    let ran = gate.cli(&["call", "fs_read", r#"{"path":"hello.txt"}"#]).exited(0);
    assert!(ran.stdout.contains("hello, gate"), "{ran:#?}");
    let outcome = &gate.entries_of("call.outcome")[0];
    let receipt_id = outcome["receipt_id"].as_str().unwrap();
    assert!(format!("{}{}", ran.stdout, ran.stderr).contains(receipt_id), "{receipt_id} in {ran:#?}");
}

#[test]
fn the_answer_is_the_recorded_outcome() {
    let gate = gate();
    let answer = read_hello(&gate);
    assert_eq!(answer["output"], json!({ "path": "hello.txt", "size": 12, "text": "hello, gate\n" }));
    assert_eq!(answer["verification"], json!({ "outcome": "verified", "is_fully_successful": true }));
    let entries = gate.entries();
    let outcome = of_kind(&entries, "call.outcome")[0];
    assert_eq!(answer["receipt_id"], outcome["receipt_id"]);
    assert_eq!(answer["log_index"], outcome["seq"]);
    assert_eq!(answer["grant_id"], outcome["grant_id"]);
    assert_eq!(answer["trace_id"], outcome["trace_id"]);
    let intent = &entries[usize::try_from(outcome["intent_seq"].as_u64().unwrap()).unwrap()];
    assert_eq!(intent["kind"], "call.intent");
    assert_eq!(intent["grant_id"], outcome["grant_id"]);
    assert_eq!(outcome["effects"][0]["kind"], "fs.read");
    assert_eq!(outcome["effects"][0]["status"], "done");
}

#[test]
fn audit_lists_what_was_called() {
    let gate = gate();
    let answer = read_hello(&gate);
    let receipt_id = answer["receipt_id"].as_str().unwrap();
    // Queries are answered from an index, which is written behind.
    let found = eventually("the receipt in the index", || {
        let found = gate.cli(&["audit", "--json", "--id", receipt_id]).exited(0).json_lines();
        (!found.is_empty()).then_some(found)
    });
    let kinds: Vec<&Value> = found.iter().map(|entry| &entry["kind"]).collect();
    assert_eq!(kinds, ["call.outcome"], "{found:#?}");
    let listed = gate.cli(&["audit"]).exited(0).stdout;
    assert!(listed.contains("fs_read"), "{listed}");
}

#[test]
fn a_new_home_is_private_and_verifies() {
    let gate = gate();
    read_hello(&gate);
    gate.assert_sound();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for dir in
        ["", "manifests", "policies", "operators", "state", "state/keys", "state/ledger", "run", "run/admin"]
    {
        assert_eq!(mode(&gate.home().join(dir)), 0o700, "{dir}");
    }
    for socket in [gate.agent_socket(), gate.admin_socket()] {
        assert_eq!(mode(&socket), 0o600, "{}", socket.display());
    }
    for file in files_below(gate.home()) {
        assert_eq!(mode(&file) & 0o177, 0, "{}", file.display());
    }
}

#[test]
fn the_log_holds_no_argument_and_no_content() {
    let gate = Gate::builder().root_file("quite-telling-name.txt", "quite telling content").start();
    gate.cli(&["call", "fs_read", r#"{"path":"quite-telling-name.txt"}"#]).exited(0);
    for segment in segments_in(&gate.ledger()) {
        let text = String::from_utf8_lossy(&fs::read(segment).unwrap()).into_owned();
        assert!(!text.contains("quite telling content"));
        assert!(!text.contains("\"args\""));
    }
}

#[test]
fn a_flipped_byte_is_found_and_its_entry_named() {
    let mut gate = gate();
    read_hello(&gate);
    gate.terminate();
    let entries = gate.entries();
    let seq = of_kind(&entries, "call.outcome")[0]["seq"].as_u64().unwrap();
    let [segment] = &segments_in(&gate.ledger())[..] else { panic!("one segment") };
    let sound = fs::read(segment).unwrap();
    let start = line_start(&sound, seq);
    // In the name of a member, in its value, in the signature.
    for (what, needle) in
        [("a digest", "sha256:"), ("the action", "fs_read"), ("the signature", "\"sig\":\"")]
    {
        let line = &sound[start..];
        let at = line.windows(needle.len()).position(|window| window == needle.as_bytes()).unwrap();
        let mut altered = sound.clone();
        altered[start + at + needle.len() + 2] ^= 1;
        fs::write(segment, &altered).unwrap();
        let verified = gate.verify();
        assert_eq!(verified.code, 6, "{what}: {:#}", verified.report);
        let findings = verified.report["findings"].as_array().unwrap();
        assert!(findings.iter().any(|finding| finding["seq"] == seq), "{what}: entry {seq} in {findings:#?}");
        let told = gate.cli(&["verify"]).exited(6);
        assert!(format!("{}{}", told.stdout, told.stderr).contains(&seq.to_string()), "{told:#?}");
    }
    fs::write(segment, &sound).unwrap();
    gate.assert_sound();
}

#[test]
fn a_gate_does_not_take_up_a_ledger_whose_tail_is_cut() {
    let mut gate = gate();
    read_hello(&gate);
    gate.terminate();
    let [segment] = &segments_in(&gate.ledger())[..] else { panic!("one segment") };
    let sound = fs::read(segment).unwrap();
    let last = gate.entries().len() as u64 - 1;
    fs::write(segment, &sound[..line_start(&sound, last)]).unwrap();
    let refused = gate.start().unwrap_err();
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains(&format!("entry {last}")), "{}", refused.stderr);
    assert!(refused.stderr.contains("backup"), "{}", refused.stderr);
    assert_eq!(gate.verify().code, 6);
    fs::write(segment, &sound).unwrap();
    gate.restart();
    gate.assert_sound();
}

/// Where the line of this entry begins. There is one segment, so `seq` counts its lines.
fn line_start(bytes: &[u8], seq: u64) -> usize {
    let breaks = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).nth(usize::try_from(seq).unwrap()).unwrap()
}

fn files_below(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for found in fs::read_dir(dir).unwrap() {
        let path = found.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}
