//! A renewal gives the same or less: scopes, budgets, the body's binding, the key and the session.

use latchgate_tests::{RawAgent, Token};
use serde_json::{Value, json};

use crate::scene::{Scene, counted, on_record};

fn renewal(agent: &RawAgent, request: &Value) -> latchgate_tests::Attempt {
    agent.post("/v1/leases/renew", request)
}

fn renewed(agent: &RawAgent, request: &Value) -> RawAgent {
    let lease = renewal(agent, request).send().expect(200);
    assert_eq!(lease["session_id"], agent.session_id.as_str());
    agent.with_lease(lease["lease_jwt"].as_str().unwrap())
}

#[test]
fn wider_scopes_are_refused() {
    let scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "scopes": ["action:tick"] }));
    for scopes in [
        json!(["tools:call"]),
        json!(["action:fs_read"]),
        json!(["class:send"]),
        json!(["action:tick", "action:fs_read"]),
    ] {
        let attack = renewal(&agent, &json!({ "scopes": scopes }));
        scene.refuses(&scopes.to_string(), on_record(403, "scope_insufficient"), attack);
    }
    let outside = agent.call("fs_list", &json!({}));
    scene.refuses("a call outside of the scopes", on_record(403, "scope_insufficient"), outside);
    // The twin: the same scopes.
    let same = renewed(&agent, &json!({ "scopes": ["action:tick"] }));
    scene.post_by(&same, scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn narrower_scopes_stay_narrow() {
    let scene = Scene::allowing();
    let narrow = renewed(&scene.agent, &json!({ "scopes": ["action:fs_list"] }));
    let number = scene.number();
    scene.refuses("narrow", on_record(403, "scope_insufficient"), scene.post_by(&narrow, number));
    let attack = renewal(&narrow, &json!({ "scopes": ["tools:call"] }));
    scene.refuses("wide again", on_record(403, "scope_insufficient"), attack);
    let default = renewed(&narrow, &json!({}));
    scene.refuses("unsaid", on_record(403, "scope_insufficient"), scene.post_by(&default, number));
    default.call("fs_list", &json!({})).send().expect(200);
    scene.end();
}

#[test]
fn a_larger_budget_is_not_given() {
    let scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": 2 } }));
    scene.post_by(&agent, scene.number()).send().expect(200);
    let larger = renewed(&agent, &json!({ "budgets": { "max_calls": 1000, "max_cost_usd_cents": 1000 } }));
    assert_eq!(Token::read(&larger.lease).claims()["budgets"]["max_calls"], 2);
    scene.post_by(&larger, scene.number()).send().expect(200);
    scene.refuses(
        "the third of two",
        on_record(403, "budget_exhausted"),
        scene.post_by(&larger, scene.number()),
    );
    scene.end();
}

/// A tighter budget holds the whole session, the older and wider lease included.
#[test]
fn a_tighter_budget_holds_the_older_lease_too() {
    let scene = Scene::allowing();
    let tighter = renewed(&scene.agent, &json!({ "budgets": { "max_calls": 1 } }));
    scene.post_by(&tighter, scene.number()).send().expect(200);
    scene.refuses("the older lease", on_record(403, "budget_exhausted"), scene.post(scene.number()));
    scene.end();
}

#[test]
fn a_renewal_keeps_the_bodys_binding_and_the_key() {
    let scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "bind_body": true }));
    let again = renewed(&agent, &json!({}));
    let number = scene.number();
    let unbound = scene.post_by(&again, number).proof(|proof| proof.without("bh"));
    scene.refuses("unbound", counted(401, "invalid_dpop"), unbound);
    for member in ["bind_body", "dpop_jwk", "agent_id", "session_id", "ttl_s"] {
        let attack = renewal(&agent, &json!({ member: false }));
        scene.refuses(member, on_record(400, "bad_request"), attack);
    }
    let stranger = agent.with_key(&latchgate_tests::Key::generate());
    scene.refuses("another key", counted(401, "invalid_dpop"), renewal(&stranger, &json!({})));
    scene.post_by(&again, number).send().expect(200);
    scene.end();
}
