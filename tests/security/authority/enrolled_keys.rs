//! An enrolled agent is who proves its key: not who shows it, claims its name, or once had it.

use latchgate_tests::{Key, RawAgent, exchange};
use serde_json::{Value, json};

use super::crowd::{agent, agent_file, enrolled, lease_request, ruled};
use crate::scene::{Refusal, Scene, counted, on_record};

const INVALID: Refusal = counted(401, "invalid_dpop");
const REVOKED: Refusal = counted(401, "lease_revoked");

#[test]
fn an_enrolled_key_gets_no_lease_without_its_own_proof() {
    let scene = Scene::allowing();
    let (ci, stranger) = (enrolled(&scene, "ci"), Key::generate());
    let ask = |signer: &Key| lease_request(&scene, signer, &ci.jwk(), &json!({}));
    scene.refuses("no proof", counted(401, "missing_dpop_header"), ask(&ci).dpop(&[]));
    scene.refuses("another key's proof", INVALID, ask(&stranger));
    let other_body = lease_request(&scene, &ci, &ci.jwk(), &json!({}));
    scene.refuses("without a body hash", INVALID, other_body.proof(|proof| proof.without("bh")));
    scene.refuses("over another body", INVALID, ask(&ci).proof(|proof| proof.body(b"{}")));
    scene.refuses("for another route", INVALID, {
        ask(&ci).proof(|proof| proof.claim("htu", "http://localhost/v1/leases/renew"))
    });
    scene.refuses("old", INVALID, ask(&ci).proof(|proof| proof.aged(-120)));
    // The twin: its own proof.
    let agent = agent(&scene, &ci);
    assert_eq!(agent.principal, "agent:ci");
    scene.post_by(&agent, scene.number()).send().expect(200);
    assert_eq!(scene.gate.entries_of("call.outcome")[0]["principal"], "agent:ci");
    scene.end();
}

#[test]
fn a_proof_for_a_lease_works_once_across_restarts() {
    let mut scene = Scene::allowing();
    let ci = enrolled(&scene, "ci");
    let bytes = lease_request(&scene, &ci, &ci.jwk(), &json!({})).bytes();
    let socket = scene.gate.agent_socket();
    assert_eq!(exchange(&socket, &bytes).status, 200);
    scene.gate.kill9();
    scene.gate.restart();
    for when in ["after a kill and a restart", "and again"] {
        let before = scene.before();
        let reply = exchange(&socket, &bytes);
        scene.assert_refused(when, &before, &reply, counted(401, "replay_detected"));
    }
    agent(&scene, &ci);
    scene.end();
}

#[test]
fn a_removed_agents_leases_stop_and_its_key_is_a_strangers() {
    let scene = Scene::allowing();
    let ci = enrolled(&scene, "ci");
    let agent_before = agent(&scene, &ci);
    scene.post_by(&agent_before, scene.number()).send().expect(200);
    scene.operator().post("/v1/agents/ci/remove", &json!({})).send().expect(200);
    let revoked = &scene.gate.entries_of("lease.revoked")[0];
    assert_eq!(
        (&revoked["target"], &revoked["operator"]),
        (&json!({"principal": "agent:ci"}), &json!("local"))
    );
    scene.refuses("the next call", REVOKED, scene.post_by(&agent_before, scene.number()));
    scene.refuses("a renewal", REVOKED, agent_before.post("/v1/leases/renew", &json!({})));
    let stranger = RawAgent::connect_as(&scene.gate.agent_socket(), &ci, &json!({}));
    assert!(stranger.principal.starts_with("uid:"), "{}", stranger.principal);
    // The twin: who was not removed.
    scene.post(scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn a_rotated_agents_old_key_and_leases_are_worth_nothing() {
    let scene = Scene::allowing();
    let (ci, new) = (enrolled(&scene, "ci"), Key::generate());
    let old = agent(&scene, &ci);
    scene.operator().post("/v1/agents/ci/rotate", &json!({ "jwk": new.jwk() })).send().expect(200);
    scene.refuses("the old lease", REVOKED, scene.post_by(&old, scene.number()));
    let proved = lease_request(&scene, &ci, &ci.jwk(), &json!({})).send().expect(200);
    assert!(proved["principal"].as_str().unwrap().starts_with("uid:"), "{proved}");
    let stolen = lease_request(&scene, &ci, &new.jwk(), &json!({}));
    scene.refuses("the new key by the old one's proof", INVALID, stolen);
    let taken = scene.operator().post("/v1/agents/ci/rotate", &json!({ "jwk": new.jwk() }));
    scene.refuses("the same key again", counted(409, "already_exists"), taken);
    // The twin: the new key.
    let agent = agent(&scene, &new);
    assert_eq!(agent.principal, "agent:ci");
    scene.post_by(&agent, scene.number()).send().expect(200);
    scene.end();
}

/// Whoever rules the files removes agents by hand, with the gate running or not.
#[test]
fn an_agent_whose_file_is_gone_is_removed_like_any_other() {
    let mut scene = Scene::allowing();
    let (one, two) = (enrolled(&scene, "one"), enrolled(&scene, "two"));
    let (first, second) = (agent(&scene, &one), agent(&scene, &two));
    std::fs::remove_file(scene.gate.home().join("agents/one.toml")).unwrap();
    scene.operator().post("/v1/reload", &json!({})).send().expect(200);
    scene.refuses("after a reload", REVOKED, scene.post_by(&first, scene.number()));
    scene.post_by(&second, scene.number()).send().expect(200);
    agent_file(&scene.gate, "two", &Key::generate());
    scene.gate.restart();
    scene.refuses("after a restart", REVOKED, scene.post_by(&second, scene.number()));
    scene.post(scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn a_key_that_somebody_has_is_nobody_elses() {
    let scene = Scene::allowing();
    let (ci, operator) = (enrolled(&scene, "ci"), scene.gate.operator_key());
    let taken = counted(409, "already_exists");
    let add = |path: &str, body: Value| scene.operator().post(path, &body);
    scene.refuses(
        "an agent's for an agent",
        taken,
        add("/v1/agents", json!({"name": "cj", "jwk": ci.jwk()})),
    );
    scene.refuses("an operator's for an agent", taken, {
        add("/v1/agents", json!({"name": "cj", "jwk": operator.jwk()}))
    });
    scene.refuses("an agent's for an operator", taken, {
        add("/v1/operators", json!({"name": "ana", "role": "viewer", "jwk": ci.jwk()}))
    });
    scene.refuses("a name that is taken", taken, {
        add("/v1/agents", json!({"name": "ci", "jwk": Key::generate().jwk()}))
    });
    for name in ["", "a/b", "../x", "a b", "a\u{202e}b", &"x".repeat(65)] {
        let body = json!({"name": name, "jwk": Key::generate().jwk()});
        scene.refuses(name, counted(400, "bad_request"), add("/v1/agents", body));
    }
    scene.refuses("a private key", counted(400, "bad_request"), {
        add("/v1/agents", json!({"name": "cj", "jwk": Key::generate().private_jwk()}))
    });
    enrolled(&scene, "cj");
    scene.end();
}

const BY_NAME: &str = "rules:
  - { id: ci-sends, then: allow, when: { agent: ci, action: tick } }
";

/// A label claims; the rule's `agent` is who proved itself.
#[test]
fn a_claimed_name_is_not_the_enrolled_agent() {
    let scene = ruled(BY_NAME);
    let ci = enrolled(&scene, "ci");
    let impostor = scene.gate.raw_agent_with(&json!({ "agent_id": "ci" }));
    assert!(impostor.principal.starts_with("uid:"));
    let denied = on_record(403, "policy_denied");
    scene.refuses("a claim", denied, scene.post_by(&impostor, scene.number()));
    let other = enrolled(&scene, "other");
    let other = super::crowd::agent_with(&scene, &other, &json!({ "agent_id": "ci" }));
    scene.refuses("another agent's claim", denied, scene.post_by(&other, scene.number()));
    // The twin: the key.
    scene.post_by(&agent(&scene, &ci), scene.number()).send().expect(200);
    scene.end();
}

/// `--agent NAME` stops whoever is that agent and whoever says so.
#[test]
fn a_revoked_agent_name_covers_the_enrolled_key_and_the_claimed_label() {
    let scene = Scene::asking();
    let ci = agent(&scene, &enrolled(&scene, "ci"));
    let label = scene.gate.raw_agent_with(&json!({ "agent_id": "ci" }));
    let hold = |agent: &RawAgent| {
        let held = scene.post_by(agent, scene.number()).send().expect(202);
        held["approval_id"].as_str().unwrap().to_owned()
    };
    let (by_key, by_label, by_other) = (hold(&ci), hold(&label), scene.hold());
    let ran = scene.gate.cli(&["revoke", "--agent", "ci"]).exited(0);
    assert!(ran.stdout.contains("ci"), "{}", ran.stdout);
    for agent in [&ci, &label] {
        scene.refuses(&agent.principal, REVOKED, scene.post_by(agent, scene.number()));
    }
    let decided = scene.gate.entries_of("approval.decided");
    let mut void: Vec<_> = decided.iter().map(|entry| entry["approval_id"].as_str().unwrap()).collect();
    void.sort_unstable();
    let mut expected = [by_key.as_str(), by_label.as_str()];
    expected.sort_unstable();
    assert_eq!(void, expected);
    assert!(decided.iter().all(|entry| entry["decision"] == "void"), "{decided:#?}");
    assert_eq!(scene.operator().approve(&by_other)["effect"], "done");
    scene.end();
}
