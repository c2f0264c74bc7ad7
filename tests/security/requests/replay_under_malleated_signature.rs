//! Whoever sees a proof can turn its signature into the second valid form. It stays the same proof.

use crate::scene::{Scene, counted};

#[test]
fn the_second_form_of_a_used_proof_is_a_replay() {
    let scene = Scene::allowing();
    let number = scene.number();
    scene.post(number).proof(|proof| proof.claim("jti", "low first")).send().expect(200);
    let again = scene.post(number).proof(|proof| proof.claim("jti", "low first").high_s());
    scene.refuses("low, then high", counted(401, "replay_detected"), again);

    let number = scene.number();
    scene.post(number).proof(|proof| proof.claim("jti", "high first").high_s()).send().expect(200);
    let again = scene.post(number).proof(|proof| proof.claim("jti", "high first"));
    scene.refuses("high, then low", counted(401, "replay_detected"), again);

    // The twin: a high-S proof of its own, as ordinary libraries make half of the time.
    scene.post(scene.number()).proof(latchgate_tests::Proof::high_s).send().expect(200);
    assert_eq!(scene.effects(), 3);
    scene.end();
}

#[test]
fn the_same_proof_id_is_free_to_another_key() {
    let scene = Scene::allowing();
    let other = scene.gate.raw_agent();
    for agent in [&scene.agent, &other] {
        scene.post_by(agent, scene.number()).proof(|proof| proof.claim("jti", "shared")).send().expect(200);
    }
    assert_eq!(scene.effects(), 2);
    scene.end();
}
