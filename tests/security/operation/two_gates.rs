//! One gate a home, and no socket that is somebody else's: what lives is left alone, and only what is dead is replaced.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use latchgate_tests::{Gate, OTHER_UID};
use serde_json::json;

#[test]
fn a_second_gate_is_refused_and_told_which_process_is_the_first() {
    let gate = Gate::builder().root_file("a", "x").start();
    let before = gate.entries().len();
    let second = gate.cli(&["up"]).exited(1);
    assert!(second.stderr.contains(&format!("process {}", gate.pid())), "{}", second.stderr);
    assert!(second.stderr.contains("latchgate down"), "{}", second.stderr);
    // Nor with the first one's sockets out of the way: the ledger has a lock of its own.
    for socket in [gate.agent_socket(), gate.admin_socket()] {
        fs::remove_file(socket.with_extension("lock")).unwrap();
        fs::rename(&socket, socket.with_extension("aside")).unwrap();
    }
    let third = gate.cli(&["up"]).exited(1);
    assert!(third.stderr.contains(&format!("process {}", gate.pid())), "{}", third.stderr);
    for socket in [gate.agent_socket(), gate.admin_socket()] {
        fs::rename(socket.with_extension("aside"), &socket).unwrap();
    }
    assert_eq!(gate.entries().len(), before, "nothing was written by the others");
    let (status, answer) = gate.raw_agent().execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!(status, 200, "{answer}");
    gate.assert_sound();
}

#[test]
fn a_socket_on_which_somebody_listens_is_not_taken_over() {
    let mut gate = Gate::builder().start();
    assert!(gate.terminate().success());
    for socket in [gate.agent_socket(), gate.admin_socket()] {
        let other = UnixListener::bind(&socket).unwrap();
        let refused = gate.cli(&["up"]).exited(1);
        assert!(refused.stderr.contains("another program listens on"), "{}", refused.stderr);
        assert!(socket.exists(), "it is still there");
        // The twin: nobody listens any more.
        drop(other);
        gate.start().unwrap();
        assert!(gate.terminate().success());
    }
    gate.assert_sound();
}

#[test]
fn a_socket_left_by_a_gate_that_died_is_replaced() {
    let mut gate = Gate::builder().start();
    gate.kill9();
    assert!(gate.agent_socket().exists() && gate.admin_socket().exists());
    gate.restart();
    assert_eq!(gate.raw_agent().principal, format!("uid:{}", rustix::process::geteuid().as_raw()));
}

#[test]
fn a_runtime_directory_that_somebody_else_made_is_refused_with_its_chown() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("LEFT OUT: another uid can only be had by root");
    }
    let mut gate = Gate::builder().start();
    assert!(gate.terminate().success());
    for dir in ["run", "run/admin", "state", "state/keys"] {
        let dir = gate.home().join(dir);
        chown(&dir, Some(OTHER_UID), Some(OTHER_UID)).unwrap();
        let refused = gate.start().unwrap_err();
        let remedy = format!("chown 0 {}", dir.display());
        assert!(refused.stderr.contains(&remedy), "`{remedy}` in {}", refused.stderr);
        // The twin.
        chown(&dir, Some(0), Some(0)).unwrap();
        gate.start().unwrap();
        assert!(gate.terminate().success());
    }
}

/// A link lets whoever made it choose where the sockets lie.
#[test]
fn a_runtime_directory_that_is_a_link_is_refused() {
    let mut gate = Gate::builder().start();
    assert!(gate.terminate().success());
    let elsewhere = gate.base().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::set_permissions(&elsewhere, fs::Permissions::from_mode(0o700)).unwrap();
    for dir in ["run/admin", "run"] {
        let dir = gate.home().join(dir);
        replaced(
            &dir,
            |dir| symlink(&elsewhere, dir).unwrap(),
            || {
                let refused = gate.start().unwrap_err();
                assert!(refused.stderr.contains("is not a directory"), "{}", refused.stderr);
                assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "nothing was put there");
            },
        );
    }
    gate.restart();
}

fn replaced(path: &Path, by: impl FnOnce(&Path), then: impl FnOnce()) {
    let aside = path.with_extension("aside");
    fs::rename(path, &aside).unwrap();
    by(path);
    then();
    fs::remove_file(path).unwrap();
    fs::rename(aside, path).unwrap();
}
