//! Headers that point at keys elsewhere are refused and followed nowhere (RFC 8725 section 3.10).

use latchgate_tests::{Key, Token};
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn a_proof_that_points_at_a_key_is_refused_and_nothing_is_fetched() {
    let scene = Scene::allowing();
    let url = scene.upstream.url("/keys");
    for name in ["jku", "x5u", "x5c", "x5t", "x5t#S256"] {
        let value = if name == "x5c" { json!([url]) } else { json!(url) };
        scene.repels(name, counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.header(name, value))
        });
    }
    assert_eq!(scene.upstream.count_of("/keys"), 0);
    scene.end();
}

/// The lease's own header can point as well, at a key that the attacker signed it with.
#[test]
fn a_lease_that_points_at_a_key_is_refused_and_nothing_is_fetched() {
    let scene = Scene::allowing();
    let url = scene.upstream.url("/keys");
    let stranger = Key::generate();
    let pointers = [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!([url])),
        ("x5t#S256", json!(url)),
        ("jwk", json!(stranger.jwk())),
    ];
    for (name, value) in pointers {
        let lease = Token::read(&scene.agent.lease).header(name, value).sign(&stranger);
        let header = format!("DPoP {lease}");
        scene.repels(name, counted(401, "invalid_lease"), |call| call.authorization(&[&header]));
    }
    assert_eq!(scene.upstream.count_of("/keys"), 0);
    scene.end();
}

/// Whether a name leads anywhere is seen by what is read through it: a key of the attacker's in a file.
#[test]
fn a_kid_is_a_name_and_no_path() {
    let scene = Scene::allowing();
    let stranger = Key::generate();
    let kids = ["../../../../etc/passwd", "/dev/null", "file:///etc/passwd", "' or 1=1 --", "", "\u{1b}[2J"];
    for kid in kids {
        let signer = stranger.clone();
        scene.repels(&format!("proof {kid:?}"), counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.header("kid", kid).signed_by(&signer))
        });
        let lease = Token::read(&scene.agent.lease).header("kid", kid).sign(&stranger);
        let header = format!("DPoP {lease}");
        scene.repels(&format!("lease {kid:?}"), counted(401, "invalid_lease"), |call| {
            call.authorization(&[&header])
        });
    }
    scene.end();
}
