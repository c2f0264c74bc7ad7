//! A backup is a whole gate: it verifies, and another home goes on with it, whether the first gate ran meanwhile or not.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use latchgate_tests::{Gate, Ran, entries_in};
use serde_json::json;

fn gate() -> Gate {
    Gate::builder().root_file("a", "x").start()
}

fn read(gate: &Gate) -> serde_json::Value {
    gate.cli(&["call", "fs_read", r#"{"path":"a"}"#, "--json"]).exited(0).json()
}

fn private_dir(path: &Path) -> PathBuf {
    fs::create_dir_all(path).unwrap();
    chmod(path, 0o700);
    path.to_owned()
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn backup(gate: &Gate, args: &[&str]) -> PathBuf {
    let to = private_dir(&gate.base().join("backups"));
    let all = [&["backup", "--json", "--to", to.to_str().unwrap()], args].concat();
    PathBuf::from(gate.cli(&all).exited(0).json()["path"].as_str().unwrap())
}

fn verify(gate: &Gate, dir: &Path) -> Ran {
    let key = gate.keys().join("entry.pub");
    gate.cli(&["verify", dir.join("ledger").to_str().unwrap(), "--key", key.to_str().unwrap(), "--json"])
}

/// As `latchgate backup --help` says, word for word but for the names.
fn restore(backup: &Path, other: &Gate) {
    let help = other.cli(&["backup", "--help"]).exited(0).stdout;
    let from = help.find("  mkdir -m 700 -p").unwrap();
    let to = help.find("  latchgate verify &&").unwrap();
    let script = help[from..to].replace("BACKUP", backup.to_str().unwrap());
    let mut shell = Command::new("sh");
    Ran::of(shell.args(["-ec", &script]).env("LATCHGATE_HOME", other.home())).exited(0);
}

fn everything_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(everything_below(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn a_backup_of_a_busy_gate_verifies_and_another_home_goes_on_with_it() {
    let mut gate = gate();
    let receipt = read(&gate)["receipt_id"].as_str().unwrap().to_owned();
    let held = gate.cli(&["call", "fs_write", r#"{"path":"b","content":"kept"}"#]).exited(4).stdout;
    let is_over = AtomicBool::new(false);
    let copies: Vec<PathBuf> = std::thread::scope(|scope| {
        scope.spawn(|| {
            let agent = gate.raw_agent();
            while !is_over.load(Ordering::Relaxed) {
                agent.execute("fs_read", &json!({ "path": "a" }), |call| call);
            }
        });
        let copies = (0..3).map(|_| backup(&gate, &[])).collect();
        is_over.store(true, Ordering::Relaxed);
        copies
    });
    for copy in &copies {
        let report = verify(&gate, copy).exited(0).json();
        let entries = entries_in(&copy.join("ledger"));
        assert_eq!(report["entries"], entries.len());
        assert_eq!(entries, gate.entries()[..entries.len()], "a copy is a beginning of the log");
        for path in everything_below(copy) {
            let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o077;
            assert_eq!(mode, 0, "{}", path.display());
        }
    }
    gate.terminate();

    let mut other = Gate::builder().root_file("a", "x").prepare();
    restore(&copies[2], &other);
    other.restart();
    // The kept plan can be read, so keys and payloads belong together; the receipt is found.
    other.cli(&["approvals", "approve", held.trim(), "--yes"]).exited(0);
    assert_eq!(fs::read_to_string(other.root().join("b")).unwrap(), "kept");
    assert_eq!(
        other.cli(&["audit", "--id", &receipt, "--kind", "call.outcome", "--json"]).json_lines().len(),
        1
    );
    read(&other);
    other.assert_sound();
}

#[test]
fn a_backup_of_a_gate_that_was_killed_holds_all_that_was_answered() {
    let mut gate = gate();
    let receipts: Vec<_> = (0..5).map(|_| read(&gate)["receipt_id"].clone()).collect();
    gate.kill9();
    let copy = backup(&gate, &[]);
    verify(&gate, &copy).exited(0);
    let entries = entries_in(&copy.join("ledger"));
    for receipt in receipts {
        assert!(entries.iter().any(|entry| entry["receipt_id"] == receipt), "{receipt}");
    }
    let mut other = Gate::builder().root_file("a", "x").prepare();
    restore(&copy, &other);
    other.restart();
    other.assert_sound();
}

#[test]
fn without_an_operators_word_the_copy_ends_where_the_checkpoint_does() {
    let gate = gate();
    read(&gate);
    let key = gate.keys().join("operator-local.pem");
    fs::rename(&key, gate.base().join("away")).unwrap();
    let copy = backup(&gate, &[]);
    let report = verify(&gate, &copy).exited(0).json();
    assert_eq!(report["entries"], report["checkpoint_size"]);
    assert!(report["entries"].as_u64().unwrap() > 0);
}

#[test]
fn an_archive_is_one_private_file_with_the_same_in_it() {
    let gate = gate();
    read(&gate);
    let file = gate.base().join("gate.tar");
    gate.cli(&["backup", "--to", file.to_str().unwrap()]).exited(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let out = private_dir(&gate.base().join("unpacked"));
    Ran::of(Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(&out)).exited(0);
    let copy = fs::read_dir(&out).unwrap().next().unwrap().unwrap().path();
    verify(&gate, &copy).exited(0);
    assert_eq!(
        fs::read(copy.join("keys/entry.key")).unwrap(),
        fs::read(gate.keys().join("entry.key")).unwrap()
    );
    let again = gate.cli(&["backup", "--to", file.to_str().unwrap()]).exited(2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

#[test]
fn keys_go_nowhere_that_others_can_read() {
    let gate = gate();
    let to = private_dir(&gate.base().join("to"));
    let args = ["backup", "--to", to.to_str().unwrap()];
    for mode in [0o755, 0o710, 0o777] {
        chmod(&to, mode);
        let refused = gate.cli(&args).exited(1);
        assert!(refused.stderr.contains(&format!("mode {mode:04o}")), "{}", refused.stderr);
        assert!(refused.stderr.contains("run: chmod"), "{}", refused.stderr);
        assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
    }
    chmod(&to, 0o755);
    gate.cli(&[&args[..], &["--without-keys"]].concat()).exited(0);
    chmod(&to, 0o700);
    gate.cli(&args).exited(0);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
}

#[test]
fn a_backup_without_keys_holds_no_byte_of_them_and_verifies() {
    let gate = gate();
    read(&gate);
    let copy = backup(&gate, &["--without-keys"]);
    verify(&gate, &copy).exited(0);
    let names = ["entry.key", "lease.key", "payload.key", "request.key", "operator-local.pem"];
    let secrets = names.map(|name| fs::read(gate.keys().join(name)).unwrap());
    let holds = |dir: &Path, secret: &[u8]| {
        let files = everything_below(dir).into_iter().filter(|path| path.is_file());
        files
            .map(|path| fs::read(path).unwrap())
            .any(|bytes| bytes.windows(secret.len()).any(|w| w == secret))
    };
    let with_keys = backup(&gate, &[]);
    for (name, secret) in names.iter().zip(&secrets) {
        assert!(!holds(&copy, secret), "{name}");
        assert!(holds(&with_keys, secret), "{name}: the search finds what is there");
    }
}

#[test]
fn links_are_not_followed_and_nothing_is_left_of_a_backup_that_failed() {
    let mut gate = gate();
    let outside = gate.base().join("outside");
    fs::write(&outside, "not the gate's").unwrap();
    gate.terminate();
    symlink(&outside, gate.home().join("policies/link.txt")).unwrap();
    let to = private_dir(&gate.base().join("to"));
    let ran = gate.cli(&["backup", "--to", to.to_str().unwrap()]).exited(0);
    assert!(ran.stderr.contains("link.txt"), "{}", ran.stderr);
    let copy = fs::read_dir(&to).unwrap().next().unwrap().unwrap().path();
    assert!(copy.join("config/policies/link.txt").symlink_metadata().is_err());
    // More than a name in an archive can have, met when half of it is written.
    fs::write(gate.home().join("policies").join("x".repeat(120)), "").unwrap();
    let file = to.join("x.tar");
    let ran = gate.cli(&["backup", "--to", file.to_str().unwrap()]).exited(1);
    assert!(ran.stderr.contains("too long"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "something of it is left");
    let nothing = Gate::builder().prepare().cli(&["backup"]).exited(2);
    assert!(nothing.stderr.contains("latchgate up"), "{}", nothing.stderr);
}
