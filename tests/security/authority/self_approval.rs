//! No chain of an agent's own requests approves a call: not its key, not an operator's words used again or altered.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchgate_tests::{Attempt, Gate, Key, Proof, RawOperator, exchange, policy, private_file, tick};
use serde_json::json;

use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const INVALID: Refusal = counted(401, "invalid_dpop");

/// Approval of `id` as the operator would sign it.
fn approval(scene: &Scene, operator: &RawOperator, id: &str) -> Attempt {
    let digest = scene.operator().show(id)["plan_digest"].clone();
    operator.post(&format!("/v1/approvals/{id}/approve"), &json!({ "plan_digest": digest }))
}

/// After every attack: still pending, nothing done, and the operator can decide.
#[track_caller]
fn still_undecided(scene: Scene, id: &str) {
    assert_eq!(scene.effects(), 0);
    assert_eq!(scene.gate.entries_of("approval.decided").len(), 0);
    assert_eq!(scene.operator().show(id)["status"], "pending");
    let decided = approval(&scene, &scene.operator(), id).send().expect(200);
    assert_eq!((&decided["status"], &decided["effect"]), (&json!("approved"), &json!("done")));
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn an_agents_own_key_approves_nothing() {
    let scene = Scene::asking();
    let id = scene.hold();
    let agent = RawOperator::new(&scene.gate.admin_socket(), scene.agent.key.clone());
    scene.refuses("own key", counted(403, "forbidden"), approval(&scene, &agent, &id));
    let operator_jwk = scene.gate.operator_key().jwk();
    let forged = approval(&scene, &agent, &id).proof(move |proof| proof.header("jwk", operator_jwk));
    scene.refuses("own signature under the operator's key", INVALID, forged);
    still_undecided(scene, &id);
}

#[test]
fn an_operators_proof_for_another_request_approves_nothing() {
    let scene = Scene::asking();
    let (id, other) = (scene.hold(), scene.hold());
    let operator = scene.operator();
    let path = format!("/v1/approvals/{id}/approve");
    let digest = operator.show(&id)["plan_digest"].clone();
    let decision = json!({ "plan_digest": digest });
    let body = decision.to_string();
    let key = scene.gate.operator_key();
    let signed = |method: &str, path: &str| Proof::new(&key, method, &format!("http://localhost{path}"));
    for (what, proof) in [
        ("made to look", signed("GET", &format!("/v1/approvals/{id}"))),
        ("made to deny", signed("POST", &format!("/v1/approvals/{id}/deny")).body(body.as_bytes())),
        (
            "made for another call",
            signed("POST", &format!("/v1/approvals/{other}/approve")).body(body.as_bytes()),
        ),
        ("made for another body", signed("POST", &path).body(b"{}")),
        ("made without a body", signed("POST", &path)),
        ("made long ago", signed("POST", &path).body(body.as_bytes()).aged(-120)),
    ] {
        let attack = operator.post(&path, &decision).dpop(&[&proof.sign()]);
        scene.refuses(what, INVALID, attack);
    }
    still_undecided(scene, &id);
}

#[test]
fn a_decision_changed_after_signing_approves_nothing() {
    let scene = Scene::asking();
    let id = scene.hold();
    let bytes = String::from_utf8(approval(&scene, &scene.operator(), &id).bytes()).unwrap();
    // A member more would say more than was signed; the length is told along.
    let length = bytes.split("Content-Length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let longer = (length.parse::<usize>().unwrap() + 1).to_string();
    let changed =
        bytes.replace(&format!("Content-Length: {length}"), &format!("Content-Length: {longer}")) + " ";
    let before = scene.before();
    let reply = exchange(&scene.gate.admin_socket(), changed.as_bytes());
    scene.assert_refused("changed", &before, &reply, INVALID);
    still_undecided(scene, &id);
}

#[test]
fn a_replayed_denial_or_approval_decides_nothing_again() {
    let scene = Scene::asking();
    let id = scene.hold();
    let bytes = approval(&scene, &scene.operator(), &id).bytes();
    let socket = scene.gate.admin_socket();
    assert_eq!(exchange(&socket, &bytes).status, 200);
    let before = scene.before();
    let reply = exchange(&socket, &bytes);
    scene.assert_refused("replayed", &before, &reply, counted(401, "replay_detected"));
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn approving_another_plan_than_the_one_shown_approves_nothing() {
    let scene = Scene::asking();
    let (id, other) = (scene.hold(), scene.hold());
    let operator = scene.operator();
    let others = operator.show(&other)["plan_digest"].clone();
    for digest in [others, json!(format!("sha256:{}", "0".repeat(64)))] {
        let attack = operator.post(&format!("/v1/approvals/{id}/approve"), &json!({ "plan_digest": digest }));
        scene.refuses(&digest.to_string(), counted(409, "conflict"), attack);
    }
    for body in [json!({}), json!({ "plan_digest": null }), json!({ "plan_digest": "x" })] {
        let attack = operator.post(&format!("/v1/approvals/{id}/approve"), &body);
        scene.refuses(&body.to_string(), counted(400, "bad_request"), attack);
    }
    still_undecided(scene, &id);
}

/// Approval for more than once must be asked of the operator in words that this gate knows.
#[test]
fn a_wider_scope_is_not_granted_in_passing() {
    let scene = Scene::asking();
    let id = scene.hold();
    let operator = scene.operator();
    let digest = operator.show(&id)["plan_digest"].clone();
    for scope in ["session", "always", "forever"] {
        let body = json!({ "plan_digest": digest, "scope": scope });
        let attack = operator.post(&format!("/v1/approvals/{id}/approve"), &body);
        scene.refuses(scope, counted(400, "bad_request"), attack);
    }
    still_undecided(scene, &id);
}

#[test]
fn a_viewer_approves_revokes_and_ends_nothing() {
    let gate = Gate::builder()
        .policy(policy::ASK)
        .config(LOOPBACK)
        .manifest("tick.yaml", &tick::manifest())
        .prepare();
    let (viewer, local) = (Key::generate(), Key::generate());
    enrol(&gate, "viewer", "viewer", &viewer);
    enrol(&gate, "local", "admin", &local);
    let pem = local.signing().to_pkcs8_pem().unwrap();
    fs::create_dir_all(gate.keys()).unwrap();
    for dir in [gate.home().join("state"), gate.keys()] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
    }
    private_file(&gate.keys().join("operator-local.pem"), &pem);
    let scene = Scene::on(gate);
    let id = scene.hold();
    let viewer = RawOperator::new(&scene.gate.admin_socket(), viewer);
    let forbidden = counted(403, "forbidden");
    scene.refuses("approve", forbidden, approval(&scene, &viewer, &id));
    scene.refuses(
        "revoke",
        forbidden,
        viewer.post("/v1/revoke", &json!({ "target": { "all": "everything" } })),
    );
    scene.refuses("shutdown", forbidden, viewer.post("/v1/shutdown", &json!({})));
    assert_eq!(viewer.show(&id)["status"], "pending");
    still_undecided(scene, &id);
}

fn enrol(gate: &Gate, name: &str, role: &str, key: &Key) {
    let jwk = key.jwk();
    let text = |member: &str| jwk[member].as_str().unwrap().to_owned();
    let toml = format!(
        "role = \"{role}\"\n\n[jwk]\nkty = \"{}\"\ncrv = \"{}\"\nx = \"{}\"\ny = \"{}\"\n",
        text("kty"),
        text("crv"),
        text("x"),
        text("y")
    );
    let dir = gate.home().join("operators");
    fs::create_dir_all(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    private_file(&dir.join(format!("{name}.toml")), &toml);
}
