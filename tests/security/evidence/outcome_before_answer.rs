//! Who has an answer has its receipt in the log: at the place that the answer names, and under the id that it names.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::{Response, exchange, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

/// The answer's receipt is in the log now.
#[track_caller]
fn check(scene: &Scene, answer: &Value) {
    let entries = scene.gate.entries();
    let outcome = &entries[usize::try_from(answer["log_index"].as_u64().unwrap()).unwrap()];
    assert_eq!((&outcome["kind"], &outcome["receipt_id"]), (&json!("call.outcome"), &answer["receipt_id"]));
    let intent = &entries[usize::try_from(outcome["intent_seq"].as_u64().unwrap()).unwrap()];
    assert_eq!((&intent["kind"], &intent["grant_id"]), (&json!("call.intent"), &answer["grant_id"]));
    assert_eq!(outcome["grant_id"], answer["grant_id"]);
}

#[test]
fn every_answer_has_its_outcome_in_the_log() {
    let scene = Scene::allowing();
    for _ in 0..5 {
        check(&scene, &scene.post(scene.number()).send().expect(200));
    }
    let requests: Vec<_> = (0..16).map(|_| scene.post(scene.number()).bytes()).collect();
    let (socket, barrier) = (scene.gate.agent_socket(), Barrier::new(requests.len()));
    let send = |bytes: &[u8]| {
        barrier.wait();
        exchange(&socket, bytes).expect(200)
    };
    let answers: Vec<Value> = thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(|| send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    answers.iter().for_each(|answer| check(&scene, answer));
    scene.end();
}

/// A failure is an answer like any other.
#[test]
fn a_failed_call_has_its_outcome_in_the_log() {
    let upstream = latchgate_tests::Upstream::answering(|_| Response::cut());
    let scene =
        Scene::with(latchgate_tests::Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let reply = scene.post(scene.number()).send();
    assert_eq!(reply.outcome(), (502, "provider_failed".into()));
    let problem = reply.json();
    assert_eq!(problem["effect"], "unknown", "{problem}");
    let outcomes = scene.gate.entries_of("call.outcome");
    let [outcome] = outcomes.as_slice() else { panic!("{outcomes:#?}") };
    assert_eq!(
        (&outcome["receipt_id"], &outcome["trace_id"]),
        (&problem["receipt_id"], &problem["trace_id"])
    );
    assert_eq!(outcome["effects"][0]["status"], "unknown");
    scene.end();
}
