//! A proof that names another algorithm, or none, is no proof (RFC 9449 section 4.3, checks 5 and 6).

use latchgate_tests::{Key, Proof};
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn a_proof_under_another_algorithm_is_refused() {
    let scene = Scene::allowing();
    let invalid = counted(401, "invalid_dpop");
    for alg in ["none", "None", "nOnE", "", "HS256", "RS256", "PS256", "ES384", "ES256K", "EdDSA", "es256"] {
        scene.repels(alg, invalid, |call| call.proof(move |proof| proof.header("alg", alg)));
    }
    scene.repels("none, unsigned", invalid, |call| {
        call.proof(|proof| proof.header("alg", "none").signature(b""))
    });
    scene.repels("ES256, unsigned", invalid, |call| call.proof(|proof| proof.signature(b"")));
    scene.repels("no alg", invalid, |call| call.proof(|proof| proof.without_header("alg")));
    scene.repels("a list", invalid, |call| call.proof(|proof| proof.header("alg", json!(["ES256"]))));
    scene.end();
}

#[test]
fn a_proof_signed_by_another_key_or_over_something_else_is_refused() {
    let scene = Scene::allowing();
    let invalid = counted(401, "invalid_dpop");
    let stranger = Key::generate();
    let signed = {
        let stranger = stranger.clone();
        move |proof: Proof| proof.signed_by(&stranger)
    };
    scene.repels("another key's signature", invalid, |call| call.proof(signed));
    let jwk = stranger.jwk();
    scene.repels("another key, consistently", invalid, move |call| {
        call.proof(move |proof| proof.header("jwk", jwk).signed_by(&stranger))
    });
    for signature in [vec![0; 64], vec![0xFF; 64], vec![1; 63], vec![1; 65]] {
        let what = format!("a signature of {} times {}", signature.len(), signature[0]);
        scene.repels(&what, invalid, |call| call.proof(move |proof| proof.signature(&signature)));
    }
    scene.end();
}
