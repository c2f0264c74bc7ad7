//! What is broken is found, named with the command that mends it, and gone once that command has run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Ran};
use serde_json::Value;

fn findings(gate: &Gate) -> (i32, Vec<Value>) {
    let ran = gate.cli(&["doctor", "--json"]);
    let told = ran.json();
    assert_eq!(told["sound"], ran.code == 0, "{told:#}");
    (ran.code, told["findings"].as_array().unwrap().clone())
}

/// The one finding that is not well and speaks of this.
#[track_caller]
fn find(found: &[Value], part: &str) -> Value {
    let speaks =
        |f: &&Value| f["level"] != "ok" && f["what"].as_str().is_some_and(|what| what.contains(part));
    found.iter().find(speaks).unwrap_or_else(|| panic!("{part} in {found:#?}")).clone()
}

fn is_told(found: &[Value], part: &str) -> bool {
    found.iter().any(|f| f["level"] != "ok" && f["what"].as_str().is_some_and(|what| what.contains(part)))
}

/// Types a finding's command, as the user would.
fn mend(gate: &Gate, finding: &Value) {
    let command = finding["remedy"].as_str().unwrap_or_else(|| panic!("no remedy: {finding:#}"));
    let own = gate.command(&[]);
    let bin = gate.base().join("bin");
    fs::create_dir_all(&bin).unwrap();
    let _there_already = std::os::unix::fs::symlink(own.get_program(), bin.join("latchgate"));
    // An editor that removes the line it is sent to.
    let editor = bin.join("strike");
    fs::write(&editor, "#!/bin/sh\nexec sed -i \"${1#+}d\" \"$2\"\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).stdin(Stdio::null()).env_clear().current_dir(gate.base());
    shell.envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", bin.display())).env("EDITOR", &editor);
    Ran::of(&mut shell).exited(0);
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_sound_gate_has_no_problem_and_its_boundary_is_said() {
    let gate = Gate::builder().start();
    let (code, found) = findings(&gate);
    assert_eq!(code, 0, "{found:#?}");
    for check in
        ["socket", "admin", "clock", "files", "settings", "keys", "operator", "ledger", "disk", "openat2"]
    {
        let of_check: Vec<_> = found.iter().filter(|finding| finding["check"] == check).collect();
        assert!(matches!(of_check[..], [one] if one["level"] != "problem"), "{check}: {found:#?}");
    }
    let boundary = find(&found, "same-user");
    assert!(boundary["remedy"].as_str().unwrap().contains("service install"), "{boundary:#}");
    let shown = gate.cli(&["doctor"]).exited(0);
    assert!(
        shown.stdout.contains("ok        socket") && !shown.stdout.contains('\u{1b}'),
        "{}",
        shown.stdout
    );
    assert!(shown.stderr.starts_with("no problem"), "{}", shown.stderr);
}

#[test]
fn before_the_first_start_there_is_nothing_but_advice() {
    let gate = Gate::builder().prepare();
    let before = fs::read_dir(gate.home()).unwrap().count();
    let (code, found) = findings(&gate);
    assert_eq!(code, 0, "{found:#?}");
    assert_eq!(find(&found, "there is no home")["remedy"], "latchgate up --detach");
    assert_eq!(fs::read_dir(gate.home()).unwrap().count(), before, "it made something");
}

#[test]
fn wide_modes_are_found_and_mended_with_the_gate_down_or_up() {
    let mut gate = Gate::builder().start();
    for is_up in [true, false] {
        if !is_up {
            gate.terminate();
        }
        for (path, wide) in [
            ("state/keys/entry.key", 0o644),
            ("state/keys/operator-local.pem", 0o640),
            ("operators/local.toml", 0o644),
            ("policies/standard.cedar", 0o666),
            ("policies", 0o755),
            ("state/keys", 0o711),
            ("run/admin", 0o755),
            ("", 0o755),
        ] {
            let path = gate.home().join(path);
            let path = Path::new(path.to_str().unwrap().trim_end_matches('/'));
            chmod(path, wide);
            let (code, found) = findings(&gate);
            assert_eq!(code, 1, "{}: {found:#?}", path.display());
            let finding = find(&found, &format!("{} has mode {wide:04o}", path.display()));
            assert_eq!(finding["level"], "problem");
            mend(&gate, &finding);
            let (code, found) = findings(&gate);
            assert_eq!(code, 0, "{}: {found:#?}", path.display());
        }
    }
    gate.restart();
}

#[test]
fn a_stale_socket_is_found_and_mended() {
    let mut gate = Gate::builder().start();
    gate.kill9();
    let (code, found) = findings(&gate);
    assert_eq!(code, 0, "{found:#?}");
    let finding = find(&found, "stale");
    assert!(finding["what"].as_str().unwrap().contains(gate.agent_socket().to_str().unwrap()), "{finding:#}");
    mend(&gate, &finding);
    let (_, found) = findings(&gate);
    assert!(!is_told(&found, "stale") && is_told(&found, "no gate runs here"), "{found:#?}");
    fs::write(gate.agent_socket(), "not a socket").unwrap();
    let (code, found) = findings(&gate);
    assert_eq!(code, 1);
    mend(&gate, &find(&found, "is no socket"));
    assert_eq!(findings(&gate).0, 0);
}

#[test]
fn every_wrong_setting_is_found_with_its_line_and_mended() {
    let gate = Gate::builder().start();
    let config = gate.home().join("latchgate.toml");
    fs::write(&config, "[auth]\nlease_ttl_s = 0\n[approvals]\nttl_s = 0\n").unwrap();
    let policy = gate.home().join("policies/more.cedar");
    fs::write(&policy, "permit (principal, action);\n").unwrap();
    chmod(&policy, 0o600);
    let (code, found) = findings(&gate);
    assert_eq!(code, 1);
    // From the end: a line that is struck moves those behind it.
    for part in ["latchgate.toml:4: ", "latchgate.toml:2: ", "more.cedar:1"] {
        mend(&gate, &find(&found, part));
    }
    let (code, found) = findings(&gate);
    assert_eq!(code, 0, "{found:#?}");
    fs::write(&config, "[egress]\nallow_all = true\n").unwrap();
    let (code, found) = findings(&gate);
    assert_eq!(code, 1);
    mend(&gate, &find(&found, "allow_all"));
    assert_eq!(findings(&gate).0, 0);
}

#[test]
fn a_lost_or_foreign_operator_key_is_found_and_another_operator_made() {
    let mut gate = Gate::builder().start();
    gate.terminate();
    let key = gate.keys().join("operator-local.pem");
    let other = Gate::builder().start();
    for replacement in [None, Some(other.keys().join("operator-local.pem"))] {
        fs::remove_file(&key).unwrap();
        if let Some(replacement) = &replacement {
            fs::copy(replacement, &key).unwrap();
            chmod(&key, 0o600);
        }
        let (code, found) = findings(&gate);
        assert_eq!(code, 1, "{found:#?}");
        let part = if replacement.is_some() { "is not the key" } else { "is missing" };
        mend(&gate, &find(&found, part));
        let (code, found) = findings(&gate);
        assert_eq!(code, 0, "{found:#?}");
        gate.cli(&["status"]).exited(0);
        gate.cli(&["down"]).exited(0);
    }
}

#[test]
fn lost_keys_and_a_cut_ledger_are_problems() {
    let mut gate = Gate::builder().root_file("a", "x").start();
    gate.cli(&["call", "fs_read", r#"{"path":"a"}"#]).exited(0);
    gate.terminate();
    let backup = gate.base().join("BACKUP/keys");
    fs::create_dir_all(&backup).unwrap();
    for name in ["entry.key", "payload.key", "origin"] {
        let path = gate.keys().join(name);
        fs::copy(&path, backup.join(name)).unwrap();
        fs::remove_file(&path).unwrap();
        let (code, found) = findings(&gate);
        assert_eq!(code, 1);
        let finding = find(&found, &format!("{} is missing", path.display()));
        assert!(finding["means"].is_string(), "{finding:#}");
        mend(&gate, &finding);
        assert_eq!(findings(&gate).0, 0, "{name}");
    }
    let segment = &latchgate_tests::segments_in(&gate.ledger())[0];
    let text = fs::read_to_string(segment).unwrap();
    let lines: Vec<&str> = text.trim_end_matches('\0').lines().collect();
    fs::write(segment, format!("{}\n", lines[..lines.len() - 2].join("\n"))).unwrap();
    let (code, found) = findings(&gate);
    assert_eq!(code, 1);
    assert_eq!(find(&found, "is missing; restore the ledger")["remedy"], "latchgate verify");
    fs::write(segment, text).unwrap();
    assert_eq!(findings(&gate).0, 0);
}

#[test]
fn a_full_disk_is_a_problem() {
    let mut gate = Gate::builder().start();
    gate.terminate();
    let state = gate.home().join("state");
    let binary = gate.command(&[]).get_program().to_str().unwrap().to_owned();
    // A small file system in the place of the state, seen by this one command.
    let script = format!(
        "cp -a {state} {copy} && mount -t tmpfs -o size=8m,mode=0700 tmpfs {state} && cp -a {copy}/keys {state}/ \
         && exec {binary} doctor --json",
        state = state.display(),
        copy = gate.base().join("copy").display(),
    );
    let mut command = Command::new("unshare");
    command.args(["-rm", "true"]).stderr(Stdio::null());
    if !command.status().is_ok_and(|status| status.success()) {
        eprintln!("LEFT OUT: without a mount namespace of its own there is no small disk to try");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", &script]).env_clear();
    command.envs(gate.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = Ran::of(&mut command);
    let told = ran.json();
    let finding = find(told["findings"].as_array().unwrap(), "MiB are free");
    assert_eq!((&finding["level"], &finding["check"]), (&"problem".into(), &"disk".into()), "{finding:#}");
    mend(&gate, &finding);
}

#[test]
fn somebody_elses_home_is_not_judged_by_root() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: another uid can only be had by root");
        return;
    }
    let gate = Gate::builder().start();
    std::os::unix::fs::chown(gate.home(), Some(65534), Some(65534)).unwrap();
    let (_, found) = findings(&gate);
    let finding = find(&found, "belongs to uid 65534");
    assert!(finding["remedy"].as_str().unwrap().starts_with("setpriv --reuid 65534 "), "{finding:#}");
    std::os::unix::fs::chown(gate.home(), Some(0), Some(0)).unwrap();
}
