//! Files and sockets belong to one user: what others could read or replace is refused, with the command that mends it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use latchgate_tests::{Gate, OTHER_UID, Ran, binary, binary_for_others};
use serde_json::json;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_key_that_others_could_read_is_refused_with_its_chmod() {
    let mut gate = Gate::builder().start();
    gate.terminate();
    for name in ["entry.key", "lease.key", "payload.key", "request.key"] {
        let key = gate.keys().join(name);
        chmod(&key, 0o644);
        let refused = gate.start().unwrap_err();
        let remedy = format!("chmod 0600 {}", key.display());
        assert!(refused.stderr.contains(&remedy), "`{remedy}` in {}", refused.stderr);
        let mended = Command::new("chmod").arg("0600").arg(&key).status().unwrap();
        assert!(mended.success());
    }
    gate.restart();
    gate.assert_sound();
}

#[test]
fn what_others_could_replace_is_refused_with_its_chmod() {
    let mut gate = Gate::builder().start();
    gate.terminate();
    let home = gate.home().to_owned();
    for (path, wide, sound) in [
        ("policies/standard.cedar", 0o666, 0o600),
        ("policies", 0o777, 0o700),
        ("operators/local.toml", 0o666, 0o600),
        ("run", 0o755, 0o700),
        ("run/admin", 0o755, 0o700),
        ("state/keys", 0o755, 0o700),
        ("", 0o755, 0o700),
    ] {
        let path = home.join(path);
        chmod(&path, wide);
        let refused = gate.start().expect_err(&format!("{} with {wide:o}", path.display()));
        assert!(refused.stderr.contains("chmod 0"), "{}", refused.stderr);
        assert!(refused.stderr.contains(path.to_str().unwrap().trim_end_matches('/')), "{}", refused.stderr);
        chmod(&path, sound);
    }
    gate.restart();
}

#[test]
fn a_socket_path_that_the_system_cannot_take_is_refused_with_the_remedy() {
    let dir = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
    let home = dir.path().join("x".repeat(107));
    let ran = Ran::of(Command::new(binary()).arg("up").env_clear().env("LATCHGATE_HOME", &home));
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("107") && ran.stderr.contains("shorter"), "{}", ran.stderr);
}

#[test]
fn another_user_reaches_neither_socket() {
    let gate = Gate::builder().start();
    for path in [gate.home(), &gate.home().join("run"), &gate.home().join("run/admin")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    let Some((_dir, copy)) = binary_for_others() else { return };
    // Even where the directories let everyone through, the sockets do not.
    for path in [gate.base(), gate.home(), &gate.home().join("run"), &gate.home().join("run/admin")] {
        chmod(path, 0o755);
    }
    for args in [&["call", "fs_list", "{}"][..], &["approvals", "list"]] {
        let mut command = gate.command(args);
        let mut stranger = Command::new(&copy);
        stranger.args(args).env_clear().envs(command.get_envs().filter_map(|(n, v)| Some((n, v?))));
        std::os::unix::process::CommandExt::uid(&mut stranger, OTHER_UID);
        std::os::unix::process::CommandExt::gid(&mut stranger, OTHER_UID);
        let ran = Ran::of(&mut stranger);
        assert_ne!(ran.code, 0, "{args:?}: {ran:#?}");
        assert!(!ran.stdout.contains("entries"), "{ran:#?}");
        Ran::of(&mut command).exited(0);
    }
    let probe = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])";
    for socket in [gate.agent_socket(), gate.admin_socket()] {
        let mut connect = Command::new("python3");
        connect.args(["-c", probe]).arg(&socket);
        Ran::of(&mut connect).exited(0);
        std::os::unix::process::CommandExt::uid(&mut connect, OTHER_UID);
        std::os::unix::process::CommandExt::gid(&mut connect, OTHER_UID);
        let ran = Ran::of(&mut connect);
        assert!(ran.code != 0 && ran.stderr.contains("PermissionError"), "{ran:#?}");
    }
}

#[test]
fn a_gate_runs_as_any_user_and_calls_belong_to_the_uid_that_made_them() {
    let Some((_dir, copy)) = binary_for_others() else { return };
    let gate = Gate::builder().uid(OTHER_UID).binary(&copy).root_file("a", "x").start();
    gate.cli(&["call", "fs_read", r#"{"path":"a"}"#]).exited(0);
    let outcome = &gate.entries_of("call.outcome")[0];
    assert_eq!(outcome["principal"], format!("uid:{OTHER_UID}"));

    // Root may connect to any socket, and is another principal there.
    let root = gate.raw_agent();
    assert_eq!(root.principal, "uid:0");
    let path = format!("/v1/receipts/{}", outcome["receipt_id"].as_str().unwrap());
    assert_eq!(root.get(&path).send().outcome(), (404, "not_found".into()));
    let (status, answer) = root.execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!(status, 200, "{answer:#}");
    let own = format!("/v1/receipts/{}", answer["receipt_id"].as_str().unwrap());
    assert_eq!(root.get(&own).send().status, 200);
    gate.assert_sound();
}

#[test]
fn a_key_of_another_user_is_refused_with_its_chown() {
    let Some((_dir, copy)) = binary_for_others() else { return };
    let mut gate = Gate::builder().uid(OTHER_UID).binary(&copy).start();
    gate.terminate();
    let key = gate.keys().join("lease.key");
    chown(&key, Some(0), Some(0)).unwrap();
    let refused = gate.start().unwrap_err();
    let remedy = format!("chown {OTHER_UID} {}", key.display());
    assert!(refused.stderr.contains(&remedy), "`{remedy}` in {}", refused.stderr);
    chown(&key, Some(OTHER_UID), Some(OTHER_UID)).unwrap();
    gate.restart();
}
