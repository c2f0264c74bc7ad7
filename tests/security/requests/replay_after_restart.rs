//! What was used before a restart is used after it, however the gate ended.

use latchgate_tests::exchange;
use serde_json::json;

use crate::scene::{Refusal, Scene, counted};

const REPLAY: Refusal = counted(401, "replay_detected");

#[test]
fn a_calls_proof_works_once_across_a_kill_and_a_restart() {
    let mut scene = Scene::allowing();
    let number = scene.number();
    let executed = scene.post(number).bytes();
    let refused = scene.agent.call("no_such_action", &json!({})).bytes();
    let renewed = scene.agent.post("/v1/leases/renew", &json!({})).bytes();
    let socket = scene.gate.agent_socket();
    assert_eq!(exchange(&socket, &executed).status, 200);
    assert_eq!(exchange(&socket, &refused).outcome(), (404, "action_not_found".into()));
    assert_eq!(exchange(&socket, &renewed).status, 200);
    for end in ["kill", "restart"] {
        if end == "kill" {
            scene.gate.kill9();
        }
        scene.gate.restart();
        for (what, bytes) in [("executed", &executed), ("refused", &refused), ("renewal", &renewed)] {
            let before = scene.before();
            let reply = exchange(&socket, bytes);
            scene.assert_refused(&format!("{what} after {end}"), &before, &reply, REPLAY);
        }
        // The twin: the same lease with a new proof.
        scene.post(scene.number()).send().expect(200);
    }
    assert_eq!(scene.effects(), 3);
    scene.end();
}

/// Reads are burned in memory, so a proof from before the start is not taken at all.
#[test]
fn a_reads_proof_from_before_the_start_is_refused() {
    let mut scene = Scene::allowing();
    let read = scene.agent.get("/v1/approvals").bytes();
    let socket = scene.gate.agent_socket();
    assert_eq!(exchange(&socket, &read).status, 200);
    scene.gate.restart();
    let before = scene.before();
    let reply = exchange(&socket, &read);
    scene.assert_refused("a read", &before, &reply, counted(401, "invalid_dpop"));
    // The twins: a new proof under the same lease, from the second after the start on, and under a lease taken since.
    scene.gate.raw_agent().get("/v1/approvals").send().expect(200);
    scene.await_reads();
    scene.agent.get("/v1/approvals").send().expect(200);
    scene.end();
}

/// A clock ahead of the gate's dates proofs after a start that comes soon: they must not live through it.
#[test]
fn a_reads_proof_from_a_clock_ahead_works_once_across_a_restart() {
    let mut scene = Scene::allowing();
    let read = scene.agent.get("/v1/approvals").proof(|proof| proof.aged(5)).bytes();
    let socket = scene.gate.agent_socket();
    assert_eq!(exchange(&socket, &read).status, 200);
    scene.gate.kill9();
    scene.gate.restart();
    let (status, _) = exchange(&socket, &read).outcome();
    assert_eq!(status, 401);
}

#[test]
fn an_operators_proof_works_once_across_a_restart() {
    let mut scene = Scene::asking();
    let target = json!({ "target": { "session": scene.agent.session_id } });
    let revoke = scene.operator().post("/v1/revoke", &target).proof(|proof| proof.aged(5)).bytes();
    let socket = scene.gate.admin_socket();
    assert_eq!(exchange(&socket, &revoke).status, 200);
    assert_eq!(exchange(&socket, &revoke).outcome(), (401, "replay_detected".into()));
    scene.gate.kill9();
    scene.gate.restart();
    let (status, _) = exchange(&socket, &revoke).outcome();
    assert_eq!(status, 401);
    assert_eq!(scene.gate.entries_of("lease.revoked").len(), 1);
}
