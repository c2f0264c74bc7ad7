//! Nothing is decided without an entry that says who decided what.

use std::fs;

use latchgate_tests::{of_kind, policy};
use serde_json::{Value, json};

use crate::scene::{Scene, on_record};

#[test]
fn every_decision_has_its_entry() {
    let mut scene = Scene::asking();
    let operator = scene.operator();
    let (approved, denied) = (scene.hold(), scene.hold());
    let approval = operator.approve(&approved);
    operator.deny(&denied, "no");
    scene.refuses("unknown", on_record(404, "action_not_found"), scene.agent.call("unknown", &json!({})));
    scene.agent.post("/v1/leases/renew", &json!({})).send().expect(200);
    operator.revoke(&json!({ "session": scene.agent.session_id }));
    fs::write(scene.gate.home().join("policies/standard.cedar"), policy::DENY).unwrap();
    scene.gate.restart();
    let agent = scene.gate.raw_agent();
    scene.refuses("denied", on_record(403, "policy_denied"), scene.post_by(&agent, scene.number()));

    let entries = scene.gate.entries();
    let one = |kind: &str, is: &dyn Fn(&Value) -> bool| {
        let mut of = of_kind(&entries, kind);
        of.retain(|entry| is(entry));
        assert_eq!(of.len(), 1, "{kind}: {of:#?}");
        of[0].clone()
    };
    for id in [&approved, &denied] {
        let held = one("call.held", &|entry| entry["approval_id"] == **id);
        assert_eq!(held["call"]["who"]["session_id"], scene.agent.session_id.as_str());
        assert_eq!(held["call"]["policy"]["rule"], "ask");
    }
    let decision = one("approval.decided", &|entry| entry["approval_id"] == *approved);
    assert_eq!(
        (&decision["decision"], &decision["signed"]["operator"]),
        (&json!("approved"), &json!("local"))
    );
    assert_eq!(decision["signed"]["jkt"], scene.gate.operator_key().jkt());
    let decision = one("approval.decided", &|entry| entry["approval_id"] == *denied);
    assert_eq!((&decision["decision"], &decision["reason"]), (&json!("denied"), &json!("no")));
    let outcome = one("call.outcome", &|_| true);
    assert_eq!(outcome["receipt_id"], approval["receipt_id"]);
    assert_eq!(
        (&outcome["approval"]["id"], &outcome["approval"]["operator"]),
        (&json!(approved), &json!("local"))
    );
    let revoked = one("lease.revoked", &|_| true);
    assert_eq!(revoked["target"], json!({ "session": scene.agent.session_id }));
    one("lease.issued", &|entry| entry["renews"] == scene.agent.lease_jti.as_str());
    one("call.denied", &|entry| entry["error"] == "action_not_found");
    one("call.denied", &|entry| entry["policy"]["rule"] == "never");

    // One for the first policy and one for the second; a start under the same one is no change.
    assert_eq!(of_kind(&entries, "config.changed").len(), 2);
    assert_eq!(of_kind(&entries, "gate.started").len(), 2);
    assert_eq!(of_kind(&entries, "gate.stopped").len(), 1);
    scene.gate.restart();
    assert_eq!(scene.gate.entries_of("config.changed").len(), 2);
    scene.end();
}

/// Every entry carries the boundary, or belongs to a start that does.
#[test]
fn starts_and_receipts_name_the_boundary() {
    let scene = Scene::allowing();
    scene.post(scene.number()).send().expect(200);
    for kind in ["gate.started", "call.outcome"] {
        let entries = scene.gate.entries_of(kind);
        assert!(entries.iter().all(|entry| entry["boundary"] == "same-user"), "{kind}: {entries:#?}");
    }
    scene.end();
}
