//! Another token of the same key cannot pass for a proof, nor a proof for a lease (RFC 8725 section 3.11).

use latchgate_tests::Proof;
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn a_proof_of_another_type_is_refused() {
    let scene = Scene::allowing();
    let invalid = counted(401, "invalid_dpop");
    for typ in ["JWT", "jwt", "at+jwt", "lease+jwt", "application/dpop+jwt", "dpop+jwt ", "DPOP+JWT", ""] {
        scene.repels(&format!("{typ:?}"), invalid, |call| call.proof(move |proof| proof.header("typ", typ)));
    }
    scene.repels("no typ", invalid, |call| call.proof(|proof| proof.without_header("typ")));
    scene.repels("a list", invalid, |call| call.proof(|proof| proof.header("typ", json!(["dpop+jwt"]))));
    scene.end();
}

#[test]
fn a_lease_is_no_proof_and_a_proof_is_no_lease() {
    let scene = Scene::allowing();
    let lease = scene.agent.lease.clone();
    scene.repels("a lease as proof", counted(401, "invalid_dpop"), |call| call.dpop(&[&lease]));
    let proof = Proof::new(&scene.agent.key, "POST", "http://localhost/v1/actions/tick/execute").sign();
    let header = format!("DPoP {proof}");
    scene.repels("a proof as lease", counted(401, "invalid_lease"), |call| call.authorization(&[&header]));
    scene.end();
}
