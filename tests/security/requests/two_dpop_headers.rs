//! There is one proof and one lease on a request, or none is taken (RFC 9449 section 4.3, check 1).

use latchgate_tests::Proof;

use crate::scene::{Scene, counted};

/// A proof that would be taken, for the next call of the scene.
fn good(scene: &Scene, number: u64) -> String {
    Proof::new(&scene.agent.key, "POST", "http://localhost/v1/actions/tick/execute")
        .lease(&scene.agent.lease)
        .body(scene.post_args(number).to_string().as_bytes())
        .sign()
}

#[test]
fn two_proofs_are_refused_wherever_they_stand() {
    let scene = Scene::allowing();
    let number = scene.number();
    let (one, two) = (good(&scene, number), good(&scene, number));
    let joined = format!("{one}, {two}");
    let invalid = counted(401, "invalid_dpop");
    for (what, headers) in [
        ("twice the same", vec![&*one, &*one]),
        ("two good ones", vec![&*one, &*two]),
        ("a good one behind a bad one", vec!["x", &*one]),
        ("two in one header", vec![&*joined]),
        ("an empty one", vec![""]),
    ] {
        scene.refuses(what, invalid, scene.post(number).dpop(&headers));
    }
    scene.refuses("none", counted(401, "missing_dpop_header"), scene.post(number).dpop(&[]));
    // The twin: one of the very proofs that were refused above, alone.
    scene.post(number).dpop(&[&one]).send().expect(200);
    scene.end();
}

#[test]
fn two_leases_are_refused() {
    let scene = Scene::allowing();
    let lease = format!("DPoP {}", scene.agent.lease);
    let bearer = format!("Bearer {}", scene.agent.lease);
    let invalid = counted(401, "invalid_lease");
    scene.repels("twice the same", invalid, |call| call.authorization(&[&lease, &lease]));
    scene.repels("bearer beside it", invalid, |call| call.authorization(&[&lease, &bearer]));
    scene.repels("bearer", invalid, |call| call.authorization(&[&bearer]));
    scene.repels("no scheme", invalid, |call| call.authorization(&[&lease["DPoP ".len()..]]));
    scene.repels("none", counted(401, "missing_auth_header"), |call| call.authorization(&[]));
    scene.end();
}
