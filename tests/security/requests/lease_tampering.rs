//! A lease is what the gate signed, to the bit, for this gate, this key, this peer and this time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use latchgate_tests::{Gate, Key, RawAgent, Token, eventually, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const INVALID: Refusal = counted(401, "invalid_lease");

/// Presents `lease` with a proof that is right for it.
#[track_caller]
fn check(scene: &Scene, what: &str, lease: &str) {
    let agent = scene.agent.with_lease(lease);
    let number = scene.number();
    scene.refuses(what, INVALID, scene.post_by(&agent, number));
    // The twin: the same call under the lease as it was issued.
    scene.post(number).send().expect(200);
}

#[test]
fn a_lease_that_the_gate_did_not_sign_is_refused() {
    let scene = Scene::allowing();
    let issued = scene.agent.lease.clone();
    let token = Token::read(&issued);
    let own = &scene.agent.key;
    let signature = BASE64URL.decode(issued.rsplit('.').next().unwrap()).unwrap();

    check(&scene, "alg none, unsigned", &token.clone().header("alg", "none").with_signature(b""));
    check(&scene, "alg none, signed", &token.clone().header("alg", "none").with_signature(&signature));
    check(&scene, "unsigned", &token.with_signature(b""));
    check(&scene, "signed by the agent", &token.sign(own));
    check(
        &scene,
        "signed by the agent, whose key it shows",
        &token.clone().header("jwk", own.jwk()).sign(own),
    );
    check(&scene, "kid of the agent", &token.clone().header("kid", own.jkt()).sign(own));
    check(&scene, "high-s", &token.with_signature(&second_form(&signature)));
    check(&scene, "padded", &format!("{issued}="));
    check(&scene, "a part more", &format!("{issued}.x"));
    for (claim, value) in [
        ("exp", json!(9_999_999_999_i64)),
        ("scope", json!("tools:call class:send")),
        ("sub", json!("uid:4294967294")),
        ("budgets", json!({ "max_calls": 1_000_000 })),
        ("session_id", json!("sess_01ARZ3NDEKTSV4RRFFQ69G5FAV")),
    ] {
        check(
            &scene,
            &format!("{claim} changed"),
            &token.clone().claim(claim, value).with_signature(&signature),
        );
    }
    scene.end();
}

/// Even what the gate's own key signed must say everything that a lease says, for this gate and this peer.
#[test]
fn a_lease_that_says_something_else_is_refused() {
    let scene = Scene::allowing();
    let key = Key::read(&scene.gate.keys().join("lease.key"));
    let token = Token::read(&scene.agent.lease);
    let claims = token.claims().clone();
    let iat = claims["iat"].as_i64().unwrap();
    let with = |name: &str, value: Value| token.clone().claim(name, value);
    let cases = [
        ("another audience", with("aud", json!("http://localhost:3001"))),
        ("two audiences", with("aud", json!(["http://localhost:3000"]))),
        ("another issuer", with("iss", json!("http://evil.test"))),
        ("a life of 3,601 s", with("exp", json!(iat + 3601))),
        ("no life at all", with("exp", json!(iat))),
        ("not yet valid", with("nbf", json!(iat + 600))),
        ("another peer", with("sub", json!("uid:4294967294"))),
        ("a claim more", with("role", json!("admin"))),
        ("another type", token.clone().header("typ", "JWT")),
        ("a header more", token.clone().header("zip", "DEF")),
        ("crit", token.clone().header("crit", json!(["exp"]))),
        ("no kid", token.clone().without_header("kid")),
    ];
    for (what, token) in cases {
        check(&scene, what, &token.sign(&key));
    }
    for claim in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "session_id", "scope", "cnf"] {
        check(&scene, &format!("no {claim}"), &token.clone().without(claim).sign(&key));
    }
    check(&scene, "high-s", &token.sign_high_s(&key));
    // The twin: nothing changed, signed anew.
    let same = scene.agent.with_lease(&token.sign(&key));
    scene.post_by(&same, scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn a_lease_in_the_hands_of_another_key_is_refused() {
    let scene = Scene::allowing();
    let thief = scene.agent.with_key(&Key::generate());
    let number = scene.number();
    scene.refuses("stolen", counted(401, "invalid_dpop"), scene.post_by(&thief, number));
    scene.post(number).send().expect(200);
    scene.end();
}

#[test]
fn an_expired_lease_is_refused_and_cannot_be_renewed() {
    let config = format!("[auth]\nlease_ttl_s = 2\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(&config));
    let expired = eventually("the end of the lease", || {
        let reply = scene.agent.get("/v1/approvals").send();
        (reply.status != 200).then(|| reply.outcome())
    });
    assert_eq!(expired, (401, "lease_expired".into()));
    scene.also_counted("lease_expired", 1);
    let number = scene.number();
    scene.refuses("a call", counted(401, "lease_expired"), scene.post(number));
    let renewal = scene.agent.post("/v1/leases/renew", &json!({}));
    scene.refuses("a renewal", counted(401, "lease_expired"), renewal);
    // The twin: a lease of the same key, taken now.
    let agent = RawAgent::connect_as(&scene.gate.agent_socket(), &scene.agent.key, &json!({}));
    scene.post_by(&agent, number).send().expect(200);
    scene.end();
}

/// (r, n - s) for (r, s).
fn second_form(signature: &[u8]) -> Vec<u8> {
    let low = p256::ecdsa::Signature::from_slice(signature).unwrap();
    p256::ecdsa::Signature::from_scalars(low.r(), -low.s()).unwrap().to_bytes().to_vec()
}
