//! An operator's token opens nothing without that operator's key, and no token but theirs goes with it.

use latchgate_tests::{Attempt, Key, RawOperator};
use latchgate_wire::operator_token::OperatorToken;
use serde_json::json;

use super::crowd::{approval, operator};
use crate::scene::{Refusal, Scene, counted};

const HEADER: &str = "X-LatchGate-Operator-Token";
const REFUSED: Refusal = counted(401, "invalid_operator_token");

fn token(byte: u8) -> OperatorToken {
    OperatorToken::from_entropy(&[byte; 32])
}

#[track_caller]
fn give(operator: &RawOperator, name: &str, token: &OperatorToken) {
    let body = json!({ "token": token.digest() });
    operator.post(&format!("/v1/operators/{name}/token"), &body).send().expect(200);
}

#[test]
fn a_token_without_its_operators_key_authorises_nothing() {
    let scene = Scene::asking();
    let id = scene.hold();
    let (ana, bob) = (operator(&scene, "ana", "approver"), operator(&scene, "bob", "approver"));
    let own = token(1);
    give(&ana, "ana", &own);
    let attack = |attempt: Attempt| attempt.header(HEADER, own.expose());
    let bare = || attack(approval(&ana, &id, &json!({}))).dpop(&[]);
    scene.refuses("alone", counted(401, "missing_dpop_header"), bare());
    let in_place = bare().authorization(&[&format!("Bearer {}", own.expose())]);
    scene.refuses("in place of a lease", counted(401, "missing_dpop_header"), in_place);
    let path = format!("/v1/approvals/{id}/approve");
    let digest = json!({ "plan_digest": ana.show(&id)["plan_digest"] });
    let stranger = RawOperator::new(&scene.gate.admin_socket(), Key::generate());
    let agent = RawOperator::new(&scene.gate.admin_socket(), scene.agent.key.clone());
    for (whose, key) in [("a stranger's", &stranger), ("the agent's", &agent)] {
        let what = format!("with {whose} key");
        scene.refuses(&what, counted(403, "forbidden"), attack(key.post(&path, &digest)));
    }
    scene.refuses("with another operator's key", REFUSED, attack(approval(&bob, &id, &json!({}))));
    assert_eq!(ana.show(&id)["status"], "pending");
    // The twin: with the key that it was made beside.
    assert_eq!(attack(approval(&ana, &id, &json!({}))).send().expect(200)["effect"], "done");
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn a_wrong_token_is_refused_beside_the_right_key() {
    let scene = Scene::asking();
    let id = scene.hold();
    let ana = operator(&scene, "ana", "approver");
    let decide = || approval(&ana, &id, &json!({}));
    let own = token(1);
    scene.refuses("of one who has none", REFUSED, decide().header(HEADER, own.expose()));
    give(&ana, "ana", &own);
    let (other, digest) = (token(2), serde_json::to_value(own.digest()).unwrap());
    let shortened = &own.expose()[..own.expose().len() - 1];
    let wrong = ["", other.expose(), shortened, &own.expose().to_uppercase(), digest.as_str().unwrap()];
    for value in wrong {
        scene.refuses(&format!("`{value}`"), REFUSED, decide().header(HEADER, value));
    }
    let twice = decide().header(HEADER, own.expose()).header(HEADER, own.expose());
    scene.refuses("twice", REFUSED, twice);
    assert_eq!(ana.show(&id)["status"], "pending");
    // The twins: the right one, and none at all, because the key decides.
    ana.get("/v1/approvals").header(HEADER, own.expose()).send().expect(200);
    assert_eq!(decide().send().expect(200)["effect"], "done");
    scene.end();
}

#[test]
fn a_new_token_ends_the_old_one_across_restarts_and_nobody_sets_anothers() {
    let mut scene = Scene::asking();
    let (ana, bob) = (operator(&scene, "ana", "approver"), operator(&scene, "bob", "approver"));
    let (old, new) = (token(1), token(2));
    let forbidden = counted(403, "forbidden");
    let body = json!({ "token": old.digest() });
    scene.refuses("another's", forbidden, bob.post("/v1/operators/ana/token", &body));
    let unsaid = bob.post("/v1/operators/bob/token", &json!({}));
    scene.refuses("neither one nor none", counted(400, "bad_request"), unsaid);
    give(&ana, "ana", &old);
    give(&scene.operator(), "ana", &new);
    let changed = scene.gate.entries_of("operators.changed");
    let by: Vec<_> = changed.iter().rev().take(2).map(|e| e["signed"]["operator"].clone()).collect();
    assert_eq!(by, ["local", "ana"]);
    assert_eq!(changed.last().unwrap()["operators"]["ana"]["token"], json!(new.digest()));
    let look = |token: &OperatorToken| ana.get("/v1/approvals").header(HEADER, token.expose());
    scene.refuses("the old one", REFUSED, look(&old));
    scene.gate.restart();
    scene.await_reads();
    scene.refuses("the old one after a restart", REFUSED, look(&old));
    look(&new).send().expect(200);
    // A new key keeps the token, and the token taken away is refused.
    let key = Key::generate();
    ana.post("/v1/operators/ana/rotate", &json!({ "jwk": key.jwk() })).send().expect(200);
    let ana = RawOperator::new(&scene.gate.admin_socket(), key);
    let look = || ana.get("/v1/approvals").header(HEADER, new.expose());
    look().send().expect(200);
    ana.post("/v1/operators/ana/token", &json!({ "token": null })).send().expect(200);
    scene.refuses("taken away", REFUSED, look());
    ana.get("/v1/approvals").send().expect(200);
    for log in [scene.gate.log(), json!(scene.gate.entries()).to_string()] {
        assert!(!log.contains("lgop_"), "a token was written down");
    }
    scene.end();
}
