//! A gate is taken off the machine: what was listed is gone, everything else is there, and the ledger still verifies.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Ran};

fn used() -> Gate {
    let gate = Gate::builder().root_file("a", "x").start();
    gate.cli(&["call", "fs_read", r#"{"path":"a"}"#]).exited(0);
    gate
}

/// Every path below, links not followed.
fn below(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for item in fs::read_dir(dir).into_iter().flatten() {
        let path = item.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(below(&path));
        }
        found.insert(path);
    }
    found
}

fn paths(list: &serde_json::Value) -> BTreeSet<PathBuf> {
    list.as_array().unwrap().iter().map(|path| PathBuf::from(path.as_str().unwrap())).collect()
}

#[test]
fn what_is_deleted_is_what_was_listed_and_the_ledger_still_verifies() {
    let mut gate = used();
    gate.terminate();
    fs::write(gate.home().join("my-notes.txt"), "mine").unwrap();
    let before = below(gate.home());
    let listed = gate.cli(&["uninstall"]).exited(2).stderr;
    assert!(listed.contains("--yes"), "{listed}");
    assert_eq!(below(gate.home()), before, "a list deletes nothing");
    let done = gate.cli(&["uninstall", "--yes", "--json"]).exited(0).json();
    let deleted = paths(&done["deleted"]);
    for path in &deleted {
        assert!(listed.contains(path.to_str().unwrap()), "{} was not listed", path.display());
    }
    assert_eq!(below(gate.home()), before.difference(&deleted).cloned().collect());
    for gone in ["latchgate.toml", "policies", "operators", "run", "state/index", "state/gate.log"] {
        assert!(!gate.home().join(gone).exists(), "{gone}");
    }
    let keys: Vec<_> = fs::read_dir(gate.keys()).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert_eq!(fs::read_to_string(gate.home().join("my-notes.txt")).unwrap(), "mine");
    gate.assert_sound();
}

#[test]
fn with_its_ledger_nothing_of_a_gate_is_left() {
    let mut gate = used();
    gate.terminate();
    let done = gate.cli(&["uninstall", "--ledger", "--yes", "--json"]).exited(0).json();
    assert_eq!(done["left"], serde_json::json!([]));
    assert!(!gate.home().exists());
    let again = gate.cli(&["uninstall", "--ledger", "--yes", "--json"]).exited(0);
    assert_eq!(again.json()["deleted"], serde_json::json!([]));
    assert!(again.stderr.contains("nothing of a gate"), "{}", again.stderr);
}

#[test]
fn a_running_gate_is_not_uninstalled() {
    let mut gate = used();
    let before = below(gate.home());
    let refused = gate.cli(&["uninstall", "--ledger", "--yes"]).exited(1);
    assert!(refused.stderr.contains("latchgate down"), "{}", refused.stderr);
    assert_eq!(below(gate.home()), before);
    gate.cli(&["status"]).exited(0);
    gate.kill9();
    gate.cli(&["uninstall", "--ledger", "--yes"]).exited(0);
    assert!(!gate.home().exists());
}

#[test]
fn links_are_deleted_and_never_followed() {
    let mut gate = used();
    gate.terminate();
    let outside = gate.base().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "kept").unwrap();
    symlink(&outside, gate.home().join("policies/link")).unwrap();
    fs::remove_dir_all(gate.home().join("manifests")).unwrap();
    symlink(&outside, gate.home().join("manifests")).unwrap();
    gate.cli(&["uninstall", "--ledger", "--yes"]).exited(0);
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept");
    assert!(!gate.home().exists());
}

#[test]
fn on_a_terminal_the_answer_counts() {
    if Command::new("script").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("LEFT OUT: without `script` there is no terminal to be asked on");
        return;
    }
    let mut gate = used();
    gate.terminate();
    let answer = |word: &str| {
        let binary = gate.command(&[]).get_program().to_str().unwrap().to_owned();
        let mut shell = Command::new("sh");
        let line = format!("echo {word} | script -qec '{binary} uninstall' /dev/null");
        shell.args(["-c", &line]).env_clear();
        Ran::of(shell.envs(gate.command(&[]).get_envs().filter_map(|(n, v)| Some((n, v?)))))
    };
    let ran = answer("no").exited(1);
    assert!(ran.stdout.contains("[y/N]") && gate.home().join("latchgate.toml").exists(), "{ran:#?}");
    let ran = answer("yes").exited(0);
    assert!(ran.stdout.contains("deleted") && !gate.home().join("latchgate.toml").exists(), "{ran:#?}");
}
