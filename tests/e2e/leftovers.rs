//! Files that a write left behind when the gate died: no action sees them, and the next start removes them.

use std::fs;
use std::path::{Path, PathBuf};

use latchgate_tests::{Gate, eventually, policy};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Of the form that the gate's temporary files have.
const NAME: &str = ".latchgate-0123456789abcdef.tmp";

fn temporary_in(dir: &Path) -> Option<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(".latchgate-"))
}

#[test]
fn names_of_the_gates_own_are_kept_from_every_action() {
    let gate =
        Gate::builder().policy(policy::ALLOW).root_file(NAME, "needle").root_file("a", "needle").start();
    let agent = gate.raw_agent();
    let call = |action: &str, args: Value| agent.execute(action, &args, |call| call);
    for (action, args) in [
        ("fs_read", json!({ "path": NAME })),
        ("fs_write", json!({ "path": NAME, "content": "x" })),
        ("fs_delete", json!({ "path": NAME })),
        ("fs_list", json!({ "path": NAME })),
    ] {
        let (status, problem) = call(action, args);
        assert_eq!((status, &problem["error"]), (422, &json!("invalid_target")), "{action}: {problem:#}");
        assert!(problem["detail"].as_str().unwrap().contains("keeps to itself"), "{problem:#}");
    }
    assert!(gate.entries_of("call.intent").is_empty(), "no effect");
    assert_eq!(fs::read_to_string(gate.root().join(NAME)).unwrap(), "needle");
    for (action, args) in [("fs_list", json!({ "path": "" })), ("fs_search", json!({ "pattern": "needle" }))]
    {
        let (status, answer) = call(action, args);
        assert_eq!(status, 200, "{answer:#}");
        let told = answer["output"].to_string();
        assert!(told.contains("\"a\"") && !told.contains(".latchgate-"), "{told}");
    }
}

#[test]
fn what_an_interrupted_write_left_is_removed_at_the_next_start() {
    let mut gate = Gate::builder().policy(policy::ALLOW).root_file(NAME, "somebody else's").start();
    fs::create_dir(gate.root().join("d")).unwrap();
    let dir = gate.root().join("d");
    let agent = gate.raw_agent();
    let content = "x".repeat(900_000);
    let mut round = 0;
    // Stopped, the gate cannot finish a write between the look and the kill.
    let left = eventually("a write in the middle", || {
        round += 1;
        let args = json!({ "path": format!("d/{round}"), "content": content });
        let _answer = agent.call("fs_write", &args).begin();
        let target = dir.join(round.to_string());
        while temporary_in(&dir).is_none() && !target.exists() && gate.is_running() {
            std::thread::yield_now();
        }
        gate.signal(Signal::STOP);
        let found = temporary_in(&dir);
        if found.is_none() {
            gate.signal(Signal::CONT);
        }
        found
    });
    gate.kill9();
    assert!(left.exists());
    gate.start().unwrap();
    assert!(!left.exists(), "{}", left.display());
    assert!(gate.root().join(NAME).exists(), "what no write of this gate left stays");
    let unknown = gate.entries_of("call.outcome");
    assert!(unknown.iter().any(|outcome| outcome["result"].is_null()), "{unknown:#?}");
    gate.assert_sound();
}
