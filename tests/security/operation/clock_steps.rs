//! A clock that is stepped revives nothing: no lease, no proof, no approval. Calls wait for an operator's word on it.

use latchgate_tests::{Attempt, Gate, GateBuilder, RawAgent, SteppedClock, eventually, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene, counted, on_record};

const HOUR: i64 = 3600;

fn gate(clock: &SteppedClock, policy: &str, config: &str) -> GateBuilder {
    clock.given_to(Gate::builder().policy(policy).config(&format!("{config}{LOOPBACK}")))
}

/// No call of a lease that holds; nothing is sent.
#[track_caller]
fn assert_no_call(scene: &Scene) {
    let unavailable = on_record(503, "unavailable");
    says_what_helps(&scene.refuses("a call", unavailable, scene.post(scene.number())));
    assert_no_lease(scene);
}

/// No lease, whoever asks.
#[track_caller]
fn assert_no_lease(scene: &Scene) {
    let lease = RawAgent::ask_for_lease(&scene.gate.agent_socket(), &scene.agent.key, &json!({}));
    says_what_helps(&scene.refuses("a lease", counted(503, "unavailable"), lease));
}

#[track_caller]
fn says_what_helps(problem: &Value) {
    assert!(problem["detail"].as_str().unwrap().contains("clock"), "{problem}");
    assert!(problem["remediation"].as_str().unwrap().contains("latchgate clock accept"), "{problem}");
}

/// As the person at the machine does, whose clock is the stepped one too.
#[track_caller]
fn accept(scene: &Scene) -> Value {
    scene.gate.cli(&["clock", "accept", "--json"]).exited(0);
    scene.gate.entries_of("clock.accepted").pop().expect("an entry")
}

fn dated(attempt: Attempt, seconds: i64) -> Attempt {
    attempt.proof(move |proof| proof.aged(seconds))
}

#[test]
fn a_clock_set_back_revives_no_lease_no_proof_and_no_approval() {
    let Some(clock) = SteppedClock::new() else { return };
    let brief = "[auth]\nlease_ttl_s = 1\n[approvals]\nttl_s = 1\n";
    let scene = Scene::of(gate(&clock, policy::ASK, brief));
    let (expired, operator) = (scene.agent.clone(), scene.operator());
    let used = expired.get("/v1/approvals").proof(|proof| proof.claim("jti", "used")).bytes();
    latchgate_tests::exchange(&scene.gate.agent_socket(), &used);
    let id = held(&scene);
    eventually("the approval's end", || (operator.show(&id)["status"] == "expired").then_some(()));
    let decision = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
    let approve = || operator.post(&format!("/v1/approvals/{id}/approve"), &decision);
    let list = |agent: &RawAgent| agent.get("/v1/approvals");
    let (gone, decided, stale) =
        (counted(401, "lease_expired"), counted(409, "approval_decided"), counted(401, "invalid_dpop"));
    eventually("the lease's end", || (list(&expired).send().status == 401).then_some(()));

    clock.step(-HOUR);
    assert_no_lease(&scene);
    scene.refuses("a call", gone, scene.post(scene.number()));
    let revived = |when: &str| {
        assert_eq!(list(&expired).send().outcome(), (401, gone.code.into()), "{when}");
        assert_eq!(dated(list(&expired), -HOUR).send().outcome(), (401, gone.code.into()), "{when}");
        assert_eq!(approve().send().outcome(), (409, decided.code.into()), "{when}");
        assert_eq!(dated(approve(), -HOUR).send().outcome(), (401, stale.code.into()), "{when}");
    };
    revived("before it is accepted");
    let accepted = accept(&scene);
    assert!(accepted["drift_ms"].as_i64().unwrap() < -3_500_000, "{accepted}");
    revived("after it was accepted");
    let again = latchgate_tests::exchange(&scene.gate.agent_socket(), &used);
    assert_eq!(again.status, 401, "a used proof");
    assert_eq!(scene.effects(), 0);

    // The twin: what is new by the gate's time, which went on.
    eventually("a read under a new lease", || {
        (list(&scene.gate.raw_agent()).send().status == 200).then_some(())
    });
    scene.gate.assert_sound();
}

/// Held by a lease of its own, which may be gone a second later.
fn held(scene: &Scene) -> String {
    let reply = eventually("a held call", || {
        let reply = scene.post_by(&scene.gate.raw_agent(), scene.number()).send();
        (reply.status == 202).then_some(reply)
    });
    reply.json()["approval_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_clock_set_ahead_is_followed_once_it_was_accepted() {
    let Some(clock) = SteppedClock::new() else { return };
    let scene = Scene::of(gate(&clock, policy::ALLOW, ""));
    scene.post(scene.number()).send().expect(200);
    clock.step(2 * HOUR);
    assert_no_call(&scene);
    let accepted = accept(&scene);
    assert!(accepted["drift_ms"].as_i64().unwrap() > 7_000_000, "{accepted}");
    // What ended meanwhile has ended, what was signed before is old.
    scene.refuses(
        "a lease of before",
        counted(401, "lease_expired"),
        dated(scene.post(scene.number()), 2 * HOUR),
    );
    let fresh = scene.gate.raw_agent();
    let number = scene.number();
    let old = scene.refuses("a proof of before", counted(401, "invalid_dpop"), scene.post_by(&fresh, number));
    assert!(old["gate_time"].is_string(), "{old}");
    // The twin.
    dated(scene.post_by(&fresh, number), 2 * HOUR).send().expect(200);
    assert_eq!(scene.effects(), 2);
    scene.gate.assert_sound();
}

#[test]
fn a_start_before_the_last_entry_denies_calls_until_an_operator_accepts_the_clock() {
    let Some(clock) = SteppedClock::new() else { return };
    let mut scene = Scene::of(gate(&clock, policy::ALLOW, ""));
    scene.post(scene.number()).send().expect(200);
    scene.gate.terminate();
    let last = scene.gate.entries().pop().unwrap();
    clock.step(-2 * HOUR);
    for _ in 0..2 {
        // Nor does another start make it right.
        scene.gate.restart();
        assert_no_call(&scene);
    }
    accept(&scene);
    let times: Vec<Value> = scene.gate.entries().iter().map(|entry| entry["time"].clone()).collect();
    assert!(times.is_sorted_by(|a, b| a.as_str() <= b.as_str()), "{times:#?}");
    assert!(times.last().unwrap().as_str() >= last["time"].as_str());
    // The twin: a client whose clock is the stepped one too goes by the gate's, as the first refusal tells it.
    scene.gate.cli(&["call", "tick", &scene.post_args(scene.number()).to_string()]).exited(0);
    assert_eq!(scene.effects(), 2);
    scene.gate.assert_sound();
}

/// The twin of all: clocks that are corrected a little, as they are every day, stop nobody.
#[test]
fn a_step_of_less_than_a_minute_stops_nobody() {
    let Some(clock) = SteppedClock::new() else { return };
    let scene = Scene::of(gate(&clock, policy::ALLOW, ""));
    for seconds in [-40, 40, 0] {
        clock.step(seconds);
        scene.post(scene.number()).send().expect(200);
    }
    assert_eq!(scene.effects(), 3);
    scene.end();
}

/// An operator's hand is not tied by a clock that was stepped: what must stop can be stopped.
#[test]
fn an_operator_can_revoke_and_end_the_gate_whatever_the_clock_says() {
    let Some(clock) = SteppedClock::new() else { return };
    for hours in [-3, 3] {
        let mut scene = Scene::of(gate(&clock, policy::ALLOW, ""));
        clock.step(hours * HOUR);
        scene.gate.cli(&["status"]).exited(0);
        scene.gate.cli(&["revoke", "--all"]).exited(0);
        scene.gate.cli(&["down"]).exited(0);
        assert!(scene.gate.wait().success());
        clock.step(0);
    }
}
