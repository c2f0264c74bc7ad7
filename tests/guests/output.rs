//! Guests that do as they were told, and then say something else than their action promises.

use latchgate_tests::guest::{self, innocent, saying};

use crate::scene::{Scene, home};

const LIMITS: &[&str] = &["host_calls: 2"];

#[test]
fn an_output_that_is_not_the_promised_one_is_refused_and_the_effect_is_told() {
    let deep = "[".repeat(200) + &"]".repeat(200);
    let cases = [
        ("", "output"),
        ("not json", "output"),
        ("{\"n\":1", "output"),
        ("{\"n\":1} x", "output"),
        ("{\"n\":1,\"n\":2}", "output"),
        ("{\"n\":NaN}", "output"),
        ("{\"n\":9007199254740993}", "output"),
        ("{\"n\":\"\\ud800\"}", "output"),
        (&deep, "output"),
        ("[1]", "not what the action promises"),
        ("null", "not what the action promises"),
        ("{\"n\":\"1\"}", "not what the action promises"),
        ("{\"n\":1,\"more\":1}", "not what the action promises"),
    ];
    let mut gate = home(&innocent(), &innocent(), LIMITS);
    for (number, (output, _)) in cases.iter().enumerate() {
        gate = guest::install(gate, &format!("hostile_{number}"), &saying(output), LIMITS);
    }
    let scene = Scene::of(gate.start());
    for (number, (_, word)) in cases.iter().enumerate() {
        scene.check_of(&format!("hostile_{number}"), word, "guest_failed", "done");
    }
    scene.end();
}

#[test]
fn what_a_guest_says_of_the_value_is_not_repeated() {
    let scene = Scene::new(&saying("{\"n\":\"sesame\"}"), &innocent(), LIMITS);
    let (_, answer, entries) = scene.call("hostile");
    assert!(!answer.to_string().contains("sesame"), "{answer}");
    assert!(!format!("{entries:?}").contains("sesame"), "{entries:#?}");
    scene.check_innocent();
    scene.end();
}
