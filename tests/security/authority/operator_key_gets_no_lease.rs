//! An operator's key is no agent's key: who can decide cannot call, and a stolen lease cannot be bound to it.

use latchgate_tests::{Key, RawAgent};
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn an_operators_key_is_refused_a_lease_however_it_is_written() {
    let scene = Scene::allowing();
    let socket = scene.gate.agent_socket();
    let operator = scene.gate.operator_key();
    let mut dressed = operator.jwk();
    dressed["kid"] = json!("agent");
    dressed["use"] = json!("sig");
    for jwk in [operator.jwk(), dressed] {
        let attack = RawAgent::ask_for_lease(&socket, &operator, &json!({ "dpop_jwk": jwk }));
        scene.refuses(&jwk.to_string(), counted(403, "forbidden"), attack);
    }
    // The twin: any other key.
    let agent = RawAgent::connect_as(&socket, &Key::generate(), &json!({}));
    scene.post_by(&agent, scene.number()).send().expect(200);
    scene.end();
}
