//! A standing approval answers what the operator left open, as often and as long as they said, and nothing else.
//!
//! `tick` takes a `url` and a `number`. What is approved here leaves `number` free: the target and every other argument stay.

use latchgate_tests::{Attempt, Gate, Key, RawAgent, eventually, policy, tick};
use serde_json::{Value, json};

use super::crowd::{agent, approval, enrolled};
use crate::scene::{LOOPBACK, Scene, counted};

const ASK_TICK: &str = r#"
@id("ask")
@ask("a test asks")
permit (principal, action, resource);
"#;

/// The same rule's name over other words.
const ASK_MORE: &str = r#"
@id("ask")
@ask("a test asks")
permit (principal, action == Action::"tick", resource);
"#;

/// `tick` that says one thing more.
fn noted() -> String {
    tick::manifest()
        .replace("action_id: tick", "action_id: noted")
        .replace("required: [url, number]", "required: [url, number, note]")
        .replace("    number: {", "    note: { type: string, maxLength: 100 }\n    number: {")
        .replace("body: { number: \"{number}\" }", "body: { number: \"{number}\", note: \"{note}\" }")
        .replace(
            "arguments: { url: \"https://example.com/effect\", number: 1 }",
            "arguments: { url: \"https://example.com/effect\", number: 1, note: \"n\" }",
        )
        .replace("{\"number\":1}", "{\"note\":\"n\",\"number\":1}")
}

fn scene() -> Scene {
    Scene::of(Gate::builder().policy(ASK_TICK).config(LOOPBACK).manifest("noted.yaml", &noted()))
}

fn noted_args(scene: &Scene, note: &str) -> Value {
    json!({ "url": scene.upstream.url("/effect"), "number": scene.number(), "note": note })
}

/// Approves a first call of `agent` in this scope with these arguments free.
#[track_caller]
fn approve(scene: &Scene, held: Attempt, scope: &str, free: &Value, uses: u64) -> String {
    let held = held.send().expect(202);
    let id = held["approval_id"].as_str().unwrap().to_owned();
    let more = json!({ "scope": scope, "reach": { "free": free, "for_s": 600, "max_uses": uses } });
    assert_eq!(approval(&scene.operator(), &id, &more).send().expect(200)["effect"], "done");
    id
}

/// The call is asked about: no standing approval answers it.
#[track_caller]
fn is_held(scene: &Scene, what: &str, call: Attempt) {
    let before = scene.effects();
    let reply = call.send();
    assert_eq!(reply.status, 202, "{what}: {}", crate::scene::shown(&reply));
    assert_eq!(scene.effects(), before, "{what}");
}

#[track_caller]
fn is_answered(scene: &Scene, call: Attempt, by: &str) {
    let before = scene.effects();
    let executed = call.send().expect(200);
    assert_eq!(executed["approval"]["id"], by, "{executed}");
    assert_eq!(scene.effects(), before + 1);
}

#[test]
fn it_answers_no_other_target_argument_or_principal() {
    let scene = scene();
    let call = |note: &str| scene.agent.call("noted", &noted_args(&scene, note));
    let id = approve(&scene, call("as agreed"), "always", &json!(["number"]), 9);
    let mut elsewhere = noted_args(&scene, "as agreed");
    elsewhere["url"] = json!(scene.upstream.url("/effect/else"));
    is_held(&scene, "another target", scene.agent.call("noted", &elsewhere));
    let mut port = noted_args(&scene, "as agreed");
    port["url"] = json!(scene.upstream.url("/effect?x=1"));
    is_held(&scene, "another url with the same path", scene.agent.call("noted", &port));
    is_held(&scene, "another pinned argument", call("as agreed, too"));
    is_held(&scene, "another action", scene.post(scene.number()));
    let ci = agent(&scene, &enrolled(&scene, "ci"));
    is_held(&scene, "another principal", ci.call("noted", &noted_args(&scene, "as agreed")));
    // The twins: the number was left open, and another lease of the same principal is the same principal.
    is_answered(&scene, call("as agreed"), &id);
    let again = scene.gate.raw_agent();
    is_answered(&scene, again.call("noted", &noted_args(&scene, "as agreed")), &id);
    scene.end();
}

#[test]
fn a_scope_of_the_session_is_of_that_session() {
    let scene = scene();
    let id = approve(&scene, scene.post(scene.number()), "session", &json!(["number"]), 9);
    let other = scene.gate.raw_agent_with(&json!({}));
    assert_eq!(other.principal, scene.agent.principal);
    is_held(&scene, "another session", scene.post_by(&other, scene.number()));
    let renewed = scene.agent.post("/v1/leases/renew", &json!({})).send().expect(200);
    let renewed = scene.agent.with_lease(renewed["lease_jwt"].as_str().unwrap());
    is_answered(&scene, scene.post_by(&renewed, scene.number()), &id);
    scene.end();
}

#[test]
fn it_ends_by_uses_exactly() {
    const USES: usize = 5;
    const CALLERS: usize = 24;
    let scene = scene();
    approve(&scene, scene.post(scene.number()), "always", &json!(["number"]), USES as u64);
    let requests: Vec<_> = (0..CALLERS).map(|_| scene.post(scene.number()).bytes()).collect();
    let socket = scene.gate.agent_socket();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let send = |bytes: &Vec<u8>| latchgate_tests::exchange(&socket, bytes).status;
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(move || send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let executed = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!((executed, scene.effects()), (USES, USES + 1), "{statuses:?}");
    is_held(&scene, "one more", scene.post(scene.number()));
    scene.end();
}

#[test]
fn it_ends_by_time_by_being_taken_back_and_by_a_changed_policy() {
    let mut scene = scene();
    let operator = scene.operator();
    let held = scene.post(scene.number()).send().expect(202);
    let id = held["approval_id"].as_str().unwrap();
    let short = json!({ "scope": "always", "reach": { "free": ["number"], "for_s": 1, "max_uses": 9 } });
    approval(&operator, id, &short).send().expect(200);
    let standing = || scene.operator().get("/v1/standing").send().expect(200)["standing"].clone();
    eventually("the end of the standing approval", || (standing() == json!([])).then_some(()));
    is_held(&scene, "after its time", scene.post(scene.number()));

    let id = approve(&scene, scene.post(scene.number()), "always", &json!(["number"]), 9);
    is_answered(&scene, scene.post(scene.number()), &id);
    operator.post(&format!("/v1/standing/{id}/revoke"), &json!({ "reason": "enough" })).send().expect(200);
    let revoked = scene.gate.entries_of("standing.revoked");
    assert_eq!(
        (&revoked[0]["approval_id"], &revoked[0]["signed"]["operator"]),
        (&json!(id), &json!("local"))
    );
    is_held(&scene, "taken back", scene.post(scene.number()));
    let again = operator.post(&format!("/v1/standing/{id}/revoke"), &json!({}));
    scene.refuses("taken back twice", counted(404, "not_found"), again);

    let id = approve(&scene, scene.post(scene.number()), "always", &json!(["number"]), 9);
    scene.gate.restart();
    is_answered(&scene, scene.post(scene.number()), &id);
    latchgate_tests::private_file(&scene.gate.home().join("policies/standard.cedar"), ASK_MORE);
    scene.operator().post("/v1/reload", &json!({})).send().expect(200);
    is_held(&scene, "a changed rule of the same name", scene.post(scene.number()));
    scene.end();
}

#[test]
fn it_ends_with_a_revocation_of_who_it_was_for() {
    let scene = scene();
    let ci = enrolled(&scene, "ci");
    let first = agent(&scene, &ci);
    let id = approve(&scene, scene.post_by(&first, scene.number()), "always", &json!(["number"]), 9);
    is_answered(&scene, scene.post_by(&first, scene.number()), &id);
    scene.operator().revoke(&json!({ "principal": "agent:ci" }));
    let second = agent(&scene, &ci);
    is_held(&scene, "a new lease", scene.post_by(&second, scene.number()));
    scene.end();
}

/// What an agent writes is compared and never read as a pattern; what may change is named by the operator alone.
#[test]
fn no_text_of_an_agent_is_a_pattern() {
    let scene = scene();
    let call = |note: &str| scene.agent.call("noted", &noted_args(&scene, note));
    for pattern in ["*", ".*", "a*", "?", "[a-z]", "{note}", "%", "free:note"] {
        let id = approve(&scene, call(pattern), "always", &json!(["number"]), 9);
        is_held(&scene, pattern, call("anything"));
        is_held(&scene, pattern, call("a"));
        is_answered(&scene, call(pattern), &id);
    }
    scene.end();
}

#[test]
fn a_reach_out_of_bounds_is_refused_and_a_viewer_takes_nothing_back() {
    let scene = scene();
    let id = scene.hold();
    let operator = scene.operator();
    let bad = counted(400, "bad_request");
    for reach in [
        json!({ "for_s": 0, "max_uses": 1 }),
        json!({ "for_s": 31_622_401, "max_uses": 1 }),
        json!({ "for_s": 1, "max_uses": 0 }),
        json!({ "for_s": 1, "max_uses": 1_000_001 }),
        json!({ "for_s": 1, "max_uses": 1, "free": ["no_such_argument"] }),
        json!({ "for_s": 1, "max_uses": 1, "free": ["*"] }),
        json!({ "for_s": 1, "max_uses": 1, "principal": "uid:0" }),
        Value::Null,
    ] {
        let more = json!({ "scope": "always", "reach": reach });
        scene.refuses(&reach.to_string(), bad, approval(&operator, &id, &more));
    }
    let once = json!({ "scope": "once", "reach": { "for_s": 1, "max_uses": 1 } });
    scene.refuses("once, but wider", bad, approval(&operator, &id, &once));
    let most = json!({ "scope": "always", "reach": { "for_s": 31_622_400, "max_uses": 1_000_000 } });
    approval(&operator, &id, &most).send().expect(200);
    let viewer = super::crowd::operator(&scene, "vera", "viewer");
    let revoke = viewer.post(&format!("/v1/standing/{id}/revoke"), &json!({}));
    scene.refuses("by a viewer", counted(403, "forbidden"), revoke);
    scene.end();
}

/// The agent has no word in how far an approval reaches.
#[test]
fn an_agent_cannot_widen_what_is_approved() {
    let scene = Scene::of(Gate::builder().policy(policy::ASK).config(LOOPBACK));
    let held = scene.post(scene.number()).header("X-LatchGate-Reason", "scope=always free=[url,number]");
    let id = held.send().expect(202)["approval_id"].as_str().unwrap().to_owned();
    scene.operator().approve(&id);
    is_held(&scene, "the next", scene.post(scene.number()));
    let mut more = scene.post_args(scene.number());
    more["scope"] = json!("always");
    let refusal = crate::scene::on_record(422, "schema_violation");
    scene.refuses("an argument more", refusal, scene.agent.call("tick", &more));
    let stranger = RawAgent { key: Key::generate(), ..scene.agent.clone() };
    let attack = stranger.post(&format!("/v1/standing/{id}/revoke"), &json!({}));
    assert_eq!(attack.send().status, 404);
    scene.also_counted("not_found", 1);
    scene.end();
}
