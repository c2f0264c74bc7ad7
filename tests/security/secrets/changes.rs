//! A change of secrets is an admin's, works once, and leaves nothing of a value in answer, log or ledger.

use latchgate_tests::{Attempt, Key, RawOperator, assert_nowhere, exchange, holds};
use serde_json::{Value, json};

use crate::scene::{Scene, counted, shown};

const VALUE: &str = "value-that-must-not-show";

fn named(name: &str, value: &str) -> Value {
    json!({ "set": [{ "name": name, "secret": { "kind": "plain", "value": value } }] })
}

fn set(by: &RawOperator) -> Attempt {
    by.post("/v1/secrets", &named("token", VALUE))
}

fn operator(scene: &Scene, name: &str, role: &str) -> RawOperator {
    let key = Key::generate();
    let body = json!({ "name": name, "role": role, "jwk": key.jwk() });
    scene.operator().post("/v1/operators", &body).send().expect(200);
    RawOperator::new(&scene.gate.admin_socket(), key)
}

#[test]
fn nobody_but_an_admin_sets_or_removes_a_secret() {
    let scene = Scene::allowing();
    let forbidden = counted(403, "forbidden");
    set(&scene.operator()).send().expect(200);
    for (name, role) in [("vera", "viewer"), ("ana", "approver")] {
        let by = operator(&scene, name, role);
        let answer = scene.refuses(&format!("{role} sets"), forbidden, set(&by));
        assert!(!holds(answer.to_string().as_bytes(), VALUE));
        scene.refuses(&format!("{role} removes"), forbidden, by.post("/v1/secrets/token/remove", &json!({})));
        // The twin: names are for everybody who may look.
        let list = by.get("/v1/secrets").send().expect(200);
        assert_eq!(list["secrets"][0]["name"], "token");
    }
    scene.operator().post("/v1/secrets/token/remove", &json!({})).send().expect(200);
    scene.end();
}

#[test]
fn no_answer_to_any_body_repeats_a_value() {
    let scene = Scene::allowing();
    let admin = scene.operator();
    let bad = counted(400, "bad_request");
    let short = json!({ "set": [{ "name": "token", "secret": { "kind": "plain", "value": "short" } }] });
    let bodies = [
        json!({ "set": VALUE }),
        json!({ "set": [{ "name": "token", "secret": VALUE }] }),
        json!({ "set": [{ "name": VALUE.to_owned() + " ", "secret": { "kind": "plain", "value": VALUE } }] }),
        json!({ "set": [{ "name": "token", "secret": { "kind": VALUE, "value": VALUE } }] }),
        json!({ "set": [{ "name": "token", "secret": { "kind": "plain", "value": VALUE, (VALUE): 1 } }] }),
        json!({ "set": [{ "name": "token", "secret": { "kind": "plain", "value": [VALUE] } }] }),
        json!({ "set": [{ "name": "token", "secret": { "kind": "oauth2_refresh", "value": VALUE } }] }),
        json!({ "set": [named("token", VALUE)["set"][0], named("token", VALUE)["set"][0]] }),
        short,
    ];
    for body in bodies {
        let answer = scene.refuses(&body.to_string(), bad, admin.post("/v1/secrets", &body));
        assert!(!holds(answer.to_string().as_bytes(), VALUE), "{answer:#}");
    }
    // Of several one is refused: none is taken.
    let mut both = named("good", VALUE);
    both["set"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "bad", "secret": { "kind": "plain", "value": "" } }));
    scene.refuses("one of two", bad, admin.post("/v1/secrets", &both));
    assert_eq!(admin.get("/v1/secrets").send().expect(200)["secrets"], json!([]));
    // The twin, and what a change answers.
    let reply = set(&admin).send();
    assert_eq!(reply.status, 200, "{}", shown(&reply));
    assert!(!holds(&reply.body, VALUE));
    assert!(!holds(&admin.get("/v1/secrets").send().body, VALUE));
    let base = scene.gate.base().to_owned();
    assert!(assert_nowhere(&base, VALUE) > 5);
    assert!(!holds(scene.gate.log().as_bytes(), VALUE));
    scene.end();
}

#[test]
fn a_captured_change_works_once_across_a_restart_and_not_with_another_value() {
    let mut scene = Scene::allowing();
    let socket = scene.gate.admin_socket();
    let captured = set(&scene.operator()).bytes();
    let text = String::from_utf8(captured.clone()).unwrap();
    let forged = text.replace(VALUE, &VALUE.replace("show", "hide")).into_bytes();
    let before = scene.before();
    let reply = exchange(&socket, &forged);
    scene.assert_refused("another value", &before, &reply, counted(401, "invalid_dpop"));
    assert_eq!(exchange(&socket, &captured).status, 200);
    let before = scene.before();
    let reply = exchange(&socket, &captured);
    scene.assert_refused("again", &before, &reply, counted(401, "replay_detected"));
    scene.operator().post("/v1/secrets/token/remove", &json!({})).send().expect(200);
    scene.gate.kill9();
    scene.gate.restart();
    let before = scene.before();
    let reply = exchange(&socket, &captured);
    assert_eq!(reply.status, 401, "{}", shown(&reply));
    before.assert_same(&scene);
    assert_eq!(scene.operator().get("/v1/secrets").send().expect(200)["secrets"], json!([]));
    // The twin: signed anew.
    set(&scene.operator()).send().expect(200);
    scene.gate.terminate();
    scene.gate.assert_sound();
}
