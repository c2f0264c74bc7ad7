//! A request that a proxy and the gate could cut at different places is refused, and what hides behind it is not served
//! (RFC 9112 sections 3.2, 5.2, 6.1 and 6.3; RFC 9110 section 8.6).

use latchgate_tests::{Reply, raw};

use crate::scene::Scene;

/// A whole, honest call, to be told otherwise.
struct Call {
    head: String,
    body: String,
}

impl Call {
    fn of(scene: &Scene) -> Self {
        let text = String::from_utf8(scene.post(scene.number()).bytes()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    fn length(&self) -> String {
        format!("Content-Length: {}", self.body.len())
    }

    /// With these header lines where `Content-Length` stood, and this body.
    fn framed(&self, lines: &str, body: &str) -> String {
        let length = self.length();
        assert!(self.head.contains(&length));
        format!("{}\r\n\r\n{body}", self.head.replace(&length, lines))
    }

    /// With one line of the head told otherwise.
    fn told(&self, from: &str, to: &str) -> String {
        assert!(self.head.contains(from));
        format!("{}\r\n\r\n{}", self.head.replacen(from, to, 1), self.body)
    }

    /// The body as one chunk, and the last chunk.
    fn chunks(&self) -> String {
        format!("{:x}\r\n{}\r\n0\r\n\r\n", self.body.len(), self.body)
    }
}

type Telling = dyn Fn(&Call) -> String;

/// Each telling of a new call is answered with `status`, has no effect, and what stands behind it is not served.
#[track_caller]
fn check(scene: &Scene, status: u16, cases: &[(&str, &Telling)]) {
    let mut served = Vec::new();
    for (what, telling) in cases {
        let before = (scene.effects(), scene.entries().len());
        let statuses = statuses(scene, &telling(&Call::of(scene)));
        let after = (scene.effects(), scene.entries().len());
        // Whoever sent it is not known yet: nothing of its own is written about it.
        if statuses != [status] || after != before {
            served.push(format!("{what}: {statuses:?}, effects and entries {before:?}, then {after:?}"));
        }
    }
    assert!(served.is_empty(), "served:\n{}", served.join("\n"));
}

/// The twin: the same call told honestly, and what stands behind it.
#[track_caller]
fn check_twin(scene: &Scene, telling: &Telling) {
    let effects = scene.effects();
    assert_eq!(statuses(scene, &telling(&Call::of(scene))), [200, 200]);
    assert_eq!(scene.effects(), effects + 1);
}

/// The answers to a request with another behind it, which ends the connection.
fn statuses(scene: &Scene, request: &str) -> Vec<u16> {
    let behind = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let bytes = raw(&scene.gate.agent_socket(), format!("{request}{behind}").as_bytes());
    Reply::all(&bytes).iter().map(|reply| reply.status).collect()
}

const CHUNKED: &str = "Transfer-Encoding: chunked";

#[test]
fn a_body_of_two_lengths_is_refused() {
    let scene = Scene::allowing();
    check(
        &scene,
        411,
        &[
            ("length, then chunked", &|call| {
                call.framed(&format!("{}\r\n{CHUNKED}", call.length()), &call.chunks())
            }),
            ("chunked, then length", &|call| {
                call.framed(&format!("{CHUNKED}\r\n{}", call.length()), &call.chunks())
            }),
            ("chunked, then length 0", &|call| {
                call.framed(&format!("{CHUNKED}\r\nContent-Length: 0"), &call.chunks())
            }),
        ],
    );
    check(
        &scene,
        400,
        &[
            ("two lengths", &|call| {
                call.framed(&format!("{}\r\nContent-Length: 5", call.length()), &call.body)
            }),
            ("two, the first wrong", &|call| {
                call.framed(&format!("Content-Length: 5\r\n{}", call.length()), &call.body)
            }),
            ("a list", &|call| call.framed(&format!("{}, {}", call.length(), call.body.len()), &call.body)),
            ("a signed length", &|call| call.framed(&call.length().replace(": ", ": +"), &call.body)),
            ("a hexadecimal length", &|call| {
                call.framed(&format!("Content-Length: 0x{:x}", call.body.len()), &call.body)
            }),
            ("beyond 2^64", &|call| call.framed("Content-Length: 18446744073709551617", &call.body)),
        ],
    );
    check_twin(&scene, &|call| call.framed(&call.length(), &call.body));
    // Two equal lengths are one length (RFC 9110 section 8.6).
    check_twin(&scene, &|call| call.framed(&format!("{0}\r\n{0}", call.length()), &call.body));
}

#[test]
fn any_transfer_encoding_is_refused() {
    let scene = Scene::allowing();
    let encoded = |encoding: &'static str| {
        move |call: &Call| call.framed(&format!("Transfer-Encoding: {encoding}"), &call.chunks())
    };
    check(
        &scene,
        400,
        &[
            ("another", &encoded("xchunked")),
            ("identity", &encoded("identity")),
            ("gzip", &encoded("gzip")),
            ("chunked, then identity", &encoded("chunked, identity")),
            ("identity in a second header", &encoded("chunked\r\nTransfer-Encoding: identity")),
            ("in quotes", &encoded("\"chunked\"")),
        ],
    );
    let sized = |size: fn(usize) -> String| {
        move |call: &Call| {
            let size = size(call.body.len());
            call.framed(CHUNKED, &format!("{size}\r\n{}\r\n0\r\n\r\n", call.body))
        }
    };
    check(
        &scene,
        411,
        &[
            ("plainly chunked", &sized(|size| format!("{size:x}"))),
            ("no size", &sized(|_| String::new())),
            ("a signed size", &sized(|size| format!("+{size:x}"))),
            ("a prefixed size", &sized(|size| format!("0x{size:x}"))),
            ("a size beyond 2^64", &sized(|size| format!("10000000000000000{size:x}"))),
            ("a size too small", &sized(|_| "1".into())),
            ("a word", &sized(|_| "abcxyz".into())),
            ("no line end behind a chunk", &|call| {
                call.framed(CHUNKED, &format!("{:x}\r\n{}0\r\n\r\n", call.body.len(), call.body))
            }),
        ],
    );
    check_twin(&scene, &|call| call.framed(&call.length(), &call.body));
}

#[test]
fn a_head_with_two_meanings_is_refused() {
    let scene = Scene::allowing();
    let host = |lines: &'static str| move |call: &Call| call.told("Host: localhost", lines);
    let target =
        |line: &'static str| move |call: &Call| call.told("POST /v1/actions/tick/execute HTTP/1.1", line);
    check(
        &scene,
        400,
        &[
            ("two hosts", &host("Host: localhost\r\nHost: evil.test")),
            ("the same host twice", &host("Host: localhost\r\nHost: localhost")),
            ("no host", &|call| call.told("Host: localhost\r\n", "")),
            ("a folded header", &host("Host: localhost\r\nX-A: b\r\n c: d")),
            ("a folded first header", &host(" X: y\r\nHost: localhost")),
            ("a space before the colon", &host("Host : localhost")),
            ("no colon", &host("Host: localhost\r\nX")),
            ("NUL", &host("Host: localhost\r\nX: a\0b")),
            ("a bare carriage return", &host("Host: localhost\r\nX: a\rb")),
            ("a whole url", &target("POST http://localhost/v1/actions/tick/execute HTTP/1.1")),
            ("a whole url elsewhere", &target("POST http://evil.test/v1/actions/tick/execute HTTP/1.1")),
            ("an authority", &target("CONNECT localhost:80 HTTP/1.1")),
            ("two spaces", &target("POST  /v1/actions/tick/execute HTTP/1.1")),
            ("an unknown version", &target("POST /v1/actions/tick/execute HTTP/3.1")),
            ("no version", &target("POST /v1/actions/tick/execute")),
            ("no method", &target("/v1/actions/tick/execute HTTP/1.1")),
            ("a fragment's space", &target("POST /v1/actions/tick/execute #x HTTP/1.1")),
            ("a line end in the target", &target("POST /v1/actions/tick/execute\r\nX: HTTP/1.1")),
            ("a colon in a name", &host("Host: localhost\r\n:X: y")),
            ("a control character in a name", &host("Host: localhost\r\nX\u{b}: y")),
        ],
    );
    check_twin(&scene, &host("Host: localhost"));
    check_twin(&scene, &target("POST /v1/actions/tick/execute HTTP/1.1"));
}
