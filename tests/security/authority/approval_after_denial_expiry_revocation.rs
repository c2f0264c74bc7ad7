//! An approval that comes after the end of its call executes nothing.

use latchgate_tests::{Attempt, Gate, eventually, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Refusal, Scene, counted};

fn approval(scene: &Scene, id: &str) -> Attempt {
    let operator = scene.operator();
    let body = json!({ "plan_digest": operator.show(id)["plan_digest"] });
    operator.post(&format!("/v1/approvals/{id}/approve"), &body)
}

fn poll(scene: &Scene, id: &str) -> Value {
    scene.agent.get(&format!("/v1/approvals/{id}/poll")).send().expect(200)
}

const DECIDED: Refusal = counted(409, "approval_decided");

#[test]
fn a_denied_call_cannot_be_approved() {
    let scene = Scene::asking();
    let (id, other) = (scene.hold(), scene.hold());
    scene.operator().deny(&id, "not today");
    scene.refuses("denied", DECIDED, approval(&scene, &id));
    let poll = poll(&scene, &id);
    assert_eq!((&poll["status"], &poll["reason"]), (&json!("denied"), &json!("not today")), "{poll}");
    assert_eq!(scene.effects(), 0);
    approval(&scene, &other).send().expect(200);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn an_expired_call_cannot_be_approved() {
    let config = format!("[approvals]\nttl_s = 1\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ASK).config(&config));
    let id = scene.hold();
    // Signed in time: what counts is when it arrives.
    let late = approval(&scene, &id);
    eventually("the end of the approval", || (poll(&scene, &id)["status"] == "expired").then_some(()));
    scene.refuses("expired", DECIDED, late);
    let decisions = scene.gate.entries_of("approval.decided");
    assert_eq!(decisions.iter().map(|entry| &entry["decision"]).collect::<Vec<_>>(), ["expired"]);
    assert_eq!(scene.effects(), 0);
    scene.end();
}

/// Every way to revoke the agent that asked: the held call is void at once, with its entry.
#[test]
fn a_call_of_a_revoked_agent_cannot_be_approved() {
    let scene = Scene::asking();
    for target in ["lease", "session", "principal", "all"] {
        let (target, id) = held_by(&scene, target);
        scene.operator().revoke(&target);
        let what = target.to_string();
        scene.refuses(&what, DECIDED, approval(&scene, &id));
        let decided = scene.gate.entries_of("approval.decided");
        let void = decided.iter().find(|entry| entry["approval_id"] == id.as_str());
        assert_eq!(void.unwrap()["decision"], "void", "{what}");
        assert!(scene.gate.entries_of("call.intent").is_empty(), "{what}");
    }
    // The twin: a lease taken after it all.
    let agent = scene.gate.raw_agent();
    let held = scene.post_by(&agent, scene.number()).send().expect(202);
    approval(&scene, held["approval_id"].as_str().unwrap()).send().expect(200);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// A new agent with a held call, and what to revoke to stop it.
fn held_by(scene: &Scene, target: &str) -> (Value, String) {
    let agent = scene.gate.raw_agent();
    let held = scene.post_by(&agent, scene.number()).send().expect(202);
    let target = match target {
        "lease" => json!({ "lease": agent.lease_jti }),
        "session" => json!({ "session": agent.session_id }),
        "principal" => json!({ "principal": agent.principal }),
        _ => json!({ "all": "everything" }),
    };
    (target, held["approval_id"].as_str().unwrap().to_owned())
}

/// After a restart the ends are the same.
#[test]
fn ends_survive_a_restart() {
    let mut scene = Scene::asking();
    let (denied, revoked) = (scene.hold(), scene.hold());
    scene.operator().deny(&denied, "no");
    scene.operator().revoke(&json!({ "session": scene.agent.session_id }));
    scene.gate.kill9();
    scene.gate.restart();
    scene.refuses("denied", DECIDED, approval(&scene, &denied));
    scene.refuses("revoked", DECIDED, approval(&scene, &revoked));
    assert_eq!(scene.effects(), 0);
    scene.end();
}
