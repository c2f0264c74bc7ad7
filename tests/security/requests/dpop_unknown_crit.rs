//! `crit` names extensions that must be understood; none is, so none is taken (RFC 7515 section 4.1.11).

use serde_json::{Value, json};

use crate::scene::{Scene, counted};

#[test]
fn a_proof_with_critical_extensions_is_refused() {
    let scene = Scene::allowing();
    let cases: [(&str, Value); 6] = [
        ("crit", json!(["exp"])),
        ("crit", json!(["b64"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ];
    for (name, value) in cases {
        let what = format!("{name}: {value}");
        scene.repels(&what, counted(401, "invalid_dpop"), |call| {
            call.proof(move |proof| proof.header(name, value))
        });
    }
    scene.end();
}
