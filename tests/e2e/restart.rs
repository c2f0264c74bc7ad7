//! What outlives the process: used proofs, receipts, held calls, outcomes of calls that were running.

use latchgate_tests::manifest::typed_post;
use latchgate_tests::{Gate, Proof, RawAgent, Response, Upstream, eventually, exchange, policy};
use rustix::process::Signal;
use serde_json::{Value, json};

const EXECUTE: &str = "/v1/actions/fs_read/execute";

fn gate() -> Gate {
    Gate::builder().root_file("a", "x").start()
}

fn posting_gate() -> Gate {
    let builder = Gate::builder().config("[egress]\ndangerous_loopback = true\n").policy(policy::ALLOW);
    builder.manifest("post.yaml", &typed_post("post", &[])).start()
}

fn read(agent: &RawAgent) -> (u16, Value) {
    agent.execute("fs_read", &json!({ "path": "a" }), |call| call)
}

#[test]
fn a_proof_that_was_used_is_refused_after_a_restart() {
    for kill in [false, true] {
        let mut gate = gate();
        let agent = gate.raw_agent();
        let args = json!({ "path": "a" });
        let proof = Proof::new(&agent.key, "POST", &format!("http://localhost{EXECUTE}"))
            .lease(&agent.lease)
            .body(args.to_string().as_bytes())
            .sign();
        let again = || agent.call("fs_read", &args).dpop(&[&proof]).send();
        assert_eq!(again().status, 200);
        assert_eq!(again().outcome(), (401, "replay_detected".into()));
        if kill {
            gate.kill9();
        }
        gate.restart();
        assert_eq!(again().outcome(), (401, "replay_detected".into()), "killed: {kill}");
        assert_eq!(read(&agent).0, 200, "the lease itself outlives the restart");
        assert_eq!(gate.entries_of("call.intent").len(), 2);
    }
}

#[test]
fn a_proof_for_a_read_from_before_the_start_is_refused() {
    let mut gate = gate();
    let agent = gate.raw_agent();
    let list = |seconds: i64| agent.get("/v1/actions").proof(move |proof| proof.aged(seconds)).send();
    gate.restart();
    assert_eq!(list(-30).outcome(), (401, "invalid_dpop".into()));
    assert_eq!(list(2).status, 200);
}

#[test]
fn receipts_outlive_the_gate() {
    let mut gate = gate();
    let agent = gate.raw_agent();
    let (_, answer) = read(&agent);
    let path = format!("/v1/receipts/{}", answer["receipt_id"].as_str().unwrap());
    let before = agent.get(&path).send().expect(200);
    gate.kill9();
    gate.restart();
    // Seconds ahead, because reads refuse proofs from before the start.
    let after = agent.get(&path).proof(|proof| proof.aged(2)).send().expect(200);
    assert_eq!(after, before);
    assert_eq!(after["provider_receipt"]["text"], "x");
    gate.assert_sound();
}

#[test]
fn a_held_call_outlives_the_gate_and_is_executed_when_approved() {
    let mut gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let args = json!({ "path": "note.txt", "content": "x" });
    let (status, held) = agent.execute("fs_write", &args, |call| call);
    assert_eq!(status, 202, "{held:#}");
    let id = held["approval_id"].as_str().unwrap();
    gate.kill9();
    gate.restart();
    let decided = gate.raw_operator().approve(id);
    assert!(gate.root().join("note.txt").exists(), "{decided:#}");
    let path = format!("/v1/approvals/{id}/poll");
    let polled = agent.get(&path).proof(|proof| proof.aged(2)).send().expect(200);
    assert_eq!((&polled["status"], &polled["receipt_id"]), (&json!("approved"), &decided["receipt_id"]));
    gate.assert_sound();
}

#[test]
fn a_revoked_lease_stays_revoked() {
    let mut gate = gate();
    let agent = gate.raw_agent();
    assert_eq!(read(&agent).0, 200);
    gate.raw_operator().revoke(&json!({ "session": agent.session_id }));
    assert_eq!(read(&agent).1["error"], "lease_revoked");
    gate.kill9();
    gate.restart();
    assert_eq!(read(&agent).1["error"], "lease_revoked");
    assert_eq!(read(&gate.raw_agent()).0, 200);
}

#[test]
fn a_call_that_runs_when_the_gate_is_told_to_end_is_finished_and_recorded() {
    let upstream = Upstream::answering(|_| Response::hang());
    let mut gate = posting_gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": {} });
    let mut running = agent.call("post", &args).begin();
    upstream.await_requests(1);
    gate.signal(Signal::TERM);
    eventually("the drain", || {
        let ready = exchange(&gate.agent_socket(), b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        (ready.status == 503).then_some(())
    });
    let (status, refused) = agent.execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!((status, &refused["error"]), (503, &json!("draining")), "{refused:#}");
    upstream.release();
    let answer = running.reply().expect(200);
    assert!(gate.wait().success());
    let entries = gate.entries();
    let outcome = entries.iter().find(|entry| entry["kind"] == "call.outcome").unwrap();
    assert_eq!(answer["receipt_id"], outcome["receipt_id"]);
    assert_eq!(entries.last().unwrap()["kind"], "gate.stopped");
    assert_eq!(upstream.count(), 1);
    gate.assert_sound();
}

#[test]
fn a_call_that_runs_when_the_gate_dies_is_unknown_and_never_repeated() {
    let upstream = Upstream::answering(|_| Response::hang());
    let mut gate = posting_gate();
    let agent = gate.raw_agent();
    let args = json!({ "url": upstream.url("/"), "body": {} });
    let running = agent.call("post", &args).begin();
    upstream.await_requests(1);
    gate.kill9();
    drop(running);
    gate.restart();
    let (status, problem) = agent.execute("post", &args, |call| call);
    assert_eq!((status, &problem["error"]), (502, &json!("outcome_unknown")), "{problem:#}");
    assert_eq!(problem["effect"], "unknown");
    assert_eq!(upstream.count(), 1);
    assert_eq!(gate.entries_of("gate.recovered").len(), 1);
    gate.assert_sound();
}

#[test]
fn a_second_gate_on_the_same_home_is_refused_and_leaves_the_first_alone() {
    let gate = gate();
    let second = gate.cli(&["up"]);
    assert_ne!(second.code, 0, "{second:#?}");
    assert!(second.stderr.contains("latchgate down"), "{}", second.stderr);
    assert_eq!(read(&gate.raw_agent()).0, 200);
    gate.assert_sound();
}

#[test]
fn a_gate_can_be_asked_to_end_by_its_operator() {
    let mut gate = gate();
    gate.cli(&["down"]).exited(0);
    assert!(gate.wait().success());
    assert!(!gate.agent_socket().exists() && !gate.admin_socket().exists());
    assert_eq!(gate.entries().last().unwrap()["kind"], "gate.stopped");
}
