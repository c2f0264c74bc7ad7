//! What a draining gate refuses: on record where it knows who asked, counted where it does not.

use latchgate_tests::{Gate, RawAgent};
use serde_json::json;

/// A gate that takes no more calls, and an agent with a lease from before.
fn drained() -> (Gate, RawAgent) {
    let gate = Gate::builder().root_file("a", "x").start();
    let agent = gate.raw_agent();
    assert_eq!(agent.execute("fs_read", &json!({ "path": "a" }), |call| call).0, 200);
    gate.cli(&["drain"]).exited(0);
    (gate, agent)
}

#[test]
fn a_refused_call_leaves_an_entry_that_names_who_asked() {
    let (gate, agent) = drained();
    let reply = agent.call("fs_read", &json!({ "path": "a" })).send();
    assert_eq!(reply.outcome(), (503, "draining".into()));
    assert_eq!(reply.json()["effect"], "none");
    let denied = gate.entries_of("call.denied");
    assert_eq!(denied.len(), 1, "{denied:#?}");
    assert_eq!(denied[0]["trace_id"], reply.json()["trace_id"]);
    assert_eq!((&denied[0]["error"], &denied[0]["action_id"]), (&json!("draining"), &json!("fs_read")));
    assert_eq!(denied[0]["who"]["principal"], agent.principal);
    assert_eq!(gate.entries_of("call.intent").len(), 1, "the one before");
    gate.assert_sound();
}

#[test]
fn a_refused_renewal_leaves_an_entry() {
    let (gate, agent) = drained();
    assert_eq!(agent.post("/v1/leases/renew", &json!({})).send().outcome(), (503, "draining".into()));
    let denied = gate.entries_of("call.denied");
    assert_eq!((denied.len(), &denied[0]["action_id"]), (1, &json!("leases/renew")), "{denied:#?}");
}

#[test]
fn a_proof_of_a_refused_call_is_used_up() {
    let (gate, agent) = drained();
    let bytes = agent.call("fs_read", &json!({ "path": "a" })).bytes();
    let send = || latchgate_tests::exchange(&gate.agent_socket(), &bytes).outcome();
    assert_eq!(send(), (503, "draining".into()));
    assert_eq!(send(), (401, "replay_detected".into()));
}

#[test]
fn a_stranger_is_counted_and_leaves_no_entry_of_its_own() {
    let (mut gate, agent) = drained();
    let reply = agent.call("fs_read", &json!({ "path": "a" })).authorization(&[]).send();
    assert_eq!(reply.outcome(), (401, "missing_auth_header".into()));
    let lease = RawAgent::ask_for_lease(&gate.agent_socket(), &agent.key, &json!({})).send();
    assert_eq!(lease.outcome(), (503, "draining".into()));
    assert!(gate.entries_of("call.denied").is_empty());
    gate.terminate();
    let counted = &gate.entries_of("refusals.counted")[0]["counts"];
    assert_eq!((&counted["missing_auth_header"], &counted["draining"]), (&json!(1), &json!(1)), "{counted}");
}

#[test]
fn calls_above_the_rate_are_counted_into_one_entry() {
    let mut gate = Gate::builder().config("[limits]\ncalls_per_s = 1\n").root_file("a", "x").start();
    let agent = gate.raw_agent();
    let call = || agent.call("fs_read", &json!({ "path": "a" })).send().outcome();
    let refused = (0..20).filter(|_| call() == (429, "rate_limited".into())).count();
    assert!(refused > 0);
    assert!(gate.entries_of("call.denied").is_empty());
    gate.terminate();
    let counted = gate.entries_of("refusals.counted");
    let total: u64 = counted.iter().filter_map(|entry| entry["counts"]["rate_limited"].as_u64()).sum();
    assert_eq!(total, refused as u64, "{counted:#?}");
}
