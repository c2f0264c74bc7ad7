//! A denial may answer for its like: an identical call is denied at once for as long as the operator said.

use latchgate_tests::Attempt;
use serde_json::{Value, json};

use crate::scene::{Scene, counted, on_record};

fn denial(scene: &Scene, id: &str, cool_down: &Value) -> Attempt {
    let operator = scene.operator();
    let mut body = json!({ "plan_digest": operator.show(id)["plan_digest"], "reason": "not in this way" });
    if !cool_down.is_null() {
        body["cool_down_s"] = cool_down.clone();
    }
    operator.post(&format!("/v1/approvals/{id}/deny"), &body)
}

fn held(scene: &Scene, number: u64) -> String {
    let held = scene.post(number).send().expect(202);
    held["approval_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_denied_call_is_denied_again_until_the_time_is_over() {
    let mut scene = Scene::asking();
    let number = scene.number();
    let id = held(&scene, number);
    denial(&scene, &id, &json!(3600)).send().expect(200);
    for when in ["at once", "after a restart"] {
        let denied = scene.refuses(when, on_record(403, "policy_denied"), scene.post(number));
        assert_eq!(denied["deny_reason"], "not in this way", "{denied}");
        if when == "at once" {
            scene.gate.restart();
        }
    }
    let other_key = scene.gate.raw_agent();
    let reply =
        scene.refuses("a new lease", on_record(403, "policy_denied"), scene.post_by(&other_key, number));
    assert_eq!(reply["deny_reason"], "not in this way");
    // The twins: another call; and a denial that says nothing of the kind.
    let id = held(&scene, scene.number());
    denial(&scene, &id, &Value::Null).send().expect(200);
    let other = scene.number();
    let id = held(&scene, other);
    denial(&scene, &id, &Value::Null).send().expect(200);
    held(&scene, other);
    scene.end();
}

#[test]
fn a_time_that_is_none_is_refused_and_the_call_still_waits() {
    let scene = Scene::asking();
    let id = scene.hold();
    for time in [json!(0), json!(604_801), json!(-1), json!("1h")] {
        scene.refuses(&time.to_string(), counted(400, "bad_request"), denial(&scene, &id, &time));
    }
    assert_eq!(scene.operator().show(&id)["status"], "pending");
    denial(&scene, &id, &json!(604_800)).send().expect(200);
    scene.end();
}
