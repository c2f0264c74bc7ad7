//! JSON that two parsers could read in two ways is refused before anything is hashed or judged.

use latchgate_tests::{Attempt, RawAgent};
use serde_json::json;

use crate::scene::{Refusal, Scene, counted, on_record, shown};

/// Texts of `"body"`, each broken in one way; `{}` in its place makes the twin.
const BROKEN: [(&str, &[u8]); 33] = [
    ("duplicate names", br#"{"a":1,"a":2}"#),
    ("duplicate names, one escaped", br#"{"a":1,"\u0061":2}"#),
    ("duplicate names, deeper", br#"{"x":[{"a":1,"a":1}]}"#),
    ("NUL, escaped", br#"{"a":"\u0000"}"#),
    ("NUL in a name", br#"{"a\u0000b":1}"#),
    ("NUL, raw", b"{\"a\":\"\0\"}"),
    ("a control character", b"{\"a\":\"\x01\"}"),
    ("a line end in a string", b"{\"a\":\"\n\"}"),
    ("half a surrogate pair", br#"{"a":"\ud800"}"#),
    ("the other half", br#"{"a":"\udc00"}"#),
    ("halves in the wrong order", br#"{"a":"\udc00\ud800"}"#),
    ("2^53", br#"{"a":9007199254740992}"#),
    ("-2^53", br#"{"a":-9007199254740992}"#),
    ("2^53 with an exponent", br#"{"a":9007199254740992e0}"#),
    ("2^64", br#"{"a":18446744073709551616}"#),
    ("too large for a double", br#"{"a":1e400}"#),
    ("too small for a double", br#"{"a":1e-400}"#),
    ("NaN", br#"{"a":NaN}"#),
    ("Infinity", br#"{"a":Infinity}"#),
    ("-Infinity", br#"{"a":-Infinity}"#),
    ("a leading zero", br#"{"a":01}"#),
    ("a plus sign", br#"{"a":+1}"#),
    ("hexadecimal", br#"{"a":0x10}"#),
    ("a bare point", br#"{"a":1.}"#),
    ("single quotes", br#"{'a':1}"#),
    ("a comment", br#"{"a":1/*b*/}"#),
    ("a comma too many", br#"{"a":1,}"#),
    ("no quotes", br#"{a:1}"#),
    ("invalid utf-8", b"{\"a\":\"\xff\"}"),
    ("an overlong slash", b"{\"a\":\"\xc0\xaf\"}"),
    ("a surrogate in utf-8", b"{\"a\":\"\xed\xa0\x80\"}"),
    ("utf-8 cut short", b"{\"a\":\"\xe2\x82\"}"),
    ("an unknown escape", br#"{"a":"\x41"}"#),
];

const REFUSED: Refusal = on_record(400, "bad_request");

#[test]
fn arguments_with_two_meanings_are_refused() {
    let scene = Scene::allowing();
    let call = |text: &[u8]| {
        let url = scene.upstream.url("/effect");
        let body = [format!(r#"{{"url":"{url}","body":"#).as_bytes(), text, b"}"].concat();
        scene.agent.call("http_post", &json!({})).body(body)
    };
    for (what, text) in BROKEN {
        scene.refuses(what, REFUSED, call(text));
    }
    // The twin: whatever stood there, replaced by an object that has one meaning. Policy cannot see into it, so it is held.
    let held = call(br#"{"a":9007199254740991,"b":"\ud83d\ude00","c":-0,"d":1e2}"#).send().expect(202);
    scene.operator().approve(held["approval_id"].as_str().unwrap());
    assert_eq!(scene.upstream.seen()[0].body, r#"{"a":9007199254740991,"b":"😀","c":0,"d":100}"#.as_bytes());
    scene.end();
}

#[test]
fn a_body_that_is_not_one_object_is_refused() {
    let scene = Scene::allowing();
    let good = scene.post_args(0).to_string();
    let call = |text: Vec<u8>| scene.agent.call("tick", &json!({})).body(text);
    for (what, text) in [
        ("two objects", format!("{good}{good}").into_bytes()),
        ("an object and a bracket", format!("{good}]").into_bytes()),
        ("an object and NUL", [good.as_bytes(), b"\0"].concat()),
        ("a byte order mark", [b"\xEF\xBB\xBF", good.as_bytes()].concat()),
        ("utf-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a list", b"[]".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("null", b"null".to_vec()),
        ("white space", b"  ".to_vec()),
        ("half an object", good[..good.len() - 1].into()),
    ] {
        scene.refuses(what, REFUSED, call(text));
    }
    call(format!(" {good}\r\n").into_bytes()).send().expect(200);
    scene.end();
}

#[test]
fn nesting_beyond_32_levels_is_refused_and_32_are_taken() {
    let scene = Scene::allowing();
    // Two levels are the arguments themselves and `body`.
    let call = |levels: usize| {
        let url = scene.upstream.url("/effect");
        let (open, close) = ("[".repeat(levels - 2), "]".repeat(levels - 2));
        let body = format!(r#"{{"url":"{url}","body":{{"a":{open}{close}}}}}"#);
        scene.agent.call("http_post", &json!({})).body(body)
    };
    for levels in [33, 1000, 200_000] {
        scene.refuses(&format!("{levels} levels"), REFUSED, call(levels));
    }
    let twin = call(32).send();
    assert_eq!(twin.status, 202, "{}", shown(&twin));
    scene.end();
}

#[test]
fn requests_for_leases_with_two_meanings_are_refused() {
    let scene = Scene::allowing();
    let jwk = scene.agent.key.jwk();
    let ask = |text: Vec<u8>| -> Attempt {
        RawAgent::ask_for_lease(&scene.gate.agent_socket(), &scene.agent.key, &json!({})).body(text)
    };
    let refused = counted(400, "bad_request");
    for (what, member) in BROKEN {
        let text = [format!(r#"{{"dpop_jwk":{jwk},"agent_id":"#).as_bytes(), member, b"}"].concat();
        scene.refuses(what, refused, ask(text));
    }
    let twice = format!(r#"{{"dpop_jwk":{jwk},"budgets":{{"max_calls":1}},"budgets":{{"max_calls":9}}}}"#);
    scene.refuses("budgets twice", refused, ask(twice.into_bytes()));
    scene.refuses(
        "an unknown member",
        refused,
        ask(format!(r#"{{"dpop_jwk":{jwk},"role":1}}"#).into_bytes()),
    );
    ask(format!(r#"{{"dpop_jwk":{jwk},"budgets":{{"max_calls":1}}}}"#).into_bytes()).send().expect(200);
    scene.end();
}

#[test]
fn tokens_with_duplicate_names_are_refused() {
    let scene = Scene::allowing();
    scene.repels("a claim twice", counted(401, "invalid_dpop"), |call| {
        call.proof(|proof| {
            let claims = serde_json::to_string(proof.token().claims()).unwrap();
            let twice = claims.replacen('{', r#"{"htm":"GET","#, 1);
            proof.edit(|token| token.raw_claims(twice))
        })
    });
    let jwk = scene.agent.key.jwk();
    let header = format!(r#"{{"alg":"none","typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
    scene.repels("a header twice", counted(401, "invalid_dpop"), |call| {
        call.proof(|proof| proof.edit(|token| token.raw_header(header)))
    });
    scene.end();
}
