//! The list of actions: told once under a tag, and again when a reload changes it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchgate_tests::{Gate, RawAgent, Reply, eventually, manifest};

fn list(agent: &RawAgent, tag: &str) -> Reply {
    agent.get("/v1/actions").header("If-None-Match", tag).send()
}

fn tag(reply: &Reply) -> String {
    reply.header("etag").expect("an ETag").to_owned()
}

/// One more action, put in force.
fn add_action(gate: &Gate, id: &str) {
    let path = gate.home().join(format!("manifests/{id}.yaml"));
    fs::write(&path, manifest::variant("fs_read", id, &[])).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    gate.cli(&["reload"]).exited(0);
}

/// Until the gate says that somebody waits.
fn await_waiting(gate: &Gate) {
    let line = "latchgate_requests_waiting 1\n";
    eventually("a request that waits", || {
        let text = gate.raw_operator().get("/metrics").send().body;
        String::from_utf8(text).unwrap().contains(line).then_some(())
    });
}

#[test]
fn who_has_the_list_is_not_sent_it_again() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let first = agent.get("/v1/actions").send();
    assert_eq!(first.status, 200);
    for held in [tag(&first), format!("W/{}", tag(&first)), format!("\"other\", {}", tag(&first))] {
        let again = list(&agent, &held);
        assert_eq!((again.status, again.body.len()), (304, 0), "{held}");
        assert_eq!(tag(&again), tag(&first));
    }
    assert_eq!(list(&agent, "\"other\"").status, 200);
    // The connection goes on after an answer without a body.
    let mut connection = latchgate_tests::Connection::open(&gate.agent_socket());
    let attempt = || agent.get("/v1/actions").header("If-None-Match", &tag(&first)).bytes();
    for _ in 0..2 {
        connection.send(&attempt());
        assert_eq!(connection.reply().status, 304);
    }
}

#[test]
fn who_waits_is_told_when_a_reload_changes_the_list() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let first = agent.get("/v1/actions").send();
    let mut waiting = agent.get("/v1/actions").header("If-None-Match", &tag(&first)).wait(60).begin();
    await_waiting(&gate);
    // A reload that changes nothing for this caller tells nothing.
    gate.cli(&["reload"]).exited(0);
    add_action(&gate, "mine");
    let told = waiting.reply();
    assert_ne!(tag(&told), tag(&first));
    let actions = told.expect(200)["actions"].clone();
    assert!(actions.as_array().unwrap().iter().any(|action| action["action_id"] == "mine"), "{actions:#}");
}

#[test]
fn a_wait_ends_with_the_gate_and_says_that_nothing_changed() {
    let mut gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let first = agent.get("/v1/actions").send();
    let mut waiting = agent.get("/v1/actions").header("If-None-Match", &tag(&first)).wait(60).begin();
    await_waiting(&gate);
    assert!(gate.terminate().success());
    assert_eq!(waiting.reply().status, 304);
    assert!(!gate.log().contains("connections were still open"), "{}", gate.log());
}
