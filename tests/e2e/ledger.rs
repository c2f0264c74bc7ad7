//! The ledger's commands: keys change and are followed, payloads are forgotten and proofs stay, exports stand by themselves.

use std::fs;

use latchgate_tests::{Gate, Ran, Terminal};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("a", "x").start()
}

fn read(gate: &Gate) -> Value {
    gate.cli(&["call", "fs_read", r#"{"path":"a"}"#, "--json"]).exited(0).json()
}

fn receipt(gate: &Gate) -> String {
    read(gate)["receipt_id"].as_str().unwrap().to_owned()
}

fn bundle(gate: &Gate, name: &str, args: &[&str]) -> String {
    let path = gate.base().join(name).to_str().unwrap().to_owned();
    let all = [&["ledger", "proof", "--out", &path], args].concat();
    gate.cli(&all).exited(0);
    path
}

fn verify_bundle(gate: &Gate, path: &str, key: &str) -> Ran {
    gate.cli(&["verify", "--bundle", path, "--key", key, "--json"])
}

#[test]
fn a_rotated_key_is_followed_by_old_and_new_across_a_kill_and_a_restart() {
    let mut gate = gate();
    let key = gate.keys().join("entry.pub");
    let old = gate.base().join("old.pub").to_str().unwrap().to_owned();
    fs::copy(&key, &old).unwrap();
    let before = receipt(&gate);
    let early = bundle(&gate, "early", &[&before]);
    let old_private = fs::read(gate.keys().join("entry.key")).unwrap();
    let rotated = gate.cli(&["ledger", "rotate-key", "--json"]).exited(0).json();
    assert_ne!(rotated["old_key"], rotated["new_key"]);
    assert_eq!(gate.entries_of("key.rotated")[0]["seq"], rotated["log_index"]);
    assert_ne!(fs::read(gate.keys().join("entry.key")).unwrap(), old_private, "the old key is gone");
    assert!(!gate.keys().join("entry.next.key").exists());
    let after = receipt(&gate);
    gate.kill9();
    gate.restart();
    read(&gate);
    let key = key.to_str().unwrap();
    for key in [key, &old] {
        let report = gate.cli(&["verify", "--key", key, "--json"]).exited(0).json();
        assert_eq!(report["keys"].as_array().unwrap().len(), 2, "{report:#}");
        for path in [
            bundle(&gate, &format!("b{}", key.len()), &[&before]),
            bundle(&gate, &format!("a{}", key.len()), &[&after]),
        ] {
            let trusted_from_the_start = path.ends_with(&format!("b{}", key.len()));
            // A bundle of later entries alone does not show how the first key led to theirs.
            let expected = if trusted_from_the_start || key.ends_with("entry.pub") { 0 } else { 6 };
            assert_eq!(verify_bundle(&gate, &path, key).code, expected, "{path} {key}");
        }
    }
    // What was handed out before the change holds under the key that it was handed out with.
    verify_bundle(&gate, &early, &old).exited(0);
    gate.cli(&["ledger", "checkpoint", "--json"]).exited(0);
    gate.assert_sound();
}

#[test]
fn forgotten_payloads_are_gone_and_every_proof_still_holds() {
    let gate = gate();
    let key = gate.keys().join("entry.pub").to_str().unwrap().to_owned();
    let (forgotten, kept) = (receipt(&gate), receipt(&gate));
    let with = bundle(&gate, "with", &[&forgotten, "--payloads"]);
    assert_eq!(verify_bundle(&gate, &with, &key).exited(0).json()["payloads"].as_array().unwrap().len(), 3);
    let forgot = gate.cli(&["ledger", "forget", "--receipt", &forgotten, "--json"]).exited(0).json();
    assert_eq!(forgot["payloads"], 2);
    let entry = &gate.entries_of("payloads.forgotten")[0];
    assert_eq!((&entry["of"]["receipt"], &entry["seq"]), (&json!(forgotten), &forgot["log_index"][0]));
    assert!(gate.cli(&["ledger", "proof", &forgotten, "--payloads"]).code > 0);
    verify_bundle(&gate, &bundle(&gate, "without", &[&forgotten]), &key).exited(0);
    verify_bundle(&gate, &bundle(&gate, "kept", &[&kept, "--payloads"]), &key).exited(0);
    let session = gate.entries_of("call.outcome")[1]["session_id"].as_str().unwrap().to_owned();
    let of_session = gate.cli(&["ledger", "forget", "--session", &session, "--json"]).exited(0).json();
    assert_eq!(of_session["payloads"], 2);
    read(&gate);
    let before = gate.cli(&["ledger", "forget", "--before", "0s", "--json"]).exited(0).json();
    assert_eq!(before["payloads"], 2);
    assert!(gate.cli(&["ledger", "proof", &kept, "--payloads"]).code > 0);
    gate.cli(&["ledger", "forget"]).exited(2);
    gate.assert_sound();
}

#[test]
fn what_was_decided_is_decided_again_from_the_payloads() {
    let mut gate = Gate::builder().root_file("a", "x").start();
    read(&gate);
    gate.cli(&["call", "fs_write", r#"{"path":"b","content":"y"}"#, "--json"]);
    gate.restart();
    read(&gate);
    let key = gate.keys().join("payload.key").to_str().unwrap().to_owned();
    let report = gate.cli(&["verify", "--payloads", &key, "--json"]).exited(0).json();
    let notes = report["notes"].to_string();
    assert!(notes.contains("decisions judged again: 3") && !notes.contains("not judged"), "{report:#}");
    assert!(report["checkpoints"].as_u64() >= Some(2), "{report:#}");
}

#[test]
fn a_bundle_without_a_key_is_held_to_the_key_of_the_gate_that_is_here() {
    let gate = gate();
    let path = bundle(&gate, "own", &[&receipt(&gate)]);
    gate.cli(&["verify", "--bundle", &path]).exited(0);
    let other = Gate::builder().root_file("a", "x").start();
    let refused = other.cli(&["verify", "--bundle", &path]).exited(6);
    assert!(
        refused.stderr.contains("--key FILE") && refused.stderr.contains("entry.pub"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_long_verification_says_how_far_it_is() {
    let mut gate = gate();
    read(&gate);
    gate.terminate();
    // One segment under many names: no sound log, and as long a one as is needed.
    let log = gate.base().join("long/log");
    fs::create_dir_all(&log).unwrap();
    let source = fs::read_dir(gate.ledger().join("log")).unwrap().next().unwrap().unwrap().path();
    let lines = fs::read_to_string(source).unwrap().repeat(1_000);
    let segment = log.join(format!("{:020}.jsonl", 0));
    fs::write(&segment, &lines).unwrap();
    for n in 1..2_000 {
        fs::hard_link(&segment, log.join(format!("{n:020}.jsonl"))).unwrap();
    }
    let command = gate.command(&["verify", log.parent().unwrap().to_str().unwrap()]);
    let terminal = Terminal::run(command, 24, 100);
    terminal.shows(&["checking", " entries, ", "/s", "left"]);
}

#[test]
fn an_export_stands_by_itself_and_is_proved_on_the_way() {
    let mut gate = gate();
    for _ in 0..3 {
        read(&gate);
    }
    let dir = gate.base().join("export");
    let (at, key) = (dir.to_str().unwrap(), gate.keys().join("entry.pub"));
    let exported = gate.cli(&["ledger", "export", at, "--json"]).exited(0).json();
    assert_eq!(exported["entries"].as_u64(), Some(gate.entries().len() as u64));
    gate.cli(&["ledger", "export", at]).exited(2);
    let size = exported["entries"].as_u64().unwrap();
    gate.cli(&["ledger", "consistency", "1", &size.to_string()]).exited(0);
    gate.cli(&["ledger", "consistency", "0"]).exited(2);
    gate.terminate();
    let report = gate.cli(&["verify", at, "--key", key.to_str().unwrap(), "--json"]).exited(0).json();
    assert_eq!((&report["entries"], &report["checkpoint_size"]), (&json!(size), &json!(size)), "{report:#}");
    assert!(report["checkpoints"].as_u64() >= Some(2), "with the checkpoints before it: {report:#}");
    assert_eq!(fs::read_to_string(dir.join("checkpoint")).unwrap().lines().nth(1).unwrap(), size.to_string());
    for tile in [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")] {
        assert!(dir.join(&tile).is_file(), "{tile}");
    }
}

#[test]
fn what_a_viewer_may_not_see_is_not_in_a_bundle() {
    let gate = gate();
    let receipt = receipt(&gate);
    gate.cli(&["operator", "add", "eve", "--role", "viewer"]).exited(0);
    let by_eve =
        |more: &[&str]| gate.cli(&[&["ledger", "proof", &receipt, "--operator", "eve"], more].concat());
    assert!(by_eve(&[]).exited(0).json()["payloads"].is_null());
    by_eve(&["--payloads"]).exited(3);
    for args in [["ledger", "rotate-key"], ["ledger", "forget"]] {
        let more: &[&str] = if args[1] == "forget" { &["--before", "0s"] } else { &[] };
        gate.cli(&[&args, more, &["--operator", "eve"]].concat()).exited(3);
    }
    assert!(gate.entries_of("key.rotated").is_empty() && gate.entries_of("payloads.forgotten").is_empty());
}

#[test]
fn payloads_are_forgotten_by_themselves_when_their_time_is_over_and_others_are_kept() {
    let policy = latchgate_tests::policy::ALLOW;
    let config = "[retention]\nread_s = 1\nwrite_s = 86400\n";
    let mut gate = Gate::builder().root_file("a", "x").policy(policy).config(config).start();
    let forgotten = receipt(&gate);
    let written = gate.cli(&["call", "fs_write", r#"{"path":"b","content":"y"}"#, "--json"]).exited(0).json();
    let kept = written["receipt_id"].as_str().unwrap().to_owned();
    let second = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let began = second();
    latchgate_tests::eventually("two seconds", || (second() > began + 1).then_some(()));
    // It looks at its start, and then once a minute.
    gate.restart();
    let entry = gate.await_entry("a setting's forgetting", |entry| entry["kind"] == "payloads.forgotten");
    assert_eq!(entry["of"]["retention"]["class"], "read");
    assert!(entry["signed"].is_null());
    latchgate_tests::eventually("the payload is gone", || {
        (gate.cli(&["ledger", "proof", &forgotten, "--payloads"]).code > 0).then_some(())
    });
    gate.cli(&["ledger", "proof", &kept, "--payloads"]).exited(0);
    gate.cli(&["ledger", "proof", &forgotten]).exited(0);
    let key = gate.keys().join("payload.key").to_str().unwrap().to_owned();
    gate.cli(&["verify", "--payloads", &key]).exited(0);
}
