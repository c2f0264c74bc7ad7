//! Operators do what their role says, as long as they are operators, each with a key of their own.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::{Gate, Key, RawOperator, exchange, policy};
use serde_json::json;

use super::crowd::{agent_file, approval, operator, operator_file, write_rules};
use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const FORBIDDEN: Refusal = counted(403, "forbidden");

#[test]
fn a_viewer_decides_nothing_and_an_approver_rules_nobody() {
    let scene = Scene::asking();
    let id = scene.hold();
    let (viewer, approver) = (operator(&scene, "vera", "viewer"), operator(&scene, "ana", "approver"));
    scene.refuses("a viewer approves", FORBIDDEN, approval(&viewer, &id, &json!({})));
    let new = || json!({ "name": "bob", "role": "admin", "jwk": Key::generate().jwk() });
    let agent = || json!({ "name": "ci", "jwk": Key::generate().jwk() });
    for by in [&viewer, &approver] {
        scene.refuses("add an operator", FORBIDDEN, by.post("/v1/operators", &new()));
        scene.refuses("add an agent", FORBIDDEN, by.post("/v1/agents", &agent()));
        scene.refuses("remove an operator", FORBIDDEN, by.post("/v1/operators/local/remove", &json!({})));
        let another = json!({ "jwk": Key::generate().jwk() });
        scene.refuses("another's key", FORBIDDEN, by.post("/v1/operators/local/rotate", &another));
        scene.refuses("reload", FORBIDDEN, by.post("/v1/reload", &json!({})));
        let all = json!({ "target": { "all": "everything" } });
        scene.refuses("revoke", FORBIDDEN, by.post("/v1/revoke", &all));
    }
    // The twins: what their roles are for.
    assert_eq!(viewer.show(&id)["status"], "pending");
    assert_eq!(approval(&approver, &id, &json!({})).send().expect(200)["effect"], "done");
    let own = json!({ "jwk": Key::generate().jwk() });
    viewer.post("/v1/operators/vera/rotate", &own).send().expect(200);
    scene.operator().post("/v1/operators", &new()).send().expect(200);
    scene.end();
}

#[test]
fn a_removed_operator_decides_nothing() {
    let scene = Scene::asking();
    let (first, second) = (scene.hold(), scene.hold());
    let ana = operator(&scene, "ana", "approver");
    approval(&ana, &first, &json!({})).send().expect(200);
    // Signed while she still was one: what counts is when it arrives.
    let signed_before = approval(&ana, &second, &json!({}));
    scene.operator().post("/v1/operators/ana/remove", &json!({})).send().expect(200);
    scene.refuses("signed before", FORBIDDEN, signed_before);
    scene.refuses("looking", FORBIDDEN, ana.get("/v1/approvals"));
    let changed = scene.gate.entries_of("operators.changed");
    let last = changed.last().unwrap();
    assert_eq!(last["signed"]["operator"], "local");
    assert!(last["operators"].get("ana").is_none());
    assert_eq!(scene.operator().approve(&second)["effect"], "done");
    scene.end();
}

#[test]
fn the_last_admin_stays() {
    let scene = Scene::allowing();
    let remove = || scene.operator().post("/v1/operators/local/remove", &json!({}));
    scene.refuses("the last", FORBIDDEN, remove());
    let ana = operator(&scene, "ana", "admin");
    remove().send().expect(200);
    scene.refuses("gone", FORBIDDEN, remove());
    ana.get("/v1/operators").send().expect(200);
    scene.end_by(&ana);
}

/// One key under two names would make two people of one.
#[test]
fn one_key_under_two_names_is_refused_at_load_and_on_the_wire() {
    let prepare = || Gate::builder().policy(policy::ASK).config(LOOPBACK).prepare();
    let (key, other) = (Key::generate(), Key::generate());
    let mut gate = prepare();
    operator_file(&gate, "ana", "approver", &key);
    operator_file(&gate, "bob", "approver", &key);
    let refused = gate.start().unwrap_err();
    assert!(refused.stderr.contains("give each name a key of its own"), "{}", refused.stderr);
    // The twin: two keys.
    operator_file(&gate, "bob", "approver", &other);
    gate.start().unwrap();

    let mut gate = prepare();
    agent_file(&gate, "ci", &key);
    agent_file(&gate, "cj", &key);
    let refused = gate.start().unwrap_err();
    assert!(refused.stderr.contains("give each name a key of its own"), "{}", refused.stderr);

    let scene = Scene::asking();
    let key = operator(&scene, "ana", "approver").key;
    let twice = json!({ "name": "bob", "role": "approver", "jwk": key.jwk() });
    scene.refuses("added", counted(409, "already_exists"), scene.operator().post("/v1/operators", &twice));
    let mine = json!({ "jwk": key.jwk() });
    let rotated = scene.operator().post("/v1/operators/local/rotate", &mine);
    scene.refuses("rotated to", counted(409, "already_exists"), rotated);
    scene.end();
}

/// Many at once with one key: one is taken, and the gate starts again on what they left.
#[test]
fn one_key_added_under_many_names_at_once_is_one_operators() {
    const CALLERS: usize = 16;
    let mut scene = Scene::allowing();
    let key = Key::generate();
    let add = |n: usize| {
        let body = json!({ "name": format!("o{n}"), "role": "approver", "jwk": key.jwk() });
        scene.operator().post("/v1/operators", &body).bytes()
    };
    let requests: Vec<Vec<u8>> = (0..CALLERS).map(add).collect();
    let (socket, barrier) = (scene.gate.admin_socket(), Barrier::new(CALLERS));
    let send = |bytes: &[u8]| {
        barrier.wait();
        exchange(&socket, bytes).status
    };
    let mut statuses: Vec<u16> = thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(|| send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1], statuses[CALLERS - 1]), (200, 409, 409), "{statuses:?}");
    scene.also_counted("already_exists", CALLERS as u64 - 1);
    scene.gate.restart();
    let listed = scene.operator().get("/v1/operators").send().expect(200);
    assert_eq!(listed["operators"].as_array().unwrap().len(), 2);
    scene.end();
}

const QUORUM: &str = "rules:
  - { id: two-say-so, then: ask, ask: two people must agree, approvers: 2, when: { action: tick } }
";

#[test]
fn one_person_is_no_quorum_under_a_new_key_either_and_two_are() {
    let gate = Gate::builder().policy("// In rules.yaml.\n").config(LOOPBACK);
    let gate = gate.manifest("tick.yaml", &latchgate_tests::tick::manifest()).prepare();
    write_rules(&gate, QUORUM);
    let scene = Scene::on(gate);
    let id = scene.hold();
    let (ana, bob) = (operator(&scene, "ana", "approver"), operator(&scene, "bob", "approver"));
    let first = approval(&ana, &id, &json!({})).send().expect(200);
    assert_eq!(first["status"], "pending");
    assert_eq!(scene.effects(), 0);
    let decided = counted(409, "approval_decided");
    scene.refuses("the same person", decided, approval(&ana, &id, &json!({})));
    let new = Key::generate();
    ana.post("/v1/operators/ana/rotate", &json!({ "jwk": new.jwk() })).send().expect(200);
    let rotated = RawOperator::new(&scene.gate.admin_socket(), new);
    scene.refuses("under a new key", decided, approval(&rotated, &id, &json!({})));
    assert_eq!(bob.show(&id)["approved_by"], json!(["ana"]));
    // A quorum is for the call that was shown: it opens nothing wider.
    let wide = json!({ "scope": "always", "reach": { "for_s": 60, "max_uses": 5 } });
    scene.refuses("wider", decided, approval(&bob, &id, &wide));
    // The twin: another person.
    let second = approval(&bob, &id, &json!({})).send().expect(200);
    assert_eq!((&second["status"], &second["effect"]), (&json!("approved"), &json!("done")));
    assert_eq!(scene.effects(), 1);
    let by: Vec<_> =
        scene.gate.entries_of("approval.decided").iter().map(|e| e["signed"]["operator"].clone()).collect();
    assert_eq!(by, ["ana", "bob"]);
    scene.end();
}
