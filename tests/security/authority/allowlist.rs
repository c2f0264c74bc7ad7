//! A host is allowed by an admin, by its name, and by nobody and nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use latchgate_tests::{Attempt, Gate, RawAgent, RawOperator, policy, private_file, tick};
use serde_json::{Value, json};

use super::crowd::operator;
use crate::scene::{LOOPBACK, Scene, counted, on_record};

const HOST: &str = "docs.localhost";

fn allow(operator: &RawOperator, scene: &Scene) -> Attempt {
    operator.post("/v1/allowlist", &body(scene))
}

fn body(scene: &Scene) -> Value {
    json!({ "principal": principal(&scene.gate), "action_id": "tick", "host": HOST })
}

/// Of everybody here: the agents' processes are of the gate's own user.
fn principal(gate: &Gate) -> String {
    format!("uid:{}", fs::metadata(gate.home()).unwrap().uid())
}

/// A call to the host in question.
fn call(scene: &Scene, agent: &RawAgent) -> Attempt {
    let url = format!("http://{HOST}:{}/effect", scene.upstream.port());
    agent.call("tick", &json!({ "url": url, "number": scene.number() }))
}

/// The twin: an admin's word, and the call is made.
#[track_caller]
fn allows(scene: &Scene, operator: &RawOperator) -> String {
    let before = scene.effects();
    let allowed = allow(operator, scene).send().expect(200);
    call(scene, &scene.agent).send().expect(200);
    assert_eq!(scene.effects(), before + 1);
    allowed["allowance"]["rule"].as_str().unwrap().to_owned()
}

fn under(cedar: &str) -> Scene {
    Scene::of(Gate::builder().policy(cedar).config(LOOPBACK))
}

#[test]
fn nobody_but_an_admin_allows_a_host_or_takes_one_back() {
    let scene = Scene::asking();
    let (viewer, approver) = (operator(&scene, "vic", "viewer"), operator(&scene, "ann", "approver"));
    let agent = RawOperator::new(&scene.gate.admin_socket(), scene.agent.key.clone());
    let request = body(&scene);
    let refused = counted(403, "forbidden");
    for (who, other) in [("a viewer", &viewer), ("an approver", &approver), ("an agent", &agent)] {
        scene.refuses(who, refused, other.post("/v1/allowlist", &request));
    }
    let leased = Attempt::new(
        &scene.gate.agent_socket(),
        &scene.agent.key,
        Some(&scene.agent.lease),
        "POST",
        "/v1/allowlist",
    );
    scene.refuses("the agents' socket", counted(404, "not_found"), leased.json(&request));
    let rule = allows(&scene, &scene.operator());
    for (who, other) in [("a viewer", &viewer), ("an approver", &approver), ("an agent", &agent)] {
        let attack = other.post(&format!("/v1/allowlist/{rule}/remove"), &json!({}));
        scene.refuses(&format!("{who} takes it back"), refused, attack);
    }
    // Whoever may look sees it.
    assert_eq!(viewer.get("/v1/allowlist").send().expect(200)["allowances"][0]["rule"], rule.as_str());
    scene.operator().post(&format!("/v1/allowlist/{rule}/remove"), &json!({})).send().expect(200);
    call(&scene, &scene.agent).send().expect(202);
    scene.end();
}

#[test]
fn a_body_that_was_not_signed_allows_nothing() {
    let scene = Scene::asking();
    let request = body(&scene);
    let admin = scene.operator();
    let attack = || admin.post("/v1/allowlist", &request);
    scene.refuses("another body's", counted(401, "invalid_dpop"), attack().proof(|proof| proof.body(b"{}")));
    scene.refuses("nobody's", counted(401, "invalid_dpop"), attack().proof(|proof| proof.without("bh")));
    allows(&scene, &scene.operator());
    scene.end();
}

#[test]
fn words_are_never_taken_for_a_pattern() {
    let scene = Scene::asking();
    let admin = scene.operator();
    for host in [
        "*",
        "*.localhost",
        "docs.*",
        "docs.localhost\"",
        "docs.localhost\n",
        "DOCS.localhost",
        "127.0.0.1",
        "[::1]",
        "localhost",
        "",
    ] {
        let mut request = body(&scene);
        request["host"] = json!(host);
        scene.refuses(host, counted(400, "bad_request"), admin.post("/v1/allowlist", &request));
    }
    for (member, value, code) in [
        ("principal", json!("uid:*"), 400),
        ("principal", json!("agent:ghost"), 404),
        ("action_id", json!("t*"), 404),
        ("instead_of", json!(["ask"]), 400),
    ] {
        let mut request = body(&scene);
        request[member] = value;
        let refusal = counted(code, if code == 400 { "bad_request" } else { "not_found" });
        scene.refuses(member, refusal, admin.post("/v1/allowlist", &request));
    }
    let own = "allowed.0000000000000000";
    for rule in ["ask", own, "..%2Fpolicy", "policy"] {
        let attack = admin.post(&format!("/v1/allowlist/{rule}/remove"), &json!({}));
        scene.refuses(rule, counted(404, "not_found"), attack);
    }
    allows(&scene, &admin);
    scene.end();
}

#[test]
fn what_is_denied_critical_or_decided_by_two_is_not_allowed_away() {
    let forbid =
        format!("{}\n@id(\"no\") forbid (principal, action == Action::\"tick\", resource);", policy::ASK);
    let several = policy::ASK.replace("@ask", "@approvers(\"2\")\n@ask");
    for (what, cedar) in [("denied", forbid.as_str()), ("by two", &several)] {
        let scene = under(cedar);
        let attack = scene.operator().post("/v1/allowlist", &body(&scene));
        scene.refuses(what, counted(403, "forbidden"), attack);
        scene.end();
    }
    let critical = tick::manifest().replace("risk_level: high", "risk_level: critical");
    let gate = Gate::builder().policy(policy::ASK).config(LOOPBACK).manifest("tick.yaml", &critical).start();
    let request = json!({ "principal": principal(&gate), "action_id": "tick", "host": HOST });
    let reply = gate.raw_operator().post("/v1/allowlist", &request).send();
    assert_eq!(reply.outcome(), (403, "forbidden".to_owned()));
    assert_eq!(gate.entries_of("config.changed").len(), 1);
    // The twin differs in nothing but the risk.
    let scene = Scene::asking();
    allows(&scene, &scene.operator());
    scene.end();
}

#[test]
fn a_rule_that_denies_beats_what_was_allowed() {
    let scene = Scene::asking();
    allows(&scene, &scene.operator());
    let file = scene.gate.home().join("policies/zz.cedar");
    let forbid = "@id(\"stop\") forbid (principal, action == Action::\"tick\", resource);";
    private_file(&file, forbid);
    let admin = scene.operator();
    // What was changed by hand is not put in force along the way.
    let mut other = body(&scene);
    other["host"] = json!("other.localhost");
    scene.refuses("beside files that changed", counted(409, "conflict"), admin.post("/v1/allowlist", &other));
    call(&scene, &scene.agent).send().expect(200);
    admin.post("/v1/reload", &json!({})).send().expect(200);
    let before = scene.before();
    let reply = call(&scene, &scene.agent).send();
    scene.assert_refused("a call to it", &before, &reply, on_record(403, "policy_denied"));
    scene.end();
}

#[test]
fn what_was_allowed_outlives_a_restart_and_a_hand_that_widens_it_is_seen() {
    let mut scene = Scene::asking();
    let rule = allows(&scene, &scene.operator());
    let file = scene.gate.home().join(format!("policies/{rule}.yaml"));
    let text = fs::read_to_string(&file).unwrap();
    let digest = scene.operator().status()["policy_digest"].clone();
    assert!(scene.gate.terminate().success());
    scene.gate.start().unwrap();
    scene.agent = scene.gate.raw_agent();
    assert_eq!(scene.operator().status()["policy_digest"], digest);
    call(&scene, &scene.agent).send().expect(200);
    fs::write(&file, text.replace(HOST, "*.localhost")).unwrap();
    scene.operator().post("/v1/reload", &json!({})).send().expect(200);
    assert_ne!(
        scene.operator().status()["policy_digest"],
        digest,
        "a change by hand is a change of the policy"
    );
    let listed = scene.operator().get("/v1/allowlist").send().expect(200);
    assert_eq!(listed["allowances"], json!([]), "it is a rule like others now, and no allowance");
    scene.end();
}
