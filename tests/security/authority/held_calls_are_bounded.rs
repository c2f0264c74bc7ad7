//! How many calls of one principal wait for people at once: as many as the gate is told, and nobody else's are among them.

use latchgate_tests::{Gate, policy};

use super::crowd::{agent, enrolled};
use crate::scene::{LOOPBACK, Refusal, Scene, on_record};

const TOO_MANY: Refusal = on_record(429, "rate_limited");

#[test]
fn a_principal_holds_as_many_calls_as_the_setting_says_and_no_more() {
    let config = format!("[approvals]\nheld_max = 2\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ASK).config(&config));
    let first = scene.hold();
    let number = scene.number();
    let held = scene.post(number).send().expect(202);
    scene.refuses("one more", TOO_MANY, scene.post(scene.number()));
    // A new lease and session are the same principal's.
    let again = scene.gate.raw_agent();
    scene.refuses("under another lease", TOO_MANY, scene.post_by(&again, scene.number()));
    // Who asks again for what waits is told of that.
    assert_eq!(scene.post(number).send().expect(202)["approval_id"], held["approval_id"]);
    // The twins: somebody else, and whoever has one decided.
    let other = agent(&scene, &enrolled(&scene, "ci"));
    scene.post_by(&other, scene.number()).send().expect(202);
    scene.operator().deny(&first, "no");
    scene.post(scene.number()).send().expect(202);
    assert_eq!(scene.effects(), 0);
    scene.end();
}

#[test]
fn a_bound_that_holds_nothing_or_everything_is_refused_at_the_start() {
    for (text, is_taken) in [("0", false), ("1", true), ("1000", true), ("1001", false)] {
        let config = format!("[approvals]\nheld_max = {text}\n");
        let started = Gate::builder().policy(policy::ASK).config(&config).try_start();
        assert_eq!(started.is_ok(), is_taken, "{text}");
        if let Err(refused) = started {
            assert!(refused.stderr.contains("expected a whole number from 1 to 1000"), "{}", refused.stderr);
        }
    }
}
