//! A rule that asks two people, added by a reload: what one person said before or says now is no answer to it.

use latchgate_tests::RawOperator;
use serde_json::json;

use super::crowd::{approval, operator, ruled, write_rules};
use crate::scene::{Scene, counted};

const ONE: &str = "rules:
  - { id: asked, then: ask, ask: a test asks, when: { action: tick } }
";
/// The first rule as it was, and beside it one that asks two.
const TWO: &str = "rules:
  - { id: asked, then: ask, ask: a test asks, when: { action: tick } }
  - { id: by-two, then: ask, ask: two must agree, approvers: 2, when: { class: send } }
";
/// As much is added, and it is about something else.
const ELSEWHERE: &str = "rules:
  - { id: asked, then: ask, ask: a test asks, when: { action: tick } }
  - { id: by-two, then: ask, ask: two must agree, approvers: 2, when: { action: fs_delete } }
";

#[track_caller]
fn reload(scene: &Scene, rules: &str) {
    write_rules(&scene.gate, rules);
    scene.operator().post("/v1/reload", &json!({})).send().expect(200);
}

fn people(scene: &Scene) -> (RawOperator, RawOperator) {
    (operator(scene, "ana", "approver"), operator(scene, "bob", "approver"))
}

#[test]
fn one_approval_of_a_held_call_is_none_where_two_are_asked_by_now() {
    let scene = ruled(ONE);
    let (ana, bob) = people(&scene);
    let id = scene.hold();
    reload(&scene, TWO);
    let decided = approval(&ana, &id, &json!({})).send().expect(200);
    assert_eq!(decided["effect"], "none", "{decided}");
    assert_eq!(decided["problem"]["error"], "conflict", "{decided}");
    assert_eq!(scene.effects(), 0);
    let denied = scene.gate.entries_of("call.denied");
    assert_eq!(denied.len(), 1, "{denied:#?}");
    assert_eq!((&denied[0]["error"], &denied[0]["approval_id"]), (&json!("conflict"), &json!(id)));
    assert!(scene.gate.entries_of("call.intent").is_empty());
    // It is void: a second person makes no quorum of what the first was not asked.
    scene.refuses("the second", counted(409, "approval_decided"), approval(&bob, &id, &json!({})));
    // Asked anew, both are needed, and enough.
    let id = scene.hold();
    assert_eq!(approval(&ana, &id, &json!({})).send().expect(200)["status"], "pending");
    assert_eq!(scene.effects(), 0);
    assert_eq!(approval(&bob, &id, &json!({})).send().expect(200)["effect"], "done");
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// The twin: the added rule is about another action.
#[test]
fn one_approval_of_a_held_call_is_enough_where_others_are_asked_of_two() {
    let scene = ruled(ONE);
    let (ana, _) = people(&scene);
    let id = scene.hold();
    reload(&scene, ELSEWHERE);
    assert_eq!(approval(&ana, &id, &json!({})).send().expect(200)["effect"], "done");
    assert_eq!(scene.effects(), 1);
    scene.end();
}

/// A standing approval by one for every number; the call that it was given for is executed.
#[track_caller]
fn stands(scene: &Scene, by: &RawOperator) {
    let id = scene.hold();
    let reach = json!({ "free": ["number"], "for_s": 600, "max_uses": 10 });
    let wide = json!({ "scope": "always", "reach": reach });
    assert_eq!(approval(by, &id, &wide).send().expect(200)["effect"], "done");
}

#[test]
fn a_standing_approval_by_one_answers_nothing_where_two_are_asked_by_now() {
    let scene = ruled(ONE);
    let (ana, bob) = people(&scene);
    stands(&scene, &ana);
    scene.post(scene.number()).send().expect(200);
    assert_eq!(scene.effects(), 2);
    reload(&scene, TWO);
    let id = scene.hold();
    assert_eq!(scene.effects(), 2);
    assert_eq!(scene.gate.entries_of("call.intent").len(), 2);
    assert_eq!(bob.show(&id)["approvers"], 2);
    assert_eq!(approval(&ana, &id, &json!({})).send().expect(200)["status"], "pending");
    assert_eq!(scene.effects(), 2);
    assert_eq!(approval(&bob, &id, &json!({})).send().expect(200)["effect"], "done");
    assert_eq!(scene.effects(), 3);
    scene.end();
}

/// The twin: the added rule is about another action.
#[test]
fn a_standing_approval_by_one_answers_where_others_are_asked_of_two() {
    let scene = ruled(ONE);
    let (ana, _) = people(&scene);
    stands(&scene, &ana);
    reload(&scene, ELSEWHERE);
    scene.post(scene.number()).send().expect(200);
    assert_eq!(scene.effects(), 2);
    scene.end();
}
