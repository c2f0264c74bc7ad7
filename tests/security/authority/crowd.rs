//! More people and agents than the first start makes: operators with their keys, enrolled agents, and what they sign.

use latchgate_tests::{Attempt, Gate, GateBuilder, Key, RawAgent, RawOperator, private_file, tick};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

/// A gate with these rules, which are plain ones.
pub fn ruled(rules: &str) -> Scene {
    let policy = "// Everything is in rules.yaml.\n";
    let gate = Gate::builder().policy(policy).config(LOOPBACK);
    Scene::on(with_rules(gate, rules))
}

/// A gate to be, whose plain rules are these.
pub fn with_rules(builder: GateBuilder, rules: &str) -> Gate {
    let gate = builder.manifest("tick.yaml", &tick::manifest()).prepare();
    write_rules(&gate, rules);
    gate
}

pub fn write_rules(gate: &Gate, rules: &str) {
    private_file(&gate.home().join("policies/rules.yaml"), format!("format: 1\n{rules}"));
}

/// Adds an operator through the admin socket.
#[track_caller]
pub fn operator(scene: &Scene, name: &str, role: &str) -> RawOperator {
    let key = Key::generate();
    let body = json!({ "name": name, "role": role, "jwk": key.jwk() });
    scene.operator().post("/v1/operators", &body).send().expect(200);
    RawOperator::new(&scene.gate.admin_socket(), key)
}

/// Enrols an agent: its key, which has no lease yet.
#[track_caller]
pub fn enrolled(scene: &Scene, name: &str) -> Key {
    let key = Key::generate();
    let body = json!({ "name": name, "jwk": key.jwk() });
    scene.operator().post("/v1/agents", &body).send().expect(200);
    key
}

/// A request for a lease with this body, signed by this key.
pub fn lease_request(scene: &Scene, signer: &Key, jwk: &Value, more: &Value) -> Attempt {
    let mut body = json!({ "dpop_jwk": jwk });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Attempt::new(&scene.gate.agent_socket(), signer, None, "POST", "/v1/leases").json(&body)
}

/// The agent of an enrolled key, with a lease that it proved itself for.
#[track_caller]
pub fn agent(scene: &Scene, key: &Key) -> RawAgent {
    agent_with(scene, key, &json!({}))
}

#[track_caller]
pub fn agent_with(scene: &Scene, key: &Key, more: &Value) -> RawAgent {
    let lease = lease_request(scene, key, &key.jwk(), more).send().expect(200);
    let text = |name: &str| lease[name].as_str().unwrap().to_owned();
    RawAgent {
        key: key.clone(),
        lease: text("lease_jwt"),
        session_id: text("session_id"),
        lease_jti: text("lease_jti"),
        principal: text("principal"),
        socket: scene.gate.agent_socket(),
    }
}

/// Approval of `id` as `operator` signs it, with these members beside the plan's digest.
pub fn approval(operator: &RawOperator, id: &str, more: &Value) -> Attempt {
    let mut body = json!({ "plan_digest": operator.show(id)["plan_digest"] });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    operator.post(&format!("/v1/approvals/{id}/approve"), &body)
}

/// One file of `operators/`, as the gate writes it.
pub fn operator_file(gate: &Gate, name: &str, role: &str, key: &Key) {
    private_file(
        &gate.home().join(format!("operators/{name}.toml")),
        format!("role = \"{role}\"\n\n{}", jwk_table(key)),
    );
}

/// One file of `agents/`, as the gate writes it.
pub fn agent_file(gate: &Gate, name: &str, key: &Key) {
    private_file(&gate.home().join(format!("agents/{name}.toml")), jwk_table(key));
}

fn jwk_table(key: &Key) -> String {
    let jwk = key.jwk();
    let member = |name: &str| format!("{name} = {}\n", jwk[name]);
    format!("[jwk]\n{}", ["kty", "crv", "x", "y"].map(member).concat())
}
