//! What operators do, an agent's key cannot do, on whichever socket it tries.

use latchgate_tests::{Attempt, RawAgent};
use serde_json::json;

use super::operators_routes::{self as routes, Route};
use crate::scene::{Scene, counted};

/// The request on this socket, signed by the agent; the body only where there is one.
fn signed(scene: &Scene, lease: Option<&str>, route: &Route) -> Attempt {
    let socket = scene.gate.admin_socket();
    let attempt = Attempt::new(&socket, &scene.agent.key, lease, &route.method, &route.path);
    if route.body.is_null() { attempt } else { attempt.json(&route.body) }
}

#[test]
fn an_agents_key_opens_no_route_on_the_admin_socket() {
    let scene = Scene::asking();
    let id = scene.hold();
    let digest = scene.operator().show(&id)["plan_digest"].clone();
    for route in routes::all(&id, &digest) {
        let what = format!("{} {}", route.method, route.path);
        scene.refuses(&what, counted(403, "forbidden"), signed(&scene, None, &route));
        let lease = scene.agent.lease.clone();
        scene.refuses(&what, counted(403, "forbidden"), signed(&scene, Some(&lease), &route));
        let unsigned = signed(&scene, Some(&lease), &route).dpop(&[]);
        scene.refuses(&what, counted(401, "missing_dpop_header"), unsigned);
    }
    assert_eq!(scene.operator().show(&id)["status"], "pending");
    // The twin: the operator's key. What changes something has its twins elsewhere; shutdown comes with the end of the scene.
    let operator = scene.operator();
    for route in routes::all(&id, &digest).iter().filter(|route| route.method == "GET") {
        let (status, code) = operator.get(&route.path).send().outcome();
        let names_nothing = ["/v1/ledger/consistency", "/v1/ledger/receipts/", "/v1/ledger/tile/"];
        match names_nothing.iter().any(|path| route.path.starts_with(path)) {
            false => assert_eq!(status, 200, "{}", route.path),
            true if status == 200 => {}
            true => {
                assert!([400, 404].contains(&status), "{}: {status}", route.path);
                scene.also_counted(&code, 1);
            }
        }
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
    for Route { method, path, body } in routes::all(&id, &shown["plan_digest"]) {
        if method == "GET" && ["/v1/actions", "/v1/approvals"].contains(&path.as_str()) {
            continue;
        }
        // Even the operator's own key: it is the wrong socket.
        let attempt = Attempt::new(&scene.gate.agent_socket(), &operator.key, None, &method, &path);
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
