//! A URL argument is taken only where every parser reads the same out of it, and leads nowhere that the gate must not go.

use latchgate_tests::{Gate, policy};
use serde_json::json;

use crate::scene::{Scene, attempted, on_record, shown};

/// `PORT` stands for the port of the test's service: each would reach it if it were read loosely.
const AMBIGUOUS: [&str; 35] = [
    "http://user@127.0.0.1:PORT/effect",
    "http://user:password@127.0.0.1:PORT/effect",
    "http://api.github.com@127.0.0.1:PORT/effect",
    "http://127.0.0.1:PORT@api.github.com/effect",
    "http://@127.0.0.1:PORT/effect",
    "http://127.0.0.1:PORT\\@api.github.com/effect",
    "http://127.0.0.1:PORT\\effect",
    "http:///127.0.0.1:PORT/effect",
    "http://2130706433:PORT/effect",
    "http://0x7f000001:PORT/effect",
    "http://0x7f.0.0.1:PORT/effect",
    "http://017700000001:PORT/effect",
    "http://0177.0.0.1:PORT/effect",
    "http://127.1:PORT/effect",
    "http://127.0.1:PORT/effect",
    "http://127.0.0.1.:PORT/effect",
    "http://localhost.:PORT/effect",
    "http://%31%32%37.0.0.1:PORT/effect",
    "http://１２７.0.0.1:PORT/effect",
    "http://127。0。0。1:PORT/effect",
    "http://ⓛocalhost:PORT/effect",
    "http://[::ffff:127.0.0.1]:PORT/effect",
    "http://[0:0:0:0:0:ffff:7f00:1]:PORT/effect",
    "http://[::1%25lo]:PORT/effect",
    "http://127.0.0.1:0PORT/effect",
    "http://127.0.0.1:+PORT/effect",
    "http://127.0.0.1:PORT/x/../effect",
    "http://127.0.0.1:PORT/x/%2e%2e/effect",
    "http://127.0.0.1:PORT/./effect",
    "http://127.0.0.1:PORT/effect\r\nX-Injected: yes",
    "http://127.0.0.1:PORT/effect\nX-Injected: yes",
    "http://127.0.0.1:PORT/effect HTTP/1.1",
    "http://127.0.0.1:PORT/ef\tfect",
    "http://127.0.0.1:PORT/effect\u{a0}",
    "http://127.0.0.1:PORT/\u{7f}effect",
];

fn url(scene: &Scene, text: &str) -> String {
    text.replace("PORT", &scene.upstream.port().to_string())
}

#[test]
fn a_url_with_two_meanings_is_refused() {
    let scene = Scene::allowing();
    for text in AMBIGUOUS {
        let url = url(&scene, text);
        for (action, args) in
            [("http_post", json!({ "url": url, "body": {} })), ("http_fetch", json!({ "url": url }))]
        {
            let call = scene.agent.call(action, &args);
            scene.refuses(&format!("{action} {text:?}"), on_record(422, "invalid_target"), call);
        }
    }
    let twin =
        scene.agent.call("http_fetch", &json!({ "url": url(&scene, "http://127.0.0.1:PORT/effect") })).send();
    assert_eq!(twin.status, 200, "{}", shown(&twin));
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn another_scheme_is_refused_by_the_schema() {
    let scene = Scene::allowing();
    for url in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "HTTP://127.0.0.1/",
        " http://127.0.0.1/",
        "javascript:1",
        "http:\\\\127.0.0.1/",
        "http:127.0.0.1/",
    ] {
        let call = scene.agent.call("http_fetch", &json!({ "url": url }));
        scene.refuses(url, on_record(422, "schema_violation"), call);
    }
    scene.end();
}

/// What policy and approver see is what is sent: the normal form, with nothing added.
#[test]
fn characters_that_mean_something_on_the_wire_arrive_encoded_or_not_at_all() {
    let scene = Scene::allowing();
    let url = url(&scene, "http://127.0.0.1:PORT/a%0d%0aX:%20y?q=%0d%0a&r=ü#fragment");
    scene.agent.call("http_fetch", &json!({ "url": url })).send().expect(200);
    let seen = scene.upstream.seen();
    assert_eq!(seen[0].path, "/a%0d%0aX:%20y?q=%0d%0a&r=%C3%BC");
    assert_eq!(seen[0].header("x"), None);
    scene.end();
}

/// The guard stands behind `commit`: what it refuses has an intent, an outcome, and no effect.
#[test]
fn addresses_that_are_not_public_are_refused() {
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(""));
    let refused = attempted(403, "egress_denied");
    let loopback = url(&scene, "http://127.0.0.1:PORT/effect");
    for url in [
        &*loopback,
        "https://10.0.0.1/",
        "https://172.16.0.1/",
        "https://192.168.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://198.18.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[ff02::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "http://1.1.1.1/",
    ] {
        scene.refuses(url, refused, scene.agent.call("http_fetch", &json!({ "url": url })));
    }
    assert_eq!(scene.effects(), 0);
    scene.end();
}

/// The twin of the loopback address above: the same call where loopback is permitted.
#[test]
fn loopback_is_reached_where_it_is_permitted_and_nothing_else() {
    let scene = Scene::allowing();
    let refused = attempted(403, "egress_denied");
    for url in ["http://10.0.0.1/", "http://169.254.169.254/", "https://[64:ff9b::7f00:1]/"] {
        scene.refuses(url, refused, scene.agent.call("http_fetch", &json!({ "url": url })));
    }
    let url = url(&scene, "http://127.0.0.1:PORT/effect");
    scene.agent.call("http_fetch", &json!({ "url": url })).send().expect(200);
    scene.end();
}
