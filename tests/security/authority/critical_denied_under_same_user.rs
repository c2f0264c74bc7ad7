//! While gate and agent are one user, critical actions are denied, whatever policy says.

use latchgate_tests::{Gate, policy};

use crate::scene::{LOOPBACK, Scene, manifest, on_record};

fn scene(policy: &str) -> Scene {
    let named = |id: &'static str| [("action_id: http_post", id), ("risk_level: high", "risk_level: high")];
    let critical = [named("action_id: critical_post")[0], ("risk_level: high", "risk_level: critical")];
    let builder = Gate::builder()
        .policy(policy)
        .config(LOOPBACK)
        .manifest("critical.yaml", &manifest("http_post", &critical))
        .manifest("high.yaml", &manifest("http_post", &named("action_id: high_post")));
    Scene::of(builder)
}

#[test]
fn a_critical_action_is_denied_under_a_policy_that_allows_everything() {
    let scene = scene(policy::ALLOW);
    assert_eq!(scene.operator().status()["boundary"], "same-user");
    let args = scene.post_args(1);
    scene.refuses("critical", on_record(403, "policy_denied"), scene.agent.call("critical_post", &args));
    assert_eq!(scene.gate.entries_of("call.denied")[0]["policy"]["rule"], "boundary:same-user");
    // The twin: the same action, less critical by its manifest alone.
    scene.agent.call("high_post", &args).send().expect(200);
    scene.end();
}

#[test]
fn a_critical_action_is_not_held_for_approval_either() {
    let scene = scene(policy::ASK);
    let args = scene.post_args(1);
    scene.refuses("critical", on_record(403, "policy_denied"), scene.agent.call("critical_post", &args));
    scene.agent.call("high_post", &args).send().expect(202);
    scene.end();
}
