//! A proof covers the body where lease or gate say so, and wherever it claims to.

use latchgate_tests::{Gate, Proof, RawAgent, policy};
use serde_json::json;

use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const INVALID: Refusal = counted(401, "invalid_dpop");

type Edit = fn(Proof) -> Proof;

/// Everything but a proof over exactly these bytes is refused; the same call with one is the twin.
fn check_bound(scene: &Scene, agent: &RawAgent) {
    let attacks: [(&str, Edit); 6] = [
        ("missing", |proof| proof.without("bh")),
        ("another body's", |proof| proof.body(b"{}")),
        ("of the empty body", |proof| proof.body(b"")),
        ("null", |proof| proof.claim("bh", json!(null))),
        ("padded", |proof| {
            let bh = proof.token().claims()["bh"].as_str().unwrap().to_owned();
            proof.claim("bh", format!("{bh}="))
        }),
        ("a list", |proof| {
            let bh = proof.token().claims()["bh"].clone();
            proof.claim("bh", json!([bh]))
        }),
    ];
    for (what, attack) in attacks {
        let number = scene.number();
        scene.refuses(what, INVALID, scene.post_by(agent, number).proof(attack));
        scene.post_by(agent, number).send().expect(200);
    }
}

#[test]
fn a_lease_that_binds_the_body_takes_no_proof_without_its_hash() {
    let scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "bind_body": true }));
    check_bound(&scene, &agent);
    let read = agent.get("/v1/approvals").proof(|proof| proof.without("bh"));
    scene.refuses("a read", INVALID, read);
    agent.get("/v1/approvals").send().expect(200);
    scene.end();
}

#[test]
fn a_gate_that_requires_it_takes_no_proof_without_body_hash() {
    let config = format!("[auth]\nrequire_body_hash = true\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(&config));
    check_bound(&scene, &scene.agent);
    scene.end();
}

#[test]
fn a_wrong_body_hash_is_refused_even_where_none_is_required() {
    let scene = Scene::allowing();
    scene.repels("another body's", INVALID, |call| call.proof(|proof| proof.body(b"{}")));
    // Public clients send none.
    scene.post(scene.number()).proof(|proof| proof.without("bh")).send().expect(200);
    scene.end();
}

#[test]
fn a_body_changed_after_signing_is_refused() {
    let scene = Scene::allowing();
    let (signed, sent) = (scene.number(), scene.number());
    let bytes = scene.post(signed).bytes();
    let text = String::from_utf8(bytes).unwrap();
    let changed = text.replace(&format!("\"number\":{signed}"), &format!("\"number\":{sent}"));
    assert_ne!(text, changed);
    let before = scene.before();
    let reply = latchgate_tests::exchange(&scene.gate.agent_socket(), changed.as_bytes());
    scene.assert_refused("changed", &before, &reply, INVALID);
    // The twin: the bytes that were signed, and even the same proof.
    assert_eq!(latchgate_tests::exchange(&scene.gate.agent_socket(), text.as_bytes()).status, 200);
    assert_eq!(scene.effects(), 1);
    scene.end();
}
