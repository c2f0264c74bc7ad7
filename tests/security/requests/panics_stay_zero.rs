//! Whatever bytes arrive, the gate answers or hangs up: nothing panics, and the next caller is served.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use latchgate_tests::{Key, Proof, RawAgent};
use serde_json::{Value, json};

use crate::scene::Scene;

/// Longer than the gate thinks about anything here; what it misses is caught by the next request.
const UNANSWERED: Duration = Duration::from_millis(50);

const METHODS: [&str; 8] = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "X"];

const PATHS: [&str; 26] = [
    "/",
    "//",
    "*",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/v1",
    "/v1/",
    "/v1/actions",
    "/v1/actions/",
    "/v1/actions/fs_read",
    "/v1/actions/%00",
    "/v1/actions/%ff%fe/execute",
    "/v1/actions/fs_read/schema/request",
    "/v1/actions/fs_read/execute",
    "/v1/leases",
    "/v1/leases/renew",
    "/v1/approvals",
    "/v1/approvals/appr_/poll",
    "/v1/approvals/appr_01ARZ3NDEKTSV4RRFFQ69G5FAV/poll",
    "/v1/approvals/appr_01ARZ3NDEKTSV4RRFFQ69G5FAV/approve",
    "/v1/receipts/rcpt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "/v1/receipts/rcpt_ZZZZZZZZZZZZZZZZZZZZZZZZZZ",
    "/v1/status?%%%",
    "/v1/audit?since=9999999999999999999999&limit=-1&before=18446744073709551616&kind=%ff",
    "/v1/revoke?a=b#c",
];

const BODIES: [&[u8]; 12] = [
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\"\"",
    b"{\"dpop_jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"\",\"y\":\"\"}}",
    b"{\"dpop_jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}",
    b"{\"target\":{\"lease\":\"\"}}",
    b"{\"target\":{\"agent\":\"\\ud800\"}}",
    b"{\"plan_digest\":\"sha256:00\"}",
    b"{\"path\":\"\\uffff\\ufffe\"}",
    b"\xff\xfe\x00\x01",
];

#[test]
fn no_route_panics_on_any_method_or_body() {
    let scene = Scene::allowing();
    let operator = scene.operator();
    for path in PATHS {
        for method in METHODS {
            for body in BODIES {
                let as_agent = scene.agent.get(path).method(method).body(body).bytes();
                let as_operator = operator.get(path).method(method).body(body).bytes();
                poke(&scene.gate.agent_socket(), &as_agent);
                poke(&scene.gate.admin_socket(), &as_operator);
            }
        }
    }
    still_serves(&scene);
}

#[test]
fn no_argument_panics() {
    let scene = Scene::allowing();
    let odd: [Value; 19] = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(9_007_199_254_740_991_i64),
        json!(""),
        json!("\u{feff}"),
        json!("\u{202e}\u{200b}"),
        json!("a\u{301}".repeat(500)),
        json!("/".repeat(4096)),
        json!("a/".repeat(2000)),
        json!("http://"),
        json!("http://[::"),
        json!("http://a:99999999999/"),
        json!("http://xn--a/"),
        json!(format!("http://{}/", "a.".repeat(200))),
        json!([[[[]]]]),
        json!({ "a": { "b": {} } }),
    ];
    for value in &odd {
        for action in ["fs_read", "fs_write", "fs_list", "http_fetch", "http_post", "\u{e4}"] {
            let args = json!({ "path": value, "content": value, "url": value, "body": value });
            scene.agent.call(action, &args).send();
            for name in ["path", "url"] {
                scene.agent.call(action, &json!({ name: value })).send();
            }
            scene
                .agent
                .call(action, &json!({ "url": scene.upstream.url("/"), "body": { "a": value } }))
                .send();
        }
    }
    still_serves(&scene);
}

#[test]
fn no_token_panics() {
    let scene = Scene::allowing();
    let good =
        Proof::new(&scene.agent.key, "GET", "http://localhost/v1/approvals").lease(&scene.agent.lease).sign();
    let tokens = [
        good.as_str(),
        scene.agent.lease.as_str(),
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "=.=.=",
        "\u{e4}.\u{e4}.\u{e4}",
    ];
    for token in tokens {
        for cut in 0..token.len().min(400) {
            let Some(part) = token.get(..cut) else { continue };
            let (lease, read) = (format!("DPoP {part}"), scene.agent.get("/v1/approvals"));
            poke(&scene.gate.agent_socket(), &read.dpop(&[part]).bytes());
            let read = scene.agent.get("/v1/approvals").authorization(&[&lease]);
            poke(&scene.gate.agent_socket(), &read.bytes());
        }
    }
    for value in [json!(null), json!({}), json!([]), json!(-1), json!("x".repeat(100)), json!(1e300)] {
        for name in ["jti", "htm", "htu", "iat", "ath", "bh", "exp", "nbf"] {
            let value = value.clone();
            scene.agent.get("/v1/approvals").proof(move |proof| proof.claim(name, value)).send();
        }
        for name in ["typ", "alg", "jwk", "kid", "crit"] {
            let value = value.clone();
            scene.agent.get("/v1/approvals").proof(move |proof| proof.header(name, value)).send();
        }
    }
    still_serves(&scene);
}

/// Random bytes, and good requests with random bytes in them. The seed is fixed: a failure repeats.
#[test]
fn no_noise_panics() {
    let scene = Scene::allowing();
    let mut noise = Noise(0x9E37_79B9_7F4A_7C15);
    let key = Key::generate();
    for _ in 0..600 {
        let mut bytes = match noise.below(4) {
            0 => scene.agent.get("/v1/approvals").bytes(),
            1 => scene.agent.call("fs_read", &json!({ "path": "a" })).bytes(),
            2 => RawAgent::ask_for_lease(&scene.gate.agent_socket(), &key, &json!({})).bytes(),
            _ => (0..noise.below(300)).map(|_| noise.byte()).collect(),
        };
        for _ in 0..noise.below(6) {
            if bytes.is_empty() {
                break;
            }
            let at = noise.below(bytes.len());
            match noise.below(3) {
                0 => bytes[at] = noise.byte(),
                1 => bytes.truncate(at),
                _ => bytes.insert(at, noise.byte()),
            }
        }
        let socket = if noise.below(2) == 0 { scene.gate.agent_socket() } else { scene.gate.admin_socket() };
        poke(&socket, &bytes);
    }
    still_serves(&scene);
}

/// Sends, takes the first bytes of an answer and hangs up. To what is no whole request no answer comes.
fn poke(socket: &Path, bytes: &[u8]) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(UNANSWERED)).unwrap();
    // The gate may have closed before it was all sent.
    let _closed = stream.write_all(bytes);
    let _read = stream.read(&mut [0; 512]);
}

#[track_caller]
fn still_serves(scene: &Scene) {
    let status = scene.operator().status();
    assert_eq!(status["panics_caught"], 0, "{}", scene.gate.log());
    assert!(!scene.gate.log().contains("panicked"), "{}", scene.gate.log());
    // The lease may have been revoked on the way: one of the bodies could have said so.
    let agent = scene.gate.raw_agent();
    scene.post_by(&agent, 424_242).send().expect(200);
    scene.gate.assert_sound();
}

/// xorshift64*: reproducible, and nothing more is asked of it.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }
}
