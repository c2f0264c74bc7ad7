//! Clients that we did not write, against the built binaries. Here: the public client 0.2.0, as it is on PyPI: every result
//! it reads and every exception it knows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod clients;
mod mcp;
mod verifier;

use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use latchgate_tests::{
    Gate, GateBuilder, Ran, Response, Upstream, binary, closed_port, eventually, exchange, policy, workspace,
};
use rustix::process::Signal;
use serde_json::json;

const LOOPBACK: &str = "[egress]\ndangerous_loopback = true\n";

/// The interpreter of the environment that holds the client.
fn python() -> PathBuf {
    let venv = std::env::var_os("LATCHGATE_VENV");
    let venv = venv.map_or_else(|| workspace().join("target/venv"), PathBuf::from);
    let python = venv.join("bin/python");
    let has_client = Command::new(&python).args(["-c", "import latchgate"]).output();
    assert!(
        has_client.is_ok_and(|output| output.status.success()),
        "{} does not have the public client; run: cargo xtask test",
        python.display()
    );
    python
}

/// The script for one scenario, in the environment of a user of this gate.
fn script(gate: &Gate, scenario: &str) -> Command {
    // Where the client looks by default: $XDG_RUNTIME_DIR/latchgate/gate.sock.
    let runtime_dir = gate.base().join("runtime");
    if !runtime_dir.exists() {
        std::fs::DirBuilder::new().mode(0o700).create(&runtime_dir).unwrap();
        symlink(gate.home().join("run"), runtime_dir.join("latchgate")).unwrap();
    }
    let mut command = Command::new(python());
    command.arg("-B").arg(workspace().join("tests/compat/python_client.py")).arg(scenario);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("XDG_RUNTIME_DIR", runtime_dir).env("LATCHGATE_HOME", gate.home()).env("HOME", gate.base());
    command.env("LATCHGATE_BIN", binary());
    command
}

fn run(gate: &Gate, scenario: &str) {
    Ran::of(&mut script(gate, scenario)).exited(0);
}

fn builder() -> GateBuilder {
    Gate::builder().root_file("hello.txt", "hello, gate\n").root_file(".env", "TOKEN=1\n")
}

fn gate() -> Gate {
    builder().start()
}

#[test]
fn calls_and_receipts_are_read() {
    let upstream = Upstream::answering(|_| Response::ok("a page"));
    let gate = builder().config(LOOPBACK).policy(policy::ALLOW).start();
    Ran::of(script(&gate, "calls").env("UPSTREAM", upstream.url(""))).exited(0);
    assert_eq!(upstream.seen()[0].path, "/page?q=1");
    assert_eq!(upstream.count(), 1);
    gate.assert_sound();
}

#[test]
fn the_same_works_over_loopback_tcp() {
    let upstream = Upstream::answering(|_| Response::ok("a page"));
    let at = format!("127.0.0.1:{}", closed_port());
    let config = format!("[gate]\npublic_base_url = \"http://{at}\"\n[http]\nexpose = \"{at}\"\n{LOOPBACK}");
    let gate = builder().config(&config).policy(policy::ALLOW).start();
    let mut script = script(&gate, "calls");
    script.env("UPSTREAM", upstream.url("")).env("LATCHGATE_URL", format!("http://{at}"));
    Ran::of(script.env_remove("XDG_RUNTIME_DIR")).exited(0);
    // The kernel's socket tables say who the peer is, as peer credentials do on the socket.
    let principal = format!("uid:{}", rustix::process::getuid().as_raw());
    let outcomes = gate.entries_of("call.outcome");
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|outcome| outcome["principal"] == principal), "{outcomes:#?}");
    gate.assert_sound();
}

#[test]
fn egress_profiles_are_read() {
    run(&gate(), "egress");
}

#[test]
fn a_held_call_is_polled_until_it_is_approved() {
    let gate = gate();
    run(&gate, "held");
    assert_eq!(std::fs::read_to_string(gate.root().join("note.txt")).unwrap(), "from an old client\n");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    gate.assert_sound();
}

#[test]
fn a_held_call_that_is_denied_tells_the_reason() {
    let gate = gate();
    run(&gate, "held_and_denied");
    assert!(!gate.root().join("a").exists());
}

#[test]
fn a_refreshed_lease_keeps_what_its_owner_holds() {
    run(&gate(), "another_lease_is_the_same_owner");
}

#[test]
fn denials_are_raised_as_denied() {
    let gate = gate();
    run(&gate, "denied");
    assert_eq!(gate.entries_of("call.denied").len(), 3);
}

#[test]
fn a_spent_budget_is_raised_as_budget_exhausted() {
    let gate = gate();
    run(&gate, "budget_exhausted");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
}

#[test]
fn an_expired_lease_is_raised_as_lease_expired() {
    run(&builder().config("[auth]\nlease_ttl_s = 1\n").start(), "lease_expired");
}

#[test]
fn a_used_proof_is_raised_as_replay_detected() {
    let gate = gate();
    run(&gate, "replay_detected");
    assert_eq!(gate.entries_of("call.intent").len(), 2);
}

#[test]
fn a_proof_for_another_gate_is_raised_as_auth_error() {
    run(&gate(), "auth_error");
}

#[test]
fn an_unreachable_service_is_raised_as_unavailable() {
    let gate = builder().config(LOOPBACK).policy(policy::ALLOW).start();
    let closed = format!("http://127.0.0.1:{}/", closed_port());
    Ran::of(script(&gate, "unavailable").env("CLOSED", closed)).exited(0);
}

#[test]
fn a_gate_that_is_ending_is_raised_as_unavailable() {
    let upstream = Upstream::answering(|_| Response::hang());
    let mut gate = builder().config(LOOPBACK).policy(policy::ALLOW).start();
    let mut running = gate.raw_agent().call("http_fetch", &json!({ "url": upstream.url("/") })).begin();
    upstream.await_requests(1);
    gate.signal(Signal::TERM);
    eventually("the drain", || {
        let ready = exchange(&gate.agent_socket(), b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (ready.status == 503).then_some(())
    });
    run(&gate, "draining");
    upstream.release();
    assert_eq!(running.reply().status, 200);
    assert!(gate.wait().success());
}

#[test]
fn no_gate_is_raised_as_transport_error() {
    let gate = builder().prepare();
    run(&gate, "transport_error");
}

#[test]
fn a_client_without_a_name_is_not_connected() {
    run(&gate(), "not_connected");
}

#[test]
fn many_calls_at_once_share_a_connection_pool() {
    let gate = gate();
    run(&gate, "many_at_once");
    assert_eq!(gate.entries_of("lease.issued").len(), 1);
}
