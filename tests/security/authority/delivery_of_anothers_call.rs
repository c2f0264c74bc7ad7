//! Whether an answer was delivered, its owner says: nobody else makes a call of another's be done twice.

use latchgate_tests::{Attempt, Key, RawAgent};
use serde_json::json;

use super::crowd::{agent, enrolled};
use crate::scene::{Scene, counted};

fn confirmed(attempt: Attempt) -> Attempt {
    attempt.header("X-LatchGate-Delivery", "confirmed")
}

fn told(agent: &RawAgent, receipt: &str) -> Attempt {
    let path = format!("/v1/receipts/{receipt}/delivered");
    Attempt::new(&agent.socket, &agent.key, Some(&agent.lease), "POST", &path).json(&json!({}))
}

#[test]
fn only_the_owner_of_a_call_says_that_its_answer_was_delivered() {
    let scene = Scene::allowing();
    let other = agent(&scene, &enrolled(&scene, "other"));
    let number = scene.number();
    let done = confirmed(scene.post(number)).send().expect(200);
    let receipt = done["receipt_id"].as_str().unwrap().to_owned();
    scene.refuses("another agent's word", counted(404, "not_found"), told(&other, &receipt));
    let stranger = RawAgent { key: Key::generate(), ..scene.agent.clone() };
    scene.refuses("another key", counted(401, "invalid_dpop"), told(&stranger, &receipt));
    let nothing = "rcpt_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    scene.refuses("of no call", counted(404, "not_found"), told(&scene.agent, nothing));
    // Not delivered: the same call is answered with what there is.
    assert_eq!(confirmed(scene.post(number)).send().expect(200)["receipt_id"], receipt.as_str());
    assert_eq!(scene.effects(), 1);
    // The twin: the owner's word, twice.
    told(&scene.agent, &receipt).send().expect(200);
    told(&scene.agent, &receipt).send().expect(200);
    assert_ne!(scene.post(number).send().expect(200)["receipt_id"], receipt.as_str());
    assert_eq!(scene.effects(), 2);
    scene.end();
}

#[test]
fn a_header_of_another_meaning_is_refused() {
    let scene = Scene::allowing();
    let number = scene.number();
    let attack = scene.post(number).header("X-LatchGate-Delivery", "never");
    scene.refuses("never", counted(400, "bad_request"), attack);
    let twice = confirmed(confirmed(scene.post(number)));
    scene.refuses("twice", counted(400, "bad_request"), twice);
    confirmed(scene.post(number)).send().expect(200);
    scene.end();
}
