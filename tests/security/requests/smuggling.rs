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
        let bytes = scene.post(scene.number()).header("Connection", "close").bytes();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Self { head: head.to_owned(), body: body.to_owned() }
    }

    fn length(&self) -> String {
        format!("Content-Length: {}", self.body.len())
    }

    /// With these header lines where `Content-Length` stood, and this body.
    fn framed(&self, lines: &str, body: &str) -> String {
        let (length, head) = (self.length(), &self.head);
        assert!(head.contains(&length));
        format!("{}\r\n\r\n{body}", head.replace(&length, lines))
    }

    /// With one line of the head told otherwise.
    fn told(&self, from: &str, to: &str) -> String {
        assert!(self.head.contains(from));
        format!("{}\r\n\r\n{}", self.head.replacen(from, to, 1), self.body)
    }

    /// The body as one chunk, and the last chunk.
    fn chunked(&self) -> String {
        format!("{:x}\r\n{}\r\n0\r\n\r\n", self.body.len(), self.body)
    }
}

/// One reply, 400, nothing served of what follows, no effect.
#[track_caller]
fn refused(scene: &Scene, what: &str, request: &str) {
    let effects = scene.effects();
    // What would be served next if the gate and a proxy disagreed about the end of the first.
    let hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let bytes = raw(&scene.gate.agent_socket(), format!("{request}{hidden}").as_bytes());
    let statuses: Vec<u16> = Reply::all(&bytes).iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [400], "{what}: {}", String::from_utf8_lossy(&bytes));
    assert_eq!(scene.effects(), effects, "{what}: an effect");
}

#[test]
fn a_body_of_two_lengths_is_refused() {
    let scene = Scene::allowing();
    let call = Call::of(&scene);
    let length = call.length();
    let chunked = "Transfer-Encoding: chunked";
    for (what, lines, body) in [
        ("length, then chunked", format!("{length}\r\n{chunked}"), &call.chunked()),
        ("chunked, then length", format!("{chunked}\r\n{length}"), &call.chunked()),
        ("chunked, then length 0", format!("{chunked}\r\nContent-Length: 0"), &call.chunked()),
        ("two lengths", format!("{length}\r\nContent-Length: 5"), &call.body),
        ("two lengths, the first wrong", format!("Content-Length: 5\r\n{length}"), &call.body),
        ("the same length twice", format!("{length}\r\n{length}"), &call.body),
        ("a list of lengths", format!("{length}, {}", call.body.len()), &call.body),
        ("a signed length", length.replace(": ", ": +"), &call.body),
        ("a hexadecimal length", format!("Content-Length: 0x{:x}", call.body.len()), &call.body),
        ("a length beyond 2^64", "Content-Length: 18446744073709551617".into(), &call.body),
    ] {
        refused(&scene, what, &call.framed(&lines, body));
    }
    // The twins: one length, and one chunked body.
    for twin in [call.framed(&length, &call.body), Call::of(&scene).rechunked()] {
        let bytes = raw(&scene.gate.agent_socket(), twin.as_bytes());
        let statuses: Vec<u16> = Reply::all(&bytes).iter().map(|reply| reply.status).collect();
        assert_eq!(statuses, [200], "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(scene.effects(), 2);
}

impl Call {
    fn rechunked(&self) -> String {
        self.framed("Transfer-Encoding: chunked", &self.chunked())
    }
}

#[test]
fn an_encoding_that_is_not_plainly_chunked_is_refused() {
    let scene = Scene::allowing();
    let call = Call::of(&scene);
    for encoding in ["xchunked", "identity", "gzip", "chunked, identity", "chunked\r\nTransfer-Encoding: identity", "\"chunked\""] {
        let lines = format!("Transfer-Encoding: {encoding}");
        refused(&scene, encoding, &call.framed(&lines, &call.chunked()));
    }
    let (size, body) = (format!("{:x}", call.body.len()), &call.body);
    for (what, chunks) in [
        ("no size", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("a signed size", format!("+{size}\r\n{body}\r\n0\r\n\r\n")),
        ("a prefixed size", format!("0x{size}\r\n{body}\r\n0\r\n\r\n")),
        ("a size beyond 2^64", format!("10000000000000000{size}\r\n{body}\r\n0\r\n\r\n")),
        ("a chunk longer than its size", format!("1\r\n{body}\r\n0\r\n\r\n")),
        ("no line end behind a chunk", format!("{size}\r\n{body}0\r\n\r\n")),
        ("a word for a size", format!("abcxyz\r\n{body}\r\n0\r\n\r\n")),
    ] {
        refused(&scene, what, &call.framed("Transfer-Encoding: chunked", &chunks));
    }
    let twin = raw(&scene.gate.agent_socket(), call.rechunked().as_bytes());
    assert_eq!(Reply::all(&twin)[0].status, 200, "{}", String::from_utf8_lossy(&twin));
}

#[test]
fn a_head_with_two_meanings_is_refused() {
    let scene = Scene::allowing();
    let call = Call::of(&scene);
    let host = "Host: localhost";
    let line = "POST /v1/actions/tick/execute HTTP/1.1";
    for (what, request) in [
        ("two hosts", call.told(host, "Host: localhost\r\nHost: evil.test")),
        ("the same host twice", call.told(host, "Host: localhost\r\nHost: localhost")),
        ("no host", call.told("Host: localhost\r\n", "")),
        ("a folded header", call.told(host, "Host: localhost\r\nX-A: b\r\n c: d")),
        ("a space before the colon", call.told(host, "Host : localhost")),
        ("a first header that is folded", call.told(host, " X: y\r\nHost: localhost")),
        ("a header without a colon", call.told(host, "Host: localhost\r\nX")),
        ("NUL in a header", call.told(host, "Host: localhost\r\nX: a\0b")),
        ("a carriage return in a header", call.told(host, "Host: localhost\r\nX: a\rb")),
        ("a whole url", call.told(line, "POST http://localhost/v1/actions/tick/execute HTTP/1.1")),
        ("a whole url elsewhere", call.told(line, "POST http://evil.test/v1/actions/tick/execute HTTP/1.1")),
        ("an authority", call.told(line, "CONNECT localhost:80 HTTP/1.1")),
        ("two spaces", call.told("POST /", "POST  /")),
        ("an unknown version", call.told(line, "POST /v1/actions/tick/execute HTTP/3.1")),
        ("no version", call.told(line, "POST /v1/actions/tick/execute")),
    ] {
        refused(&scene, what, &request);
    }
    let twin = raw(&scene.gate.agent_socket(), call.told(host, host).as_bytes());
    assert_eq!(Reply::all(&twin)[0].status, 200, "{}", String::from_utf8_lossy(&twin));
    assert_eq!(scene.effects(), 1);
}
