//! What is too large is refused with its own code, at the bound and not before it.

use latchgate_tests::{RawAgent, exchange};
use serde_json::json;

use crate::scene::{Scene, counted, on_record, shown};

const MIB: usize = 1 << 20;

/// The arguments of a call, made `bytes` long by white space.
fn padded(scene: &Scene, number: u64, bytes: usize) -> String {
    let args = scene.post_args(number).to_string();
    let padding = " ".repeat(bytes - args.len());
    args + &padding
}

#[test]
fn a_body_beyond_the_actions_limit_is_refused_and_one_at_it_is_taken() {
    let scene = Scene::allowing();
    let number = scene.number();
    let call = |bytes| scene.agent.call("tick", &json!({})).body(padded(&scene, number, bytes));
    scene.refuses("a byte too many", on_record(413, "body_too_large"), call(MIB + 1));
    let twin = call(MIB).send();
    assert_eq!(twin.status, 200, "{}", shown(&twin));
    scene.end();
}

#[test]
fn a_body_beyond_the_gates_limit_is_refused_unread() {
    let scene = Scene::allowing();
    let call = |bytes| scene.agent.call("tick", &json!({})).body(" ".repeat(bytes));
    scene.refuses("8 MiB and a byte", counted(413, "body_too_large"), call(8 * MIB + 1));
    // At the limit the action's own, which is lower, answers: the body was taken in.
    scene.refuses("8 MiB", on_record(413, "body_too_large"), call(8 * MIB));
    let lease = RawAgent::ask_for_lease(&scene.gate.agent_socket(), &scene.agent.key, &json!({}));
    let reply = lease.body(" ".repeat(8 * MIB + 1)).send();
    assert_eq!(reply.outcome(), (413, "body_too_large".into()));
    scene.also_counted("body_too_large", 1);
    scene.end();
}

#[test]
fn headers_beyond_the_limit_are_refused() {
    let scene = Scene::allowing();
    let number = scene.number();
    let before = scene.before();
    let large = scene.post(number).header("X-Padding", &"x".repeat(256 << 10)).send();
    assert_eq!(large.status, 431, "{}", shown(&large));
    let many = (0..200).fold(scene.post(number), |call, i| call.header(&format!("X-{i}"), "y")).send();
    assert_eq!(many.status, 431, "{}", shown(&many));
    let line = scene.post(number).path(&format!("/v1/{}", "a".repeat(256 << 10))).send();
    assert!(matches!(line.status, 414 | 431), "{}", shown(&line));
    before.assert_same(&scene);
    // The twin: as large as an ordinary client's may become.
    let twin = scene.post(number).header("X-Padding", &"x".repeat(16 << 10)).send();
    assert_eq!(twin.status, 200, "{}", shown(&twin));
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn tokens_beyond_8_kib_are_refused() {
    let scene = Scene::allowing();
    scene.repels("a proof", counted(401, "invalid_dpop"), |call| {
        call.proof(|proof| proof.claim("padding", "x".repeat(8 << 10)))
    });
    let lease = format!("DPoP {}", "x".repeat((8 << 10) + 1));
    scene.repels("a lease", counted(401, "invalid_lease"), |call| call.authorization(&[&lease]));
    scene.end();
}

#[test]
fn an_idempotency_key_has_1_to_255_bytes() {
    let scene = Scene::allowing();
    let refused = counted(400, "bad_request");
    let long = "k".repeat(256);
    scene.repels("256 bytes", refused, |call| call.idempotency_key(&long));
    scene.repels("empty", refused, |call| call.idempotency_key(""));
    scene.repels("two", refused, |call| call.idempotency_key("a").idempotency_key("b"));
    scene.post(scene.number()).idempotency_key(&long[1..]).send().expect(200);
    scene.end();
}

/// An announced body that never comes holds its own connection only.
#[test]
fn an_announced_giant_costs_nothing() {
    let scene = Scene::allowing();
    let head = "POST /v1/leases HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775807\r\n\r\n";
    let mut connection = latchgate_tests::Connection::open(&scene.gate.agent_socket());
    connection.send(head.as_bytes());
    scene.post(scene.number()).send().expect(200);
    let health = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(exchange(&scene.gate.agent_socket(), health).status, 200);
}
