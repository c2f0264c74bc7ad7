//! Calls that wait for a person: shown whole, decided once, executed once.

use std::fs;
use std::thread;

use latchgate_tests::{Gate, RawAgent, policy};
use serde_json::{Value, json};

fn note() -> Value {
    json!({ "path": "note.txt", "content": "buy milk\n" })
}

/// Holds a write; the approval's id.
fn hold(agent: &RawAgent, args: &Value) -> String {
    let (status, held) = agent.execute("fs_write", args, |call| call);
    assert_eq!((status, &held["decision"]), (202, &json!("pending_approval")), "{held:#}");
    held["approval_id"].as_str().unwrap().to_owned()
}

fn poll(agent: &RawAgent, id: &str, wait_s: u64) -> Value {
    agent.get(&format!("/v1/approvals/{id}/poll")).wait(wait_s).send().expect(200)
}

#[test]
fn a_write_is_held_and_nothing_happens_until_it_is_approved() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    assert!(!gate.root().join("note.txt").exists());
    assert_eq!(poll(&agent, &id, 0)["status"], "pending");
    assert!(gate.entries_of("call.intent").is_empty());

    let listed = gate.cli(&["approvals", "list", "--json"]).exited(0).stdout;
    assert!(listed.contains(&id), "{listed}");
    let shown = gate.cli(&["approvals", "show", &id]).exited(0).stdout;
    for part in ["note.txt", "buy milk", "fs_write"] {
        assert!(shown.contains(part), "`{part}` in {shown}");
    }

    gate.cli(&["approvals", "approve", &id, "--yes"]).exited(0);
    assert_eq!(fs::read_to_string(gate.root().join("note.txt")).unwrap(), "buy milk\n");
    let polled = poll(&agent, &id, 0);
    assert_eq!(polled["status"], "approved");
    assert_eq!(polled["result"], json!({ "path": "note.txt", "size": 9, "created": true }));
    gate.assert_sound();
}

#[test]
fn an_approved_call_that_is_repeated_answers_with_its_receipt_and_writes_nothing() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    let decided = gate.raw_operator().approve(&id);
    fs::write(gate.root().join("note.txt"), "changed since").unwrap();

    let (status, answer) = agent.execute("fs_write", &note(), |call| call);
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(answer["receipt_id"], decided["receipt_id"]);
    assert_eq!(answer["approval"]["id"], id.as_str());
    assert_eq!(fs::read_to_string(gate.root().join("note.txt")).unwrap(), "changed since");
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    gate.assert_sound();
}

#[test]
fn an_identical_call_joins_the_one_that_is_held() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    assert_eq!(hold(&agent, &note()), id);
    // Another session of the same owner is the same owner: old clients take a new key at each refresh.
    assert_eq!(hold(&gate.raw_agent(), &note()), id);
    assert_ne!(hold(&agent, &json!({ "path": "note.txt", "content": "buy bread\n" })), id);
    assert_eq!(gate.entries_of("call.held").len(), 2);
}

#[test]
fn a_second_decision_is_refused() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let (operator, id) = (gate.raw_operator(), hold(&agent, &note()));
    let body = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
    operator.approve(&id);
    for verb in ["approve", "deny"] {
        let reply = operator.post(&format!("/v1/approvals/{id}/{verb}"), &body).send();
        assert_eq!(reply.outcome(), (409, "approval_decided".into()));
    }
    assert_eq!(gate.entries_of("call.intent").len(), 1);
    assert_eq!(gate.entries_of("approval.decided").len(), 1);
}

#[test]
fn a_decision_on_another_plan_than_the_one_held_is_refused() {
    let gate = Gate::builder().start();
    let (operator, id) = (gate.raw_operator(), hold(&gate.raw_agent(), &note()));
    let other = json!({ "plan_digest": format!("sha256:{}", "0".repeat(64)) });
    let reply = operator.post(&format!("/v1/approvals/{id}/approve"), &other).send();
    assert_eq!(reply.outcome(), (409, "conflict".into()));
    assert!(!gate.root().join("note.txt").exists());
    operator.approve(&id);
    assert!(gate.root().join("note.txt").exists());
}

#[test]
fn a_denial_reaches_the_agent_with_its_reason() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    gate.cli(&["approvals", "deny", &id, "--reason", "not on a Sunday"]).exited(0);
    let polled = poll(&agent, &id, 0);
    assert_eq!((&polled["status"], &polled["reason"]), (&json!("denied"), &json!("not on a Sunday")));
    assert!(gate.entries_of("call.intent").is_empty());
    assert!(!gate.root().join("note.txt").exists());
    gate.assert_sound();
}

#[test]
fn a_call_that_waits_is_told_of_a_denial() {
    let gate = Gate::builder().start();
    let (agent, operator) = (gate.raw_agent(), gate.raw_operator());
    thread::scope(|scope| {
        let executing = scope.spawn(|| agent.call("fs_write", &note()).wait(60).send());
        let id = operator.await_held(&[]);
        let polling = scope.spawn({
            let (agent, id) = (&agent, id.clone());
            move || poll(agent, &id, 60)
        });
        operator.deny(&id, "no");
        let denied = executing.join().unwrap();
        assert_eq!(denied.outcome(), (403, "policy_denied".into()));
        assert_eq!((&denied.json()["deny_reason"], &denied.json()["effect"]), (&json!("no"), &json!("none")));
        assert_eq!(polling.join().unwrap()["status"], "denied");
    });
}

#[test]
fn a_call_that_waits_gets_the_approved_result() {
    let gate = Gate::builder().start();
    let (agent, operator) = (gate.raw_agent(), gate.raw_operator());
    thread::scope(|scope| {
        let executing = scope.spawn(|| agent.call("fs_write", &note()).wait(60).send().expect(200));
        let decided = operator.approve(&operator.await_held(&[]));
        let answer = executing.join().unwrap();
        assert_eq!(answer["receipt_id"], decided["receipt_id"]);
        assert_eq!(answer["approval"]["operator"], "local");
    });
}

#[test]
fn a_call_that_nobody_decides_expires() {
    let gate = Gate::builder().config("[approvals]\nttl_s = 1\n").start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    let digest = gate.raw_operator().show(&id)["plan_digest"].clone();
    assert_eq!(poll(&agent, &id, 60)["status"], "expired");
    let decision = json!({ "plan_digest": digest });
    let late = gate.raw_operator().post(&format!("/v1/approvals/{id}/approve"), &decision).send();
    assert_eq!(late.outcome(), (409, "approval_decided".into()));
    assert!(!gate.root().join("note.txt").exists());
    assert_ne!(hold(&agent, &note()), id, "asked again, it is held anew");
    gate.assert_sound();
}

#[test]
fn a_file_that_changed_since_the_plan_is_left_as_it_is() {
    let gate = Gate::builder().root_file("note.txt", "as planned").start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    fs::write(gate.root().join("note.txt"), "changed since").unwrap();
    let decided = gate.raw_operator().approve(&id);
    assert_eq!(decided["problem"]["error"], "conflict", "{decided:#}");
    assert_eq!(decided["effect"], "none");
    assert_eq!(fs::read_to_string(gate.root().join("note.txt")).unwrap(), "changed since");
    assert_eq!(poll(&agent, &id, 0)["status"], "failed");
    gate.assert_sound();
}

#[test]
fn a_policy_that_forbids_meanwhile_stops_an_approved_call() {
    let mut gate = Gate::builder().policy(policy::ASK).start();
    let agent = gate.raw_agent();
    let id = hold(&agent, &note());
    gate.terminate();
    fs::write(gate.home().join("policies/standard.cedar"), policy::DENY).unwrap();
    gate.restart();
    let decided = gate.raw_operator().approve(&id);
    assert_eq!(decided["effect"], "none", "{decided:#}");
    assert!(decided["problem"]["error"].is_string(), "{decided:#}");
    assert!(!gate.root().join("note.txt").exists());
    assert!(gate.entries_of("call.intent").is_empty());
    gate.assert_sound();
}
