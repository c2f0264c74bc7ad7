//! On the TCP port whoever comes is who the kernel says he is, and a page in a browser is nobody.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use latchgate_tests::{Attempt, Gate, RawAgent, Reply, closed_port, policy};
use serde_json::{Value, json};

use super::other_user::{OTHER, as_other, is_root};
use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const FORBIDDEN: Refusal = counted(403, "forbidden");

/// A gate on a port of its own.
fn exposed() -> (Scene, u16) {
    let port = closed_port();
    let config = format!("[http]\nexpose = \"127.0.0.1:{port}\"\n{LOOPBACK}");
    (Scene::of(Gate::builder().policy(policy::ALLOW).config(&config)), port)
}

/// The same request on the port, with these lines where `Host` stood.
fn told(attempt: Attempt, lines: &str) -> String {
    let text = String::from_utf8(attempt.bytes()).unwrap();
    text.replacen("Host: localhost\r\n", &format!("{lines}Connection: close\r\n"), 1)
}

fn send(port: u16, request: &str) -> Reply {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Reply::all(&bytes).remove(0)
}

fn host(port: u16) -> String {
    format!("Host: localhost:{port}\r\n")
}

/// What a page could want, from the harmless to the dangerous.
fn wishes(scene: &Scene) -> Vec<Attempt> {
    let key = &scene.agent.key;
    vec![
        scene.agent.get("/healthz").authorization(&[]).dpop(&[]),
        scene.agent.get("/v1/actions").authorization(&[]).dpop(&[]),
        RawAgent::ask_for_lease(&scene.gate.agent_socket(), key, &json!({})),
        scene.post(0),
    ]
}

#[test]
fn a_page_that_reaches_the_port_is_refused() {
    let (scene, port) = exposed();
    let own = host(port);
    let refused = [
        // By name: rebinding makes a name lead here, and the browser sends that name.
        "Host: evil.test\r\n".to_owned(),
        format!("Host: evil.test:{port}\r\n"),
        format!("Host: localhost.evil.test:{port}\r\n"),
        format!("Host: 127.0.0.1.nip.io:{port}\r\n"),
        format!("Host: localhost:{}\r\n", port ^ 1),
        format!("Host: 0.0.0.0:{port}\r\n"),
        format!("Host: 127.1:{port}\r\n"),
        format!("Host: localhost.:{port}\r\n"),
        "Host: \r\n".to_owned(),
        // By page: whichever it is, the gate's own address included.
        format!("{own}Origin: https://evil.test\r\n"),
        format!("{own}Origin: null\r\n"),
        format!("{own}Origin: http://localhost:{port}\r\n"),
        format!("{own}Origin: \r\n"),
    ];
    for lines in &refused {
        for wish in wishes(&scene) {
            let before = scene.before();
            let reply = send(port, &told(wish, lines));
            scene.assert_refused(lines, &before, &reply, FORBIDDEN);
            let cors = reply.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
            assert_eq!(cors, None, "{lines}");
        }
    }
    let preflight =
        format!("OPTIONS /v1/leases HTTP/1.1\r\n{own}Origin: https://evil.test\r\nConnection: close\r\n\r\n");
    let before = scene.before();
    scene.assert_refused("preflight", &before, &send(port, &preflight), FORBIDDEN);
    // The twins: every name of the gate's own, without a page.
    for name in [&*own, &format!("Host: 127.0.0.1:{port}\r\n"), &format!("Host: [::1]:{port}\r\n")] {
        for wish in wishes(&scene).into_iter().take(3) {
            send(port, &told(wish, name)).expect(200);
        }
        let attempt = scene.post(scene.number()).base_url(&format!("http://localhost:{port}"));
        send(port, &told(attempt, name)).expect(200);
    }
    assert_eq!(scene.effects(), 3);
    scene.end();
}

#[test]
fn the_port_has_no_operators_routes() {
    let (scene, port) = exposed();
    let operator = scene.operator();
    for (method, path, body) in [
        ("GET", "/v1/status", Value::Null),
        ("GET", "/v1/audit", Value::Null),
        ("POST", "/v1/revoke", json!({ "target": { "all": "everything" } })),
        ("POST", "/v1/shutdown", json!({})),
    ] {
        let attempt = operator.get(path).method(method);
        let attempt = if body.is_null() { attempt } else { attempt.json(&body) };
        let before = scene.before();
        let reply = send(port, &told(attempt, &host(port)));
        scene.assert_refused(path, &before, &reply, counted(404, "not_found"));
    }
    scene.end();
}

/// The port has no file mode to keep others out: they come as themselves.
#[test]
fn another_user_on_the_port_is_another_principal() {
    if !is_root() {
        return;
    }
    let (scene, port) = exposed();
    let ask =
        RawAgent::ask_for_lease(&scene.gate.agent_socket(), &latchgate_tests::Key::generate(), &json!({}));
    let ask = told(ask, &host(port));
    let lease = as_other(|| send(port, &ask)).expect(200);
    assert_eq!(lease["principal"], format!("uid:{OTHER}"));
    // A lease of this user in the other's hands, and the very same bytes in this one's.
    let stolen = told(scene.post(scene.number()), &host(port));
    let before = scene.before();
    let reply = as_other(|| send(port, &stolen));
    scene.assert_refused("stolen", &before, &reply, counted(401, "invalid_lease"));
    send(port, &stolen).expect(200);
    scene.end();
}

#[test]
fn an_address_that_others_can_reach_is_refused_at_the_start() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let config = format!("[http]\nexpose = \"{address}\"\n");
        let Err(refused) = Gate::builder().config(&config).try_start() else {
            panic!("{address}: it started")
        };
        assert!(refused.stderr.contains("loopback"), "{address}: {refused:?}");
    }
}
