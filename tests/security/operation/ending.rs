//! The end of the gate is bounded, and drops no evidence: what still runs is stopped, and what is known of it recorded.

use latchgate_tests::{Connection, Gate, Response, Upstream, eventually, exchange, policy};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

fn hanging(policy: &str, drain_s: u32) -> Scene {
    let config = format!("[gate]\ndrain_s = {drain_s}\n{LOOPBACK}");
    let upstream = Upstream::answering(|_| Response::hang());
    Scene::with(Gate::builder().policy(policy).config(&config), upstream)
}

fn begin(scene: &Scene, count: usize) -> Vec<Connection> {
    let open = (0..count).map(|_| scene.post(scene.number()).begin()).collect();
    scene.upstream.await_requests(count);
    open
}

/// One outcome for each of so many intents; their effects.
#[track_caller]
fn effects_of(gate: &Gate, calls: usize) -> Vec<Value> {
    let (intents, outcomes) = (gate.entries_of("call.intent"), gate.entries_of("call.outcome"));
    assert_eq!((intents.len(), outcomes.len()), (calls, calls));
    for intent in &intents {
        assert!(outcomes.iter().any(|outcome| outcome["intent_seq"] == intent["seq"]), "{intent:#}");
    }
    assert_eq!(gate.entries().last().unwrap()["kind"], "gate.stopped");
    gate.assert_sound();
    outcomes.into_iter().map(|outcome| outcome["effects"][0]["status"].clone()).collect()
}

fn await_draining(scene: &Scene) {
    eventually("the drain", || {
        let ready = exchange(&scene.gate.agent_socket(), b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (ready.status == 503).then_some(())
    });
}

#[test]
fn calls_that_outlast_the_drain_time_end_with_an_outcome_each() {
    let mut scene = hanging(policy::ALLOW, 1);
    let mut open = begin(&scene, 64);
    assert!(scene.gate.terminate().success(), "{}", scene.gate.log());
    assert!(effects_of(&scene.gate, 64).iter().all(|effect| effect == "unknown"));
    for connection in &mut open {
        // Whoever waited learns that it may have happened.
        let problem = connection.reply().json();
        assert_eq!(
            (&problem["effect"], &problem["retryable"]),
            (&json!("unknown"), &json!(false)),
            "{problem}"
        );
    }
    // Nor is it done again after the restart.
    scene.gate.restart();
    let again = scene.post(1).send().json();
    assert_eq!(again["effect"], "unknown", "{again}");
    assert_eq!(scene.effects(), 64);
}

#[test]
fn a_second_signal_stops_the_calls_that_run() {
    for second in [Signal::TERM, Signal::INT] {
        let mut scene = hanging(policy::ALLOW, 600);
        let _open = begin(&scene, 2);
        scene.gate.signal(Signal::TERM);
        await_draining(&scene);
        scene.gate.signal(second);
        assert!(scene.gate.wait().success(), "{}", scene.gate.log());
        assert_eq!(effects_of(&scene.gate, 2), ["unknown", "unknown"]);
    }
}

/// From the first answer on: nobody has to wait before he may end a gate in order.
#[test]
fn a_gate_that_is_told_to_end_as_soon_as_it_answers_ends_in_order() {
    let mut gate = Gate::builder().policy(policy::ALLOW).start();
    for _ in 0..5 {
        assert!(gate.terminate().success(), "{}", gate.log());
        assert_eq!(gate.entries().last().unwrap()["kind"], "gate.stopped");
        gate.restart();
    }
}

/// The twin of both: a call that ends within the drain time is done, and its caller is told so.
#[test]
fn a_call_that_ends_within_the_drain_time_is_done() {
    for first in [Signal::TERM, Signal::INT] {
        let mut scene = hanging(policy::ALLOW, 600);
        let mut open = begin(&scene, 2);
        scene.gate.signal(first);
        await_draining(&scene);
        scene.upstream.release();
        open.iter_mut().for_each(|connection| drop(connection.reply().expect(200)));
        assert!(scene.gate.wait().success());
        assert_eq!(effects_of(&scene.gate, 2), ["done", "done"]);
    }
}

#[test]
fn whoever_waits_for_a_decision_does_not_hold_up_the_end() {
    let mut scene = hanging(policy::ASK, 600);
    let held = scene.post(scene.number()).wait(300).begin();
    let id = scene.operator().await_held(&[]);
    let poll = scene.agent.get(&format!("/v1/approvals/{id}/poll")).wait(300).begin();
    assert!(scene.gate.terminate().success());
    let (mut held, mut poll) = (held, poll);
    assert_eq!(held.reply().expect(202)["approval_id"], json!(id));
    // It may have come too late to be read.
    poll.try_reply().iter().for_each(|reply| assert_eq!(reply.expect(200)["status"], "pending"));
    assert!(!scene.gate.log().contains("connections were still open"), "{}", scene.gate.log());
    // The twin: after the restart it can be decided.
    scene.upstream.release();
    scene.gate.restart();
    assert_eq!(scene.operator().approve(&id)["effect"], "done");
    scene.end();
}

/// While the gate ends nothing new begins, by whomever.
#[test]
fn an_approval_while_the_gate_ends_executes_nothing_and_stays_to_be_decided() {
    let mut scene = hanging(policy::ASK, 600);
    let (id, other) = (scene.hold(), scene.hold());
    let operator = scene.operator();
    let digest = operator.show(&id)["plan_digest"].clone();
    let decision = json!({ "plan_digest": digest });
    let others = json!({ "plan_digest": operator.show(&other)["plan_digest"] });
    let path = |id: &str| format!("/v1/approvals/{id}/approve");
    let mut running = operator.post(&path(&id), &decision).begin();
    scene.upstream.await_requests(1);
    scene.gate.signal(Signal::TERM);
    await_draining(&scene);
    let refused = operator.post(&path(&other), &others).send();
    assert_eq!(refused.outcome(), (503, "draining".into()));
    scene.upstream.release();
    assert_eq!(running.reply().expect(200)["effect"], "done");
    assert!(scene.gate.wait().success());
    scene.gate.restart();
    assert_eq!(operator.post(&path(&other), &others).send().expect(200)["effect"], "done");
    assert_eq!(scene.effects(), 2);
}
