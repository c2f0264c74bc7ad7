//! What RFC 9449 section 4.2 requires of a proof is not optional, and has one type and one range.

use serde_json::{Value, json};

use crate::scene::{Refusal, Scene, counted};

const INVALID: Refusal = counted(401, "invalid_dpop");

#[test]
fn a_proof_without_a_required_claim_is_refused() {
    let scene = Scene::allowing();
    for claim in ["jti", "htm", "htu", "iat", "ath"] {
        scene.repels(&format!("no {claim}"), INVALID, |call| call.proof(move |proof| proof.without(claim)));
        scene.repels(&format!("{claim} null"), INVALID, |call| {
            call.proof(move |proof| proof.claim(claim, Value::Null))
        });
        scene.repels(&format!("{claim} a list"), INVALID, |call| {
            call.proof(move |proof| proof.claim(claim, json!(["x"])))
        });
    }
    scene.repels("no jwk", INVALID, |call| call.proof(|proof| proof.without_header("jwk")));
    scene.repels("iat as text", INVALID, |call| call.proof(|proof| proof.claim("iat", "now")));
    scene.repels("another ath", INVALID, |call| call.proof(|proof| proof.claim("ath", "x".repeat(43))));
    scene.end();
}

#[test]
fn a_claim_beyond_its_bound_is_refused_and_one_at_it_is_taken() {
    let scene = Scene::allowing();
    scene.repels("an empty jti", INVALID, |call| call.proof(|proof| proof.claim("jti", "")));
    scene.repels("a jti of 129 bytes", INVALID, |call| {
        call.proof(|proof| proof.claim("jti", "j".repeat(129)))
    });
    scene.post(scene.number()).proof(|proof| proof.claim("jti", "j".repeat(128))).send().expect(200);
    // 60 s back and 5 s ahead; a few seconds are left for a busy machine.
    for iat in [-3600, -65, 15, 3600] {
        scene.repels(&format!("{iat} s"), INVALID, |call| call.proof(move |proof| proof.aged(iat)));
    }
    for iat in [-50, 4] {
        scene.post(scene.number()).proof(move |proof| proof.aged(iat)).send().expect(200);
    }
    for iat in [json!(i64::MAX), json!(i64::MIN), json!(1e300), json!(-1e300)] {
        scene.repels(&format!("iat {iat}"), INVALID, |call| call.proof(|proof| proof.claim("iat", iat)));
    }
    scene.end();
}

#[test]
fn a_refusal_for_time_names_the_measured_skew() {
    let scene = Scene::allowing();
    let attack = scene.post(scene.number()).proof(|proof| proof.aged(-300));
    let problem = scene.refuses("an old proof", INVALID, attack);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(" 30") && detail.contains("60 s"), "{detail}");
    scene.post(scene.number()).send().expect(200);
    scene.end();
}
