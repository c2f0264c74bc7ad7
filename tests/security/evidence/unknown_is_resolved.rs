//! An outcome that nobody knows is known by an operator's word, and by nobody else's: not done frees the call, done does not repeat it.

use latchgate_tests::{Gate, Response, Upstream, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene};

/// A gate in whose ledger one call may have happened, and the number of that call.
fn interrupted(key: Option<&str>) -> (Scene, u64, String) {
    let first = std::sync::atomic::AtomicBool::new(true);
    let upstream =
        Upstream::answering(move |_| match first.swap(false, std::sync::atomic::Ordering::Relaxed) {
            true => Response::hang(),
            false => Response::ok("ok"),
        });
    let mut scene = Scene::with(Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let number = scene.number();
    let call = scene.post(number);
    let _running = match key {
        Some(key) => call.idempotency_key(key).begin(),
        None => call.begin(),
    };
    scene.upstream.await_requests(1);
    scene.gate.kill9();
    scene.gate.restart();
    let listed = unknown(&scene);
    let [one] = listed.as_slice() else { panic!("{listed:#?}") };
    assert_eq!(one["arguments"], scene.post_args(number), "{one:#}");
    assert_eq!((&one["action_id"], &one["effects"][0]["status"]), (&json!("tick"), &json!("unknown")));
    let receipt = one["receipt_id"].as_str().unwrap().to_owned();
    (scene, number, receipt)
}

fn unknown(scene: &Scene) -> Vec<Value> {
    scene.gate.cli(&["ledger", "unknown", "--json"]).exited(0).json()["unknown"].as_array().unwrap().clone()
}

fn resolve(scene: &Scene, receipt: &str, resolution: &str) -> latchgate_tests::Ran {
    let note = "looked at the service";
    scene.gate.cli(&["ledger", "unknown", "resolve", receipt, resolution, "--note", note, "--json"])
}

#[test]
fn what_was_not_done_may_be_tried_again_and_what_was_resolved_is_resolved_once() {
    for key in [None, Some("k")] {
        let (scene, number, receipt) = interrupted(key);
        let call = || match key {
            Some(key) => scene.post(number).idempotency_key(key),
            None => scene.post(number),
        };
        assert_eq!(call().send().outcome(), (502, "outcome_unknown".into()));
        assert_eq!(scene.effects(), 1);
        let resolved = resolve(&scene, &receipt, "not-done").exited(0).json();
        let entry = &scene.gate.entries_of("outcome.resolved")[0];
        assert_eq!(entry["seq"], resolved["log_index"]);
        assert_eq!((&entry["resolution"], &entry["receipt_id"]), (&json!("not-done"), &json!(receipt)));
        assert_eq!(
            (&entry["note"], &entry["signed"]["operator"]),
            (&json!("looked at the service"), &json!("local"))
        );
        assert!(unknown(&scene).is_empty());
        assert_eq!(scene.operator().status()["unknown_outcomes"], 0);
        call().send().expect(200);
        assert_eq!(scene.effects(), 2);
        let again = resolve(&scene, &receipt, "done");
        assert!(again.code > 0 && again.stdout.contains("conflict"), "{again:#?}");
        scene.also_counted("conflict", 1);
        assert_eq!(scene.gate.entries_of("outcome.resolved").len(), 1);
        scene.end();
    }
}

#[test]
fn what_was_done_is_told_and_not_repeated_across_a_restart() {
    let (mut scene, number, receipt) = interrupted(None);
    resolve(&scene, &receipt, "done").exited(0);
    scene.gate.restart();
    let problem = scene.post(number).send();
    assert_eq!(problem.outcome(), (502, "outcome_unknown".into()));
    let problem = problem.json();
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("done"), &json!(false)), "{problem}");
    assert_eq!(problem["receipt_id"], receipt);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn nobody_but_an_approver_resolves_and_nothing_but_the_unknown_is_resolved() {
    let (scene, _, receipt) = interrupted(None);
    scene.gate.cli(&["operator", "add", "eve", "--role", "viewer"]).exited(0);
    let by_viewer = scene.gate.cli(&[
        "ledger",
        "unknown",
        "resolve",
        &receipt,
        "not-done",
        "--operator",
        "eve",
        "--json",
    ]);
    assert_eq!(by_viewer.code, 3, "{by_viewer:#?}");
    scene.also_counted("forbidden", 1);
    let known = scene.post(scene.number()).send().expect(200)["receipt_id"].as_str().unwrap().to_owned();
    let of_known = resolve(&scene, &known, "not-done");
    assert!(of_known.code > 0 && of_known.stdout.contains("conflict"), "{of_known:#?}");
    scene.also_counted("conflict", 1);
    assert_eq!(scene.gate.entries_of("outcome.resolved").len(), 0);
    assert_eq!(unknown(&scene).len(), 1);
    // The twin.
    scene.gate.cli(&["operator", "add", "ana", "--role", "approver"]).exited(0);
    scene.gate.cli(&["ledger", "unknown", "resolve", &receipt, "not-done", "--operator", "ana"]).exited(0);
    scene.end();
}
