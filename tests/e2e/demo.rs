//! `latchgate demo`: a story that is checked while it is told, and a record that anyone can check afterwards.

use std::fs;
use std::path::Path;

use latchgate_tests::{Gate, Ran, segments_in};
use serde_json::Value;

/// A place to run commands in, with no gate in it.
fn nowhere() -> Gate {
    Gate::builder().prepare()
}

/// `demo` with its own directory for temporary files; the socket's path must stay short.
fn demo(place: &Gate, args: &[&str]) -> Ran {
    let temporary = place.base().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    let mut command = place.command(&["demo"]);
    Ran::of(command.args(args).env("TMPDIR", temporary))
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_demo_tells_its_three_calls_and_leaves_nothing_behind() {
    let place = nowhere();
    let ran = demo(&place, &[]).exited(0);
    for line in [
        "1. an ordinary read is allowed",
        "2. a file of secrets is out of reach",
        "3. a write waits for a person",
        "approved by local",
        "signatures, tree, checkpoints and meaning agree",
    ] {
        assert!(ran.stdout.contains(line), "`{line}` in {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("this-never-leaves") && !ran.stderr.contains("this-never-leaves"));
    assert!(is_empty(&place.base().join("tmp")));
    assert!(is_empty(place.home()), "the user's own home is not touched");
}

#[test]
fn another_process_verifies_the_record_that_was_kept() {
    let place = nowhere();
    let kept = place.base().join("kept");
    let told = demo(&place, &["--json", "--keep", kept.to_str().unwrap()]).exited(0).json();
    assert_eq!(told["verified"], true);
    assert_eq!(told["scenes"].as_array().unwrap().len(), 3);

    let key = kept.join("state/keys/entry.pub");
    let verify = |args: &[&str]| {
        let mut command = place.command(&["verify", "--json"]);
        Ran::of(command.arg(&kept).args(args))
    };
    let with_key = ["--key", key.to_str().unwrap()];
    let report = verify(&with_key).exited(0).json();
    assert_eq!((&report["entries"], &report["key"]), (&told["entries"], &told["key"]));
    assert_eq!(report["pinned"], true);

    // Without a key the ledger only agrees with itself.
    let unpinned = verify(&[]).exited(2).json();
    assert_eq!((&unpinned["pinned"], &unpinned["verified"]), (&Value::Bool(false), &Value::Bool(false)));

    // Another gate's key does not vouch for it.
    let other = place.base().join("other");
    demo(&place, &["--keep", other.to_str().unwrap()]).exited(0);
    let foreign = other.join("state/keys/entry.pub");
    verify(&["--key", foreign.to_str().unwrap()]).exited(6);

    let [segment] = &segments_in(&kept.join("state/ledger"))[..] else { panic!("one segment") };
    let text = fs::read_to_string(segment).unwrap();
    fs::write(segment, text.replacen("fs_read", "fs_rear", 1)).unwrap();
    verify(&with_key).exited(6);
}

#[test]
fn a_directory_in_use_is_not_taken_for_keeping() {
    let place = nowhere();
    let kept = place.base().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("mine"), "x").unwrap();
    let ran = demo(&place, &["--keep", kept.to_str().unwrap()]).exited(2);
    assert!(ran.stderr.contains("not empty"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(kept.join("mine")).unwrap(), "x");
}

#[test]
fn a_demo_that_cannot_be_told_fails_and_says_why() {
    let place = nowhere();
    let absent = place.base().join("absent");
    let ran = Ran::of(place.command(&["demo"]).env("TMPDIR", &absent)).exited(1);
    assert!(ran.stderr.contains("error:"), "{}", ran.stderr);
    assert!(!ran.stdout.contains("agree"), "{}", ran.stdout);
    let ran = Ran::of(place.command(&["demo", "--json"]).env("TMPDIR", &absent)).exited(1);
    assert_eq!(ran.json()["error"], "failed");
}

#[test]
fn the_demo_needs_no_gate_and_disturbs_none() {
    let gate = Gate::builder().start();
    let before = gate.entries().len();
    demo(&gate, &[]).exited(0);
    assert_eq!(gate.entries().len(), before);
}
