//! Where no rule says yes, the answer is no.

use std::fs;

use latchgate_tests::{Gate, policy, tick};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Refusal, Scene, on_record};

const DENIED: Refusal = on_record(403, "policy_denied");

/// Every bundled action with arguments that fit.
fn calls(scene: &Scene) -> Vec<(&'static str, Value)> {
    vec![
        ("fs_list", json!({})),
        ("fs_read", json!({ "path": "a" })),
        ("fs_write", json!({ "path": "b", "content": "x" })),
        ("http_fetch", json!({ "url": scene.upstream.url("/effect") })),
        ("tick", scene.post_args(1)),
    ]
}

#[track_caller]
fn denies_everything(scene: Scene) {
    for (action, args) in calls(&scene) {
        scene.refuses(action, DENIED, scene.agent.call(action, &args));
    }
    for entry in scene.gate.entries_of("call.denied") {
        assert_eq!(entry["policy"]["verdict"], "deny", "{entry:#}");
        assert!(entry["policy"]["rule"].is_string(), "{entry:#}");
    }
    assert!(!scene.gate.root().join("b").exists());
    scene.end();
}

#[test]
fn an_empty_policy_denies_everything() {
    for policy in ["", "// nothing is permitted\n"] {
        denies_everything(Scene::of(Gate::builder().policy(policy).config(LOOPBACK).root_file("a", "a")));
    }
}

#[test]
fn no_policy_file_denies_everything() {
    let gate = Gate::builder()
        .policy(policy::ALLOW)
        .config(LOOPBACK)
        .root_file("a", "a")
        .manifest("tick.yaml", &tick::manifest())
        .prepare();
    fs::remove_file(gate.home().join("policies/standard.cedar")).unwrap();
    denies_everything(Scene::on(gate));
}

#[test]
fn a_forbid_beats_every_permit() {
    let both = format!("{}\n{}", policy::ALLOW, policy::DENY);
    denies_everything(Scene::of(Gate::builder().policy(&both).config(LOOPBACK).root_file("a", "a")));
}

/// The twin: the same calls where a rule says yes.
#[test]
fn a_permit_allows_what_it_names_and_nothing_else() {
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(LOOPBACK).root_file("a", "a"));
    for (action, args) in calls(&scene) {
        scene.agent.call(action, &args).send().expect(200);
    }
    scene.end();
    let one = "@id(\"one\")\npermit (principal, action == Action::\"fs_read\", resource);\n";
    let scene = Scene::of(Gate::builder().policy(one).config(LOOPBACK).root_file("a", "a"));
    for (action, args) in calls(&scene) {
        let call = scene.agent.call(action, &args);
        if action == "fs_read" {
            call.send().expect(200);
        } else {
            scene.refuses(action, DENIED, call);
        }
    }
    scene.end();
}

/// An agent learns that it was denied and the reason meant for it: no rule, no digest.
#[test]
fn a_denial_tells_the_agent_its_reason_and_no_more() {
    let scene = Scene::of(Gate::builder().policy(policy::DENY).config(LOOPBACK));
    let problem = scene.refuses("denied", DENIED, scene.post(1));
    assert_eq!(problem["deny_reason"], "a test forbids it");
    let text = problem.to_string();
    assert!(!text.contains("never") && !text.contains("sha256:") && !text.contains(".cedar"), "{text}");
    assert_eq!(scene.gate.entries_of("call.denied")[0]["policy"]["rule"], "never");
    scene.end();
}
