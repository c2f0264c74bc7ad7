//! The agent client against a gate that is scripted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use latchgate_wire::dpop;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::problem::{Code, Problem};
use latchgate_wire::time::Timestamp;
use serde_json::json;

use super::*;
use crate::fake_gate::{FakeGate, Seen};
use crate::signer::now;

/// Long enough that no test sees a renewal it does not ask for.
const LONG_MS: i64 = 300_000;

pub(crate) fn lease(life_ms: i64) -> (u16, String) {
    let expires_at: Timestamp = now().plus_ms(life_ms);
    let body = json!({
        "lease_jwt": "a.b.c",
        "session_id": "sess_01JD3G0000000000000000000A",
        "lease_jti": "lse_01JD3G0000000000000000000B",
        "expires_at": expires_at,
        "principal": "uid:1000",
    });
    (200, body.to_string())
}

fn executed() -> (u16, String) {
    let body = json!({
        "decision": "executed",
        "trace_id": "trc_01JD3G0000000000000000000C",
        "action_id": "fs_read",
        "grant_id": "grnt_01JD3G0000000000000000000D",
        "receipt_id": "rcpt_01JD3G0000000000000000000E",
        "log_index": 7,
        "output": {"text": "x"},
        "verification": {"outcome": "verified", "is_fully_successful": true},
        "runtime": {"duration_ms": 1, "exit_code": 0, "fuel_consumed": 1},
    });
    (200, body.to_string())
}

fn problem(code: Code) -> (u16, String) {
    (code.status(), serde_json::to_string(&Problem::new(code, "as told")).unwrap())
}

fn leases_then(reply: impl Fn(&Seen) -> (u16, String)) -> impl Fn(&Seen) -> (u16, String) {
    move |seen| if seen.path.starts_with("/v1/leases") { lease(LONG_MS) } else { reply(seen) }
}

async fn call(gate: &FakeGate) -> Result<CallOutcome, ClientError> {
    let client = AgentClient::connect(&gate.endpoint(), AgentOptions::default()).await?;
    client.call("fs_read", &json!({"path": "x"}), &CallOptions::default()).await
}

fn paths(gate: &FakeGate) -> Vec<String> {
    gate.seen().into_iter().map(|seen| seen.path).collect()
}

#[tokio::test]
async fn a_call_carries_lease_and_proof_over_its_body_by_the_key_of_the_lease() {
    let gate = FakeGate::answering(leases_then(|_| executed())).await;
    assert!(matches!(call(&gate).await.unwrap(), CallOutcome::Executed(_)));
    let seen = gate.seen();
    let request: Value = serde_json::from_slice(&seen[0].body).unwrap();
    assert_eq!(request["bind_body"], true);
    let key = Jwk::from_value(&request["dpop_jwk"]).unwrap();
    assert_eq!(seen[1].header("authorization"), Some("DPoP a.b.c"));
    let expected = dpop::Expected {
        method: "POST",
        uris: &["http://localhost/v1/actions/fs_read/execute"],
        ath: Some("a.b.c"),
        jkt: Some(key.thumbprint()),
        body: br#"{"path":"x"}"#,
        require_bh: true,
        now: now(),
    };
    assert!(dpop::verify(seen[1].header("dpop").unwrap(), &expected).is_ok());
}

#[tokio::test]
async fn options_become_headers() {
    let gate = FakeGate::answering(leases_then(|_| executed())).await;
    let client = AgentClient::connect(&gate.endpoint(), AgentOptions::default()).await.unwrap();
    let options = CallOptions {
        idempotency_key: Some("k1".into()),
        wait: Some(Duration::from_secs(30)),
        reason: Some("because".into()),
    };
    client.call("fs_read", &json!({}), &options).await.unwrap();
    let seen = &gate.seen()[1];
    assert_eq!(seen.header("idempotency-key"), Some("k1"));
    assert_eq!(seen.header("prefer"), Some("wait=30"));
    assert_eq!(seen.header("x-latchgate-reason"), Some("because"));
}

#[tokio::test]
async fn a_held_call_is_pending_and_a_refused_one_a_problem() {
    let pending = json!({
        "decision": "pending_approval",
        "approval_id": "appr_01JD3G0000000000000000000F",
        "request_hash": format!("sha256:{}", "0".repeat(64)),
        "expires_at": "2026-11-20T09:30:00.000Z",
        "trace_id": "trc_01JD3G0000000000000000000C",
    });
    let gate = FakeGate::answering(leases_then(move |_| (202, pending.to_string()))).await;
    assert!(matches!(call(&gate).await.unwrap(), CallOutcome::Pending(_)));
    let gate = FakeGate::answering(leases_then(|_| problem(Code::PolicyDenied))).await;
    let error = call(&gate).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), (Some(Code::PolicyDenied), 3));
}

#[tokio::test]
async fn a_lease_near_its_end_is_renewed_before_the_call() {
    // Its whole life lies in the past, so the next use finds it due.
    let gate = FakeGate::answering(|seen| match seen.path.as_str() {
        "/v1/leases" => lease(0),
        "/v1/leases/renew" => lease(LONG_MS),
        _ => executed(),
    })
    .await;
    call(&gate).await.unwrap();
    assert_eq!(paths(&gate), ["/v1/leases", "/v1/leases/renew", "/v1/actions/fs_read/execute"]);
}

#[tokio::test]
async fn a_session_that_ended_is_followed_by_a_new_one() {
    let issued = AtomicUsize::new(0);
    let gate = FakeGate::answering(move |seen| match seen.path.as_str() {
        "/v1/leases" if issued.fetch_add(1, Ordering::SeqCst) == 0 => lease(0),
        "/v1/leases" => lease(LONG_MS),
        "/v1/leases/renew" => problem(Code::LeaseExpired),
        _ => executed(),
    })
    .await;
    call(&gate).await.unwrap();
    assert_eq!(paths(&gate), ["/v1/leases", "/v1/leases/renew", "/v1/leases", "/v1/actions/fs_read/execute"]);
}

#[tokio::test]
async fn a_call_under_a_lease_that_the_gate_no_longer_knows_is_made_once_more() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let gate = FakeGate::answering(leases_then(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => problem(Code::InvalidLease),
        _ => executed(),
    }))
    .await;
    assert!(call(&gate).await.is_ok());
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_revoked_lease_is_not_replaced() {
    let gate = FakeGate::answering(leases_then(|_| problem(Code::LeaseRevoked))).await;
    assert_eq!(call(&gate).await.unwrap_err().code(), Some(Code::LeaseRevoked));
    assert_eq!(paths(&gate), ["/v1/leases", "/v1/actions/fs_read/execute"]);
}

#[tokio::test]
async fn an_action_that_could_become_another_route_is_not_asked_for() {
    let gate = FakeGate::answering(leases_then(|_| executed())).await;
    let client = AgentClient::connect(&gate.endpoint(), AgentOptions::default()).await.unwrap();
    for id in ["", "..", "a/b", "a?b", "a b", "ä", &"x".repeat(129)] {
        let error = client.call(id, &json!({}), &CallOptions::default()).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{id}");
    }
    assert_eq!(paths(&gate), ["/v1/leases"]);
}

#[tokio::test]
async fn an_answer_that_is_not_the_contracts_is_told_apart() {
    let gate = FakeGate::answering(leases_then(|_| (200, "{}".into()))).await;
    assert!(matches!(call(&gate).await.unwrap_err(), ClientError::Protocol(_)));
    let gate = FakeGate::answering(leases_then(|_| (500, "oops".into()))).await;
    assert!(matches!(call(&gate).await.unwrap_err(), ClientError::Protocol(_)));
}

#[tokio::test]
async fn a_lost_answer_to_a_call_is_an_unknown_effect_and_to_a_question_is_not() {
    let gate = FakeGate::hanging_up_on("/v1/actions/fs_read").await;
    let client = AgentClient::connect(&gate.endpoint(), AgentOptions::default()).await.unwrap();
    let error = client.call("fs_read", &json!({}), &CallOptions::default()).await.unwrap_err();
    assert_eq!(error.exit_code(), 7, "{error}");
    let error = client.action("fs_read").await.unwrap_err();
    assert_eq!(error.exit_code(), 5, "{error}");
}
