//! A proof that shows its private key is refused, not stripped: whoever sent it must consider the key lost.

use latchgate_tests::RawAgent;
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn a_private_member_in_the_header_is_refused() {
    let scene = Scene::allowing();
    let key = scene.agent.key.private_jwk();
    scene.repels("d", counted(401, "invalid_dpop"), |call| call.proof(move |proof| proof.header("jwk", key)));
    for member in ["d", "p", "q", "k", "oth"] {
        let mut jwk = scene.agent.key.jwk();
        jwk[member] = json!(null);
        scene.repels(member, counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.header("jwk", jwk))
        });
    }
    scene.end();
}

#[test]
fn a_private_key_gets_no_lease_and_is_not_repeated() {
    let scene = Scene::allowing();
    let (socket, key) = (scene.gate.agent_socket(), &scene.agent.key);
    let private = key.private_jwk();
    let attack = RawAgent::ask_for_lease(&socket, key, &json!({ "dpop_jwk": private }));
    let problem = scene.refuses("a private jwk", counted(400, "bad_request"), attack);
    let scalar = private["d"].as_str().unwrap();
    assert!(!problem.to_string().contains(scalar) && !scene.gate.log().contains(scalar));
    RawAgent::ask_for_lease(&socket, key, &json!({})).send().expect(200);
    scene.end();
}
