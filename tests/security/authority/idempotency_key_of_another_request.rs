//! An idempotency key names one request of one owner to one action, for a day and across restarts.

use serde_json::json;

use crate::scene::{Refusal, Scene, on_record};

const MISMATCH: Refusal = on_record(409, "idempotency_mismatch");

#[test]
fn a_key_that_was_used_for_another_request_is_refused() {
    let mut scene = Scene::allowing();
    let (first, second) = (scene.number(), scene.number());
    let answer = scene.post(first).idempotency_key("k").send().expect(200);
    for when in ["at once", "after a restart"] {
        scene.refuses(when, MISMATCH, scene.post(second).idempotency_key("k"));
        // The twin: the same request, which is the same call and gets the same answer.
        let again = scene.post(first).idempotency_key("k").send().expect(200);
        assert_eq!(again["receipt_id"], answer["receipt_id"], "{when}");
        scene.gate.kill9();
        scene.gate.restart();
    }
    // Another agent of the same principal is the same owner; white space is no difference between requests.
    let other = scene.gate.raw_agent();
    let spaced = scene.post_args(first).to_string().replace(',', " ,\n");
    let same = other.call("tick", &json!({})).body(spaced).idempotency_key("k").send().expect(200);
    assert_eq!(same["receipt_id"], answer["receipt_id"]);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn a_key_is_bound_while_its_call_is_held() {
    let scene = Scene::asking();
    let (first, second) = (scene.number(), scene.number());
    let held = scene.post(first).idempotency_key("k").send().expect(202);
    scene.refuses("another request", MISMATCH, scene.post(second).idempotency_key("k"));
    let again = scene.post(first).idempotency_key("k").send().expect(202);
    assert_eq!(again["approval_id"], held["approval_id"]);
    scene.operator().approve(held["approval_id"].as_str().unwrap());
    scene.refuses("once approved", MISMATCH, scene.post(second).idempotency_key("k"));
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// Keys of different actions have nothing to do with each other, and different keys make different calls.
#[test]
fn a_key_is_one_actions_and_another_key_is_another_call() {
    let scene = Scene::allowing();
    let number = scene.number();
    let one = scene.post(number).idempotency_key("k").send().expect(200);
    let two = scene.post(number).idempotency_key("l").send().expect(200);
    assert_ne!(one["receipt_id"], two["receipt_id"]);
    scene.agent.call("fs_list", &json!({})).idempotency_key("k").send().expect(200);
    assert_eq!(scene.effects(), 2);
    scene.end();
}
