//! A call is the gate's once it is committed: a client that hangs up ends its connection, not its call.

use latchgate_tests::{Gate, Response, Upstream, eventually, policy};
use serde_json::json;

use crate::scene::{LOOPBACK, Scene};

fn hanging(policy: &str) -> Scene {
    let upstream = Upstream::answering(|_| Response::hang());
    Scene::with(Gate::builder().policy(policy).config(LOOPBACK), upstream)
}

#[test]
fn a_call_whose_client_hung_up_ends_with_its_outcome() {
    let scene = hanging(policy::ALLOW);
    let number = scene.number();
    let connection = scene.post(number).begin();
    scene.upstream.await_requests(1);
    drop(connection);
    // The gate has seen the end of the connection once it has served another caller.
    scene.operator().status();
    scene.upstream.release();
    let outcome = scene.gate.await_entry("the outcome", |entry| entry["kind"] == "call.outcome");
    assert_eq!(outcome["effects"][0]["status"], "done");
    // The answer was never delivered: who asks again gets it, and nothing happens twice.
    let answer = scene.post(number).send().expect(200);
    assert_eq!(answer["receipt_id"], outcome["receipt_id"]);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn an_identical_call_joins_one_that_runs() {
    let scene = hanging(policy::ALLOW);
    let number = scene.number();
    let mut first = scene.post(number).begin();
    scene.upstream.await_requests(1);
    let mut second = scene.post(number).begin();
    // Another call passes by: the second was read before it.
    scene.agent.call("fs_list", &json!({})).send().expect(200);
    scene.upstream.release();
    let (first, second) = (first.reply().expect(200), second.reply().expect(200));
    assert_eq!(first["receipt_id"], second["receipt_id"]);
    let intents = scene.gate.entries_of("call.intent");
    assert_eq!(intents.iter().filter(|entry| entry["call"]["action"]["id"] == "tick").count(), 1);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// The twin of both: once an answer was delivered, an identical call is a new one.
#[test]
fn after_delivery_an_identical_call_is_a_new_call() {
    let scene = Scene::allowing();
    let number = scene.number();
    let mut receipts = std::collections::BTreeSet::new();
    // The next call is on its way as soon as the answer's last byte was read: the closest that calls can follow each other.
    for _ in 0..100 {
        let answer = scene.post(number).send().expect(200);
        receipts.insert(answer["receipt_id"].as_str().unwrap().to_owned());
    }
    assert_eq!((receipts.len(), scene.effects()), (100, 100));
    scene.end();
}

#[test]
fn an_approver_who_hangs_up_leaves_an_outcome() {
    let scene = hanging(policy::ASK);
    let id = scene.hold();
    let operator = scene.operator();
    let body = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
    let connection = operator.post(&format!("/v1/approvals/{id}/approve"), &body).begin();
    scene.upstream.await_requests(1);
    drop(connection);
    operator.status();
    scene.upstream.release();
    eventually("the execution", || (operator.show(&id)["status"] == "executed").then_some(()));
    assert_eq!(scene.gate.entries_of("call.outcome").len(), 1);
    assert_eq!(scene.effects(), 1);
    scene.end();
}
