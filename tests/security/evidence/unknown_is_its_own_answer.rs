//! What may have happened is never called failed, and never done again by the gate.

use latchgate_tests::{Gate, Reply, Response, Upstream, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

fn hanging(policy: &str) -> Scene {
    // The second request and those after it are answered at once.
    let upstream = Upstream::answering({
        let first = std::sync::atomic::AtomicBool::new(true);
        move |_| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            true => Response::hang(),
            false => Response::ok("ok"),
        }
    });
    Scene::with(Gate::builder().policy(policy).config(LOOPBACK), upstream)
}

/// The only outcome, which must be `unknown`.
fn unknown_outcome(scene: &Scene) -> Value {
    let outcomes = scene.gate.entries_of("call.outcome");
    let [outcome] = outcomes.as_slice() else { panic!("expected one outcome, found {outcomes:#?}") };
    assert_eq!(
        (&outcome["failure_class"], &outcome["effects"][0]["status"]),
        (&json!("interrupted"), &json!("unknown"))
    );
    assert!(outcome["result"].is_null(), "{outcome:#}");
    outcome.clone()
}

#[track_caller]
fn assert_unknown(reply: &Reply, receipt: &Value) {
    assert_eq!(reply.outcome(), (502, "outcome_unknown".into()), "{}", String::from_utf8_lossy(&reply.body));
    let problem = reply.json();
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("unknown"), &json!(false)), "{problem}");
    assert_eq!(problem["receipt_id"], *receipt);
}

#[test]
fn a_call_that_a_kill_interrupted_is_unknown_and_is_not_repeated() {
    let mut scene = hanging(policy::ALLOW);
    let number = scene.number();
    let _running = scene.post(number).begin();
    scene.upstream.await_requests(1);
    scene.gate.kill9();
    scene.gate.restart();
    let outcome = unknown_outcome(&scene);
    let receipt = &outcome["receipt_id"];
    let recovered = scene.gate.entries_of("gate.recovered");
    assert_eq!(recovered[0]["open_intents"], json!([outcome["intent_seq"]]));
    assert_eq!(scene.operator().status()["unknown_outcomes"], 1);
    for _ in 0..2 {
        assert_unknown(&scene.post(number).send(), receipt);
        // Whoever asked under another lease is the same owner.
        assert_unknown(&scene.post_by(&scene.gate.raw_agent(), number).send(), receipt);
        scene.gate.restart();
    }
    scene.await_reads();
    let read = scene.agent.get(&format!("/v1/receipts/{}", receipt.as_str().unwrap())).send().expect(200);
    assert_eq!(read["normalized_result"]["kind"], "unknown", "{read:#}");
    assert_eq!(scene.effects(), 1);
    // The twin: a call of its own.
    scene.post(scene.number()).send().expect(200);
    assert_eq!(scene.effects(), 2);
    scene.end();
}

#[test]
fn a_keyed_call_that_a_kill_interrupted_is_unknown_under_its_key() {
    let mut scene = hanging(policy::ALLOW);
    let number = scene.number();
    let _running = scene.post(number).idempotency_key("k").begin();
    scene.upstream.await_requests(1);
    scene.gate.kill9();
    scene.gate.restart();
    let receipt = unknown_outcome(&scene)["receipt_id"].clone();
    assert_unknown(&scene.post(number).idempotency_key("k").send(), &receipt);
    assert_eq!(scene.effects(), 1);
    // A new key is the way past it, chosen by the caller.
    scene.post(number).idempotency_key("l").send().expect(200);
    assert_eq!(scene.effects(), 2);
    scene.end();
}

#[test]
fn an_approved_call_that_a_kill_interrupted_is_unknown_and_its_approval_spent() {
    let mut scene = hanging(policy::ASK);
    let number = scene.number();
    let held = scene.post(number).send().expect(202);
    let id = held["approval_id"].as_str().unwrap();
    let operator = scene.operator();
    let body = json!({ "plan_digest": operator.show(id)["plan_digest"] });
    let path = format!("/v1/approvals/{id}/approve");
    let _running = operator.post(&path, &body).begin();
    scene.upstream.await_requests(1);
    scene.gate.kill9();
    scene.gate.restart();
    let receipt = unknown_outcome(&scene)["receipt_id"].clone();
    assert_eq!(operator.show(id)["status"], "unknown");
    assert_eq!(operator.post(&path, &body).send().outcome(), (409, "approval_decided".into()));
    scene.also_counted("approval_decided", 1);
    scene.await_reads();
    let poll = scene.agent.get(&format!("/v1/approvals/{id}/poll")).send().expect(200);
    assert_eq!((&poll["status"], &poll["effect"]), (&json!("failed"), &json!("unknown")), "{poll}");
    assert_unknown(&scene.post(number).send(), &receipt);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// The service took the request and its answer was lost on the way: the same truth without a kill.
#[test]
fn a_lost_answer_is_unknown_too() {
    let upstream = Upstream::answering(|_| Response::cut());
    let scene = Scene::with(Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let number = scene.number();
    for _ in 0..2 {
        let problem = scene.post(number).send().expect(502);
        assert_eq!(
            (&problem["effect"], &problem["retryable"]),
            (&json!("unknown"), &json!(false)),
            "{problem}"
        );
    }
    assert_eq!(scene.effects(), 1);
    scene.end();
}
