//! While gate and agent are one user, critical actions are denied, whatever policy says.

use latchgate_tests::{Gate, policy, tick};

use crate::scene::{LOOPBACK, Scene, on_record};

fn scene(policy: &str) -> Scene {
    let named = |id: &str, risk: &str| {
        tick::manifest()
            .replace("action_id: tick", &format!("action_id: {id}"))
            .replace("risk_level: high", &format!("risk_level: {risk}"))
    };
    let builder = Gate::builder()
        .policy(policy)
        .config(LOOPBACK)
        .manifest("critical.yaml", &named("critical_tick", "critical"))
        .manifest("high.yaml", &named("high_tick", "high"));
    Scene::of(builder)
}

#[test]
fn a_critical_action_is_denied_under_a_policy_that_allows_everything() {
    let scene = scene(policy::ALLOW);
    assert_eq!(scene.operator().status()["boundary"], "same-user");
    let args = scene.post_args(1);
    scene.refuses("critical", on_record(403, "policy_denied"), scene.agent.call("critical_tick", &args));
    assert_eq!(scene.gate.entries_of("call.denied")[0]["policy"]["rule"], "boundary:same-user");
    // The twin: the same action, less critical by its manifest alone.
    scene.agent.call("high_tick", &args).send().expect(200);
    scene.end();
}

#[test]
fn a_critical_action_is_not_held_for_approval_either() {
    let scene = scene(policy::ASK);
    let args = scene.post_args(1);
    scene.refuses("critical", on_record(403, "policy_denied"), scene.agent.call("critical_tick", &args));
    scene.agent.call("high_tick", &args).send().expect(202);
    scene.end();
}
