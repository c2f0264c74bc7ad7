//! What operators do, an agent's key cannot do, on whichever socket it tries.

use latchgate_tests::{Attempt, RawAgent};
use serde_json::{Value, json};

use crate::scene::{Scene, counted};

/// Every route of the operators: method, path (with the id of a held call) and body.
fn routes(approval_id: &str, plan_digest: &Value) -> Vec<(&'static str, String, Value)> {
    let decision = json!({ "plan_digest": plan_digest });
    vec![
        ("GET", "/v1/status".into(), Value::Null),
        ("GET", "/v1/actions".into(), Value::Null),
        ("GET", "/v1/approvals".into(), Value::Null),
        ("GET", format!("/v1/approvals/{approval_id}"), Value::Null),
        ("GET", "/v1/audit".into(), Value::Null),
        ("POST", format!("/v1/approvals/{approval_id}/approve"), decision.clone()),
        ("POST", format!("/v1/approvals/{approval_id}/deny"), decision),
        ("POST", "/v1/revoke".into(), json!({ "target": { "all": "everything" } })),
        ("POST", "/v1/shutdown".into(), json!({})),
    ]
}

/// The request on this socket, signed by the agent; the body only where there is one.
fn signed(scene: &Scene, lease: Option<&str>, route: &(&'static str, String, Value)) -> Attempt {
    let (method, path, body) = route;
    let attempt = Attempt::new(&scene.gate.admin_socket(), &scene.agent.key, lease, method, path);
    if body.is_null() { attempt } else { attempt.json(body) }
}

#[test]
fn an_agents_key_opens_no_route_on_the_admin_socket() {
    let scene = Scene::asking();
    let id = scene.hold();
    let digest = scene.operator().show(&id)["plan_digest"].clone();
    for route in routes(&id, &digest) {
        let what = format!("{} {}", route.0, route.1);
        scene.refuses(&what, counted(403, "forbidden"), signed(&scene, None, &route));
        let lease = scene.agent.lease.clone();
        scene.refuses(&what, counted(403, "forbidden"), signed(&scene, Some(&lease), &route));
        let unsigned = signed(&scene, Some(&lease), &route).dpop(&[]);
        scene.refuses(&what, counted(401, "missing_dpop_header"), unsigned);
    }
    assert_eq!(scene.operator().show(&id)["status"], "pending");
    // The twin: the operator's key. Shutdown comes with the end of the scene.
    let operator = scene.operator();
    for (method, path, _) in routes(&id, &digest).iter().filter(|route| route.0 == "GET") {
        operator.get(path).method(method).send().expect(200);
    }
    assert_eq!(operator.approve(&id)["effect"], "done");
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn the_agents_socket_has_no_operators_routes() {
    let scene = Scene::asking();
    let id = scene.hold();
    let operator = scene.operator();
    let shown = operator.show(&id);
    for (method, path, body) in routes(&id, &shown["plan_digest"]) {
        if ["/v1/actions", "/v1/approvals"].contains(&path.as_str()) {
            continue;
        }
        // Even the operator's own key: it is the wrong socket.
        let attempt = Attempt::new(&scene.gate.agent_socket(), &operator.key, None, method, &path);
        let attempt = if body.is_null() { attempt } else { attempt.json(&body) };
        // An owner withdraws a held call by that path; nobody is shown it.
        let is_owners = path == format!("/v1/approvals/{id}");
        let refusal = if is_owners { counted(405, "method_not_allowed") } else { counted(404, "not_found") };
        scene.refuses(&path, refusal, attempt);
    }
    assert_eq!(operator.show(&id)["status"], "pending");
    scene.end();
}

#[test]
fn the_admin_socket_gives_no_lease_and_takes_no_call() {
    let scene = Scene::allowing();
    let admin = scene.gate.admin_socket();
    let lease = RawAgent::ask_for_lease(&admin, &scene.agent.key, &json!({}));
    scene.refuses("a lease", counted(404, "not_found"), lease);
    let on_admin = RawAgent { socket: admin, ..scene.agent.clone() };
    let number = scene.number();
    scene.refuses("a call", counted(404, "not_found"), scene.post_by(&on_admin, number));
    scene.post(number).send().expect(200);
    scene.end();
}
