//! A revocation stops every lease that it names from the next call on, across restarts, and nothing made later.

use latchgate_tests::{RawAgent, Response, Upstream, policy};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Refusal, Scene, counted};

const REVOKED: Refusal = counted(401, "lease_revoked");

/// `target` stops the agent, its renewal and its reads, now and after a restart, and leaves `bystander` alone.
#[track_caller]
fn check(target: impl FnOnce(&RawAgent) -> Value, spares_others: bool) {
    let mut scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "agent_id": "the-revoked" }));
    scene.post_by(&agent, scene.number()).send().expect(200);
    let target = target(&agent);
    scene.operator().revoke(&target);
    let entries = scene.gate.entries_of("lease.revoked");
    assert_eq!(entries.len(), 1);
    assert_eq!((&entries[0]["target"], &entries[0]["operator"]), (&target, &json!("local")));
    for when in ["at once", "after a restart"] {
        scene.refuses(when, REVOKED, scene.post_by(&agent, scene.number()));
        scene.refuses(when, REVOKED, agent.post("/v1/leases/renew", &json!({})));
        scene.refuses(when, REVOKED, agent.get("/v1/approvals"));
        // The twins: who was not named, and a lease taken since.
        let number = scene.number();
        if spares_others {
            scene.post(number).send().expect(200);
        } else {
            scene.refuses(when, REVOKED, scene.post(number));
        }
        if when == "at once" {
            scene.gate.restart();
            scene.await_reads();
        }
    }
    let again =
        RawAgent::connect_as(&scene.gate.agent_socket(), &agent.key, &json!({ "agent_id": "the-revoked" }));
    scene.post_by(&again, scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn a_revoked_lease_is_stopped() {
    check(|agent| json!({ "lease": agent.lease_jti }), true);
}

#[test]
fn a_revoked_session_is_stopped() {
    check(|agent| json!({ "session": agent.session_id }), true);
}

#[test]
fn a_revoked_agent_label_is_stopped() {
    check(|_| json!({ "agent": "the-revoked" }), true);
}

#[test]
fn a_revoked_principal_is_stopped() {
    check(|agent| json!({ "principal": agent.principal }), false);
}

#[test]
fn everything_is_stopped() {
    check(|_| json!({ "all": "everything" }), false);
}

/// The other leases of a session are its own; a lease by name is one lease.
#[test]
fn a_revoked_session_has_no_lease_left_and_a_revoked_lease_has_its_renewal() {
    let scene = Scene::allowing();
    let renewed = |agent: &RawAgent| {
        let lease = agent.post("/v1/leases/renew", &json!({})).send().expect(200);
        agent.with_lease(lease["lease_jwt"].as_str().unwrap())
    };
    let (one, other) = (scene.gate.raw_agent(), scene.gate.raw_agent());
    let (one_renewed, other_renewed) = (renewed(&one), renewed(&other));
    scene.operator().revoke(&json!({ "session": one.session_id }));
    scene.refuses("renewed before", REVOKED, scene.post_by(&one_renewed, scene.number()));
    scene.operator().revoke(&json!({ "lease": other.lease_jti }));
    scene.refuses("the lease", REVOKED, scene.post_by(&other, scene.number()));
    scene.post_by(&other_renewed, scene.number()).send().expect(200);
    scene.end();
}

/// A guest that runs is stopped though its service never answers, and what is known of it is its outcome: it may have happened.
#[test]
fn a_call_that_runs_is_stopped_and_recorded_and_the_next_is_refused() {
    let upstream = Upstream::answering(|_| Response::hang());
    let scene =
        Scene::with(latchgate_tests::Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let mut running = scene.post(scene.number()).begin();
    scene.upstream.await_requests(1);
    scene.operator().revoke(&json!({ "session": scene.agent.session_id }));
    let stopped = running.reply().expect(401);
    assert_eq!((&stopped["error"], &stopped["effect"]), (&json!("lease_revoked"), &json!("unknown")));
    let outcomes = scene.gate.entries_of("call.outcome");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(outcomes[0]["receipt_id"], stopped["receipt_id"]);
    assert_eq!(outcomes[0]["failure_class"], "revoked");
    assert_eq!(outcomes[0]["effects"][0]["status"], "unknown");
    scene.refuses("the next", REVOKED, scene.post(scene.number()));
    let receipt = stopped["receipt_id"].as_str().unwrap();
    scene.refuses("its receipt", REVOKED, scene.agent.get(&format!("/v1/receipts/{receipt}")));
    scene.upstream.release();
    scene.end();
}

/// The twin: somebody else's revocation stops nothing.
#[test]
fn a_call_of_another_session_goes_on() {
    let upstream = Upstream::answering(|_| Response::hang());
    let scene =
        Scene::with(latchgate_tests::Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let mut running = scene.post(scene.number()).begin();
    scene.upstream.await_requests(1);
    let other = scene.gate.raw_agent();
    scene.operator().revoke(&json!({ "session": other.session_id }));
    scene.upstream.release();
    running.reply().expect(200);
    scene.end();
}

/// Who revokes and hangs up has revoked, and what runs is stopped; or the request was not read, and nothing is written.
#[test]
fn a_revocation_whose_operator_hangs_up_is_carried_out() {
    let upstream = Upstream::answering(|_| Response::hang());
    let scene =
        Scene::with(latchgate_tests::Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let mut carried_out = 0;
    for round in 1..=10 {
        let agent = scene.gate.raw_agent();
        let before = scene.gate.entries_of("lease.revoked").len();
        let mut running = scene.post_by(&agent, scene.number()).begin();
        scene.upstream.await_requests(round);
        let revoke = || {
            let body = json!({ "target": { "session": agent.session_id } });
            scene.operator().post("/v1/revoke", &body)
        };
        drop(revoke().begin());
        // A later request is answered after the first was read or was not to be.
        scene.operator().status();
        if scene.gate.entries_of("lease.revoked").len() == before {
            revoke().send().expect(200);
        } else {
            carried_out += 1;
        }
        assert_eq!(running.reply().expect(401)["error"], "lease_revoked");
    }
    println!("{carried_out} of 10 were read");
    scene.upstream.release();
    scene.end();
}
