//! A jail's life: who may have one, what the gate makes of it, how it ends, and what it leaves.

use std::fs;
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, OTHER_UID, Ran, binary, binary_for_others, eventually, mcp_binary};

use super::place::{Place, has_jails, sandbox};

#[test]
fn the_exit_status_is_the_commands() {
    if !has_jails("the exit status") {
        return;
    }
    let place = Place::create();
    let code = |command: &[&str]| Ran::of(place.sandbox(&["--no-gate", "--"]).args(command)).code;
    assert_eq!(
        [code(&["sh", "-c", "exit 7"]), code(&["sh", "-c", "kill -9 $$"]), code(&["no-such"])],
        [7, 137, 127]
    );
}

#[test]
fn an_ordinary_user_has_a_jail_too() {
    if !has_jails("another user's jail") {
        return;
    }
    let Some((dir, copy)) = binary_for_others() else { return };
    let place = Place::create();
    for path in [place.path().to_owned(), place.path().join("home"), place.work()] {
        std::os::unix::fs::chown(&path, Some(OTHER_UID), Some(OTHER_UID)).unwrap();
    }
    let uid = OTHER_UID.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]).arg(copy);
    let arguments = ["--no-gate", "--", "sh", "-c", "id -u; touch made"];
    let ran = Ran::of(&mut sandbox(command, &place.path().join("home"), &place.work(), &arguments)).exited(0);
    assert_eq!(ran.stdout.trim(), uid);
    assert!(place.work().join("made").is_file());
    drop(dir);
}

#[test]
fn without_namespaces_nothing_is_started_and_the_remedy_is_named() {
    if !has_jails("a kernel without namespaces") {
        return;
    }
    let place = Place::create();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]).arg(binary());
    let arguments = ["--no-gate", "--", "touch", "started"];
    let ran = Ran::of(&mut sandbox(command, &place.path().join("home"), &place.work(), &arguments)).exited(1);
    assert!(
        ran.stderr.contains("no namespaces") && ran.stderr.contains("user.max_user_namespaces"),
        "{ran:?}"
    );
    assert!(!place.work().join("started").exists());
}

#[tokio::test]
async fn calls_from_inside_are_the_jails_and_the_session_is_on_record() {
    if !has_jails("a jail's calls") {
        return;
    }
    let gate = Gate::builder().start();
    fs::write(gate.root().join("note.txt"), "read me").unwrap();
    let place = Place::create();
    let latchgate = binary().display().to_string();
    let mut command =
        place.sandbox(&["--name", "box", "--level", "standard", "--read-only", &latchgate, "--"]);
    command
        .args([&latchgate, "call", "fs_read", "{\"path\":\"note.txt\"}"])
        .env("LATCHGATE_HOME", gate.home());
    let ran = Ran::of(&mut command).exited(0);
    assert!(ran.stdout.contains("read me"), "{ran:?}");

    let outcome = gate.await_entry("the outcome", |entry| entry["kind"] == "call.outcome");
    assert_eq!((&outcome["principal"], &outcome["boundary"]), (&"jail:box".into(), &"jail".into()));
    let ended = gate.await_entry("the end", |entry| entry["kind"] == "jail.ended");
    assert_eq!((&ended["jail"], &ended["level"]), (&"box".into(), &"standard".into()));
    let started = gate.entries_of("jail.started");
    assert_eq!((started.len(), &started[0]["level"]), (1, &"standard".into()));
    assert!(!gate.home().join("run/jails/box").exists());
    assert_eq!(gate.verify().code, 0);
}

#[test]
fn an_mcp_client_inside_lists_tools_through_the_adapter() {
    if !has_jails("the adapter in a jail") {
        return;
    }
    let gate = Gate::builder().start();
    let place = Place::create();
    let adapter = mcp_binary().display().to_string();
    let lines = [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
    ];
    fs::write(place.work().join("lines"), lines.join("\n") + "\n").unwrap();
    let script = "(cat lines; sleep 5) | \"$0\" serve";
    let mut command = place.sandbox(&["--read-only", &adapter, "--", "sh", "-c", script, &adapter]);
    let ran = Ran::of(command.env("LATCHGATE_HOME", gate.home())).exited(0);
    assert!(ran.stdout.contains("\"fs_read\""), "{ran:?}");
}

#[test]
fn from_inside_no_operators_key_socket_or_route_is_to_be_had() {
    if !has_jails("self-approval from a jail") {
        return;
    }
    let gate = Gate::builder().start();
    let place = Place::create();
    let latchgate = binary().display().to_string();
    let home = gate.home().display().to_string();
    // The twin: outside, as the same user, each of these succeeds.
    for ours in [
        format!("cat {home}/state/keys/operator-local.pem"),
        format!("{latchgate} operator list"),
        format!("test -S {home}/run/admin/gate-admin.sock"),
    ] {
        let mut outside = Command::new("sh");
        outside.args(["-c", &ours]).env("LATCHGATE_HOME", gate.home()).env("HOME", place.path());
        Ran::of(&mut outside).exited(0);
        let mut jail =
            place.sandbox(&["--read-only", &latchgate, "--env", &format!("LATCHGATE_HOME={home}")]);
        jail.args(["--", "sh", "-c", &ours]).env("LATCHGATE_HOME", gate.home());
        assert_ne!(Ran::of(&mut jail).code, 0, "{ours}");
    }
    let mut route = place.sandbox(&["--", "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}"]);
    route.args(["--unix-socket", "/run/latchgate/gate.sock", "http://localhost/v1/audit"]);
    let ran = Ran::of(route.env("LATCHGATE_HOME", gate.home()));
    assert_eq!(ran.stdout, "404", "the jail's listener has the agent API alone");
}

#[test]
fn a_killed_jail_leaves_nothing_behind() {
    if !has_jails("a killed jail") {
        return;
    }
    let gate = Gate::builder().start();
    let place = Place::create();
    let mut command =
        place.sandbox(&["--name", "gone", "--", "sh", "-c", "sleep 4242 & touch up; sleep 4243"]);
    let mut child = command.env("LATCHGATE_HOME", gate.home()).stdin(Stdio::null()).spawn().unwrap();
    eventually("the command runs", || place.work().join("up").exists().then_some(()));
    let before = mounts();
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("every process inside ends", || (!is_running("4242") && !is_running("4243")).then_some(()));
    gate.await_entry("the end", |entry| entry["kind"] == "jail.ended" && entry["reason"] == "ended");
    eventually("the socket is gone", || (!gate.home().join("run/jails/gone").exists()).then_some(()));
    assert_eq!(mounts(), before, "no mount of a jail is the machine's");
}

fn mounts() -> usize {
    fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .filter(|line| line.contains("latchgate"))
        .count()
}

fn is_running(argument: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| line == format!("sleep\0{argument}\0").as_bytes())
}
