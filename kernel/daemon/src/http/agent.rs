//! The agent API.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::{Request, Response};
use latchgate_ledger::ApprovalFilter;
use latchgate_monitor::answer::Answer;
use latchgate_monitor::authenticator::{Caller, Listener, Purpose};
use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Approval, Clock as _, Entropy as _, Finished};
use latchgate_monitor::steps::{self, ResultPayload};
use latchgate_wire::api::{ApprovalList, LeaseRequest, LeaseResponse, Ready, RenewRequest};
use latchgate_wire::ids::{ApprovalId, ReceiptId, TraceId};
use latchgate_wire::json;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::Receipt;
use latchgate_wire::time::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::actions;
use super::authority::Authority;
use super::connection::Delivery;
use super::incoming::Received;
use super::respond::{self, Whole};
use super::trace_context::{Span, TRACEPARENT, TraceParent};
use crate::calls::{approvals, call};
use crate::gate::Gate;
use crate::metrics::LeaseKind;
use crate::people::leases::Applicant;

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
const LABEL_BYTES_MAX: usize = 128;
/// One line that a person reads.
const REASON_BYTES_MAX: usize = 512;

pub async fn route(
    gate: &Arc<Gate>,
    listener: &Listener,
    authority: Option<&Authority>,
    request: Request<Incoming>,
    delivery: Arc<Delivery>,
) -> Response<Whole> {
    let trace_id = gate.new_trace();
    let addressed = authority.map_or(Ok(()), |authority| authority.check(request.headers()));
    let received = match addressed {
        Ok(()) => Received::read(request).await,
        Err(denial) => Err(denial),
    };
    let answered = match received {
        Ok(received) => routed(gate, listener, &received, trace_id, delivery).await,
        Err(denial) => Err(denial),
    };
    answered.unwrap_or_else(|denial| refused(gate, &denial, trace_id))
}

/// What reached the pipeline has its own entry; what comes here was refused before.
fn refused(gate: &Gate, denial: &Denial, trace_id: TraceId) -> Response<Whole> {
    gate.count_refusal(denial.code);
    call::log_cause(denial, trace_id);
    respond::problem(denial, trace_id)
}

/// A refusal outside the pipeline of somebody who is known: an entry of its own.
async fn refused_on_record(
    gate: &Gate,
    caller: &Caller,
    what: &str,
    denial: &Denial,
    trace_id: TraceId,
) -> Response<Whole> {
    call::record_refusal(gate, caller, what, denial, trace_id).await;
    respond::problem(denial, trace_id)
}

async fn routed(
    gate: &Arc<Gate>,
    listener: &Listener,
    received: &Received,
    trace_id: TraceId,
    delivery: Arc<Delivery>,
) -> Result<Response<Whole>, Denial> {
    let segments: Vec<&str> = received.path.split('/').skip(1).collect();
    match (received.method.as_str(), segments.as_slice()) {
        ("GET", ["healthz"]) => Ok(respond::json(200, &json!({ "status": "ok" }))),
        ("GET", ["readyz"]) => Ok(ready(gate)),
        ("GET", [".well-known", "jwks.json"]) => Ok(respond::json(200, &gate.jwks())),
        ("GET", ["v1", "actions"]) => {
            let caller = match received.headers.contains_key(AUTHORIZATION) {
                true => Some(reader(gate, listener, received).await?),
                false => None,
            };
            actions::list(gate, caller.as_ref(), received).await
        }
        ("GET", ["v1", "actions", id]) => action(gate, id).map(|action| respond::json(200, &action.info())),
        ("GET", ["v1", "actions", id, "schema", "request"]) => {
            action(gate, id).map(|action| respond::json(200, &action.manifest.request_schema))
        }
        ("POST", ["v1", "leases"]) => {
            open_for_calls(gate)?;
            let request: LeaseRequest = body(&received.body)?;
            gate.lease_rate.take(&listener.peer, gate.world.clock.now())?;
            let applicant = Applicant::of(gate, listener, received, &request.dpop_jwk)?;
            let lease = gate.leases.issue(&gate.world, applicant, request, trace_id).await?;
            gate.metrics.leased(LeaseKind::Issued);
            Ok(respond::json(200, &lease))
        }
        ("POST", ["v1", "leases", "renew"]) => {
            let caller = caller(gate, listener, received, Purpose::Entry)?;
            match renew(gate, &caller, received, trace_id).await {
                Ok(lease) => {
                    gate.metrics.leased(LeaseKind::Renewed);
                    Ok(respond::json(200, &lease))
                }
                Err(denial) => Ok(refused_on_record(gate, &caller, "leases/renew", &denial, trace_id).await),
            }
        }
        ("POST", ["v1", "actions", id, "execute"]) => {
            let parent = TraceParent::of(&received.headers);
            let executed = execute(gate, listener, received, id, trace_id, delivery, parent.as_ref()).await;
            let mut response = executed.unwrap_or_else(|denial| refused(gate, &denial, trace_id));
            let span = Span::new(gate.world.entropy.u128());
            let answer = parent.and_then(|parent| parent.answer(span));
            response.headers_mut().extend(answer.map(|answer| (TRACEPARENT, answer)));
            Ok(response)
        }
        ("GET", ["v1", "approvals"]) => {
            let caller = reader(gate, listener, received).await?;
            let filter = ApprovalFilter {
                principal: Some(caller.who().principal.clone()),
                ..ApprovalFilter::default()
            };
            let approvals = approvals::list(gate, &filter, Some("pending"));
            Ok(respond::json(200, &ApprovalList { approvals }))
        }
        ("GET", ["v1", "approvals", id, "poll"]) => {
            let caller = reader(gate, listener, received).await?;
            poll(gate, &caller, received, id, trace_id).await
        }
        ("GET", ["v1", "approvals", id, "answer"]) => {
            let caller = reader(gate, listener, received).await?;
            let approval = own_approval(gate, &caller, id)?;
            let counts = counts_when_read(received)?;
            let reply = call::collect(gate, &approval, trace_id, received.wait()).await;
            Ok(delivering(&reply, counts, delivery))
        }
        ("DELETE", ["v1", "approvals", id]) => {
            let caller = reader(gate, listener, received).await?;
            let approval = own_approval(gate, &caller, id)?;
            let withdrawn = approvals::withdraw(gate, &approval, trace_id).await?;
            Ok(respond::json(200, &withdrawn))
        }
        ("GET", ["v1", "receipts", id]) => {
            let caller = reader(gate, listener, received).await?;
            receipt(gate, &caller, id)
        }
        ("POST", ["v1", "receipts", id, "delivered"]) => {
            let caller = reader(gate, listener, received).await?;
            let finished = own_receipt(gate, &caller, id)?;
            gate.deliveries.written(finished.receipt.intent_seq);
            Ok(respond::json(200, &json!({ "receipt_id": finished.receipt.receipt_id })))
        }
        (_, segments) => Err(unknown(segments)),
    }
}

/// 405 where the path exists with another method, else 404.
fn unknown(segments: &[&str]) -> Denial {
    let known = matches!(
        segments,
        ["healthz" | "readyz"]
            | [".well-known", "jwks.json"]
            | ["v1", "actions" | "leases" | "approvals"]
            | ["v1", "leases", "renew"]
            | ["v1", "actions", _]
            | ["v1", "actions", _, "execute"]
            | ["v1", "actions", _, "schema", "request"]
            | ["v1", "approvals", _, "poll" | "answer"]
            | ["v1", "approvals", _]
            | ["v1", "receipts", _]
            | ["v1", "receipts", _, "delivered"]
    );
    if known {
        return Denial::new(Code::MethodNotAllowed, "this route has another method");
    }
    Denial::new(Code::NotFound, "there is no such route").remedy("see GET /v1/actions for what can be called")
}

fn ready(gate: &Gate) -> Response<Whole> {
    let catalog = gate.catalog.load();
    let draining = gate.is_draining();
    let ready = Ready {
        status: if draining { "draining" } else { "ready" }.into(),
        ledger: "ok".into(),
        policy: catalog.policy.digest().to_string(),
        actions_registered: catalog.actions.len(),
        public_base_url: gate.config.gate.public_base_url.clone(),
    };
    respond::json(if draining { 503 } else { 200 }, &ready)
}

fn action(gate: &Gate, id: &str) -> Result<Arc<latchgate_monitor::catalog::Action>, Denial> {
    gate.catalog.load().actions.get(id).cloned().ok_or_else(|| {
        Denial::new(Code::ActionNotFound, "there is no action of that name")
            .remedy("GET /v1/actions lists the actions")
    })
}

fn caller(gate: &Gate, listener: &Listener, received: &Received, purpose: Purpose) -> Result<Caller, Denial> {
    let world = &gate.world;
    received.presented(|presented| {
        gate.authenticator.authenticate(presented, listener, purpose, &world.ledger, &*world.clock)
    })
}

/// For reads. A proof from a clock ahead is answered when its second has come: so that after a restart its time alone tells
/// that it may have been used.
async fn reader(gate: &Gate, listener: &Listener, received: &Received) -> Result<Caller, Denial> {
    let caller = caller(gate, listener, received, Purpose::Read)?;
    let ahead_ms = Timestamp::from_secs(caller.proof().iat).since(gate.world.clock.now());
    if let Ok(ahead_ms) = u64::try_from(ahead_ms) {
        tokio::time::sleep(Duration::from_millis(ahead_ms)).await;
    }
    Ok(caller)
}

async fn execute(
    gate: &Arc<Gate>,
    listener: &Listener,
    received: &Received,
    action_id: &str,
    trace_id: TraceId,
    delivery: Arc<Delivery>,
    parent: Option<&TraceParent>,
) -> Result<Response<Whole>, Denial> {
    let key = received.header("idempotency-key")?;
    if key.is_some_and(|key| key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX) {
        let detail = format!("Idempotency-Key: expected 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
        return Err(Denial::new(Code::BadRequest, detail));
    }
    let reason = received.header("x-latchgate-reason")?;
    if reason.is_some_and(|reason| reason.len() > REASON_BYTES_MAX) {
        let detail = format!("X-LatchGate-Reason: expected at most {REASON_BYTES_MAX} bytes");
        return Err(Denial::new(Code::BadRequest, detail));
    }
    let counts = counts_when_read(received)?;
    let caller = caller(gate, listener, received, Purpose::Entry)?;
    // Before anything that leaves an entry: these refusals are only counted.
    gate.call_rate.take(&caller.who().principal, gate.world.clock.now())?;
    if let Err(denial) = open_for_calls(gate) {
        return Ok(refused_on_record(gate, &caller, action_id, &denial, trace_id).await);
    }
    if let Some(parent) = parent {
        tracing::info!(%trace_id, traceparent_trace_id = parent.trace_id(), "a call of the caller's trace");
    }
    if let Some(label) = session_label(received)? {
        tracing::info!(%trace_id, caller_session = label, "a call of what its caller calls a session");
    }
    let body = received.body.to_vec();
    let request = steps::Request::new(caller, trace_id, action_id.to_owned(), body, key.map(str::to_owned))
        .because(reason.map(str::to_owned));
    let reply = call::execute(gate, request, received.wait()).await;
    Ok(delivering(&reply, counts, delivery))
}

/// Whether an answer counts as delivered when its last byte is taken. A caller that hands answers on says that it will tell.
fn counts_when_read(received: &Received) -> Result<Counts, Denial> {
    match received.header("x-latchgate-delivery")? {
        None => Ok(Counts::WhenRead),
        Some("confirmed") => Ok(Counts::WhenConfirmed),
        Some(_) => Err(Denial::new(
            Code::BadRequest,
            "X-LatchGate-Delivery: expected `confirmed`, or no such header",
        )),
    }
}

/// When an answer counts as delivered.
#[derive(Clone, Copy)]
enum Counts {
    WhenRead,
    WhenConfirmed,
}

/// What was not done has nothing to be done twice, and what nobody knows is joined whatever was delivered: only the answer of
/// something done waits for a word.
fn delivering(reply: &call::Reply, counts: Counts, delivery: Arc<Delivery>) -> Response<Whole> {
    let delivers = match (counts, &reply.answer) {
        (Counts::WhenConfirmed, Answer::Executed(_)) => None,
        (Counts::WhenRead | Counts::WhenConfirmed, _) => reply.delivers,
    };
    respond::answer(&reply.answer, delivers.map(|intent_seq| (intent_seq, delivery)))
}

/// What the caller calls its session: a label for whoever reads the log, and nothing more.
fn session_label(received: &Received) -> Result<Option<&str>, Denial> {
    let label = received.header("x-latchgate-session-id")?;
    Ok(label.filter(|label| label.len() <= LABEL_BYTES_MAX && !label.contains(char::is_control)))
}

async fn renew(
    gate: &Gate,
    caller: &Caller,
    received: &Received,
    trace_id: TraceId,
) -> Result<LeaseResponse, Denial> {
    open_for_calls(gate)?;
    let request = if received.body.is_empty() { RenewRequest::default() } else { body(&received.body)? };
    gate.leases.renew(&gate.world, caller, request, trace_id).await
}

async fn poll(
    gate: &Arc<Gate>,
    caller: &Caller,
    received: &Received,
    id: &str,
    trace_id: TraceId,
) -> Result<Response<Whole>, Denial> {
    let mut approval = own_approval(gate, caller, id)?;
    let id = approval.held.approval_id;
    let wait = received.wait();
    if !wait.is_zero()
        && let Some(decided) = call::decided(gate, id, wait).await
    {
        approval = decided;
    }
    Ok(respond::json(200, &approvals::poll(gate, &approval, trace_id)?))
}

/// One answer for what does not exist and for what is another's.
fn own_approval(gate: &Gate, caller: &Caller, id: &str) -> Result<Approval, Denial> {
    let absent = || Denial::new(Code::NotFound, "there is no such approval, or it ended more than 24 h ago");
    let id: ApprovalId = id.parse().map_err(|_| absent())?;
    let approval = approvals::find(gate, id)?;
    if approval.held.call.who.principal == caller.who().principal { Ok(approval) } else { Err(absent()) }
}

/// One answer for what does not exist and for what is another's.
fn own_receipt(gate: &Gate, caller: &Caller, id: &str) -> Result<Arc<Finished>, Denial> {
    let absent = || Denial::new(Code::NotFound, "there is no such receipt");
    let id: ReceiptId = id.parse().map_err(|_| absent())?;
    let finished = gate.world.ledger.receipt(id).ok_or_else(absent)?;
    if finished.receipt.principal == caller.who().principal { Ok(finished) } else { Err(absent()) }
}

fn receipt(gate: &Gate, caller: &Caller, id: &str) -> Result<Response<Whole>, Denial> {
    let finished = own_receipt(gate, caller, id)?;
    let mut value =
        serde_json::to_value(&finished.receipt).map_err(|error| Denial::fault(error.to_string()))?;
    if let Some(members) = value.as_object_mut() {
        members.insert("log_index".into(), finished.seq.into());
        members.extend(for_old_clients(gate, &finished.receipt));
    }
    Ok(respond::json(200, &value))
}

/// What clients of version 0.2 read of a receipt.
fn for_old_clients(gate: &Gate, receipt: &Receipt) -> serde_json::Map<String, Value> {
    let stored = receipt.result.as_ref().and_then(|result| result.payload);
    // A forgotten payload leaves the receipt whole.
    let output = stored.and_then(|at| ResultPayload::read(&*gate.world.payloads, at).ok()).map(|p| p.output);
    let kind = receipt.result.as_ref().map_or(json!("unknown"), |result| json!(result.kind));
    let members = json!({
        "provider_module_digest": receipt.action.module_digest,
        "provider_receipt": output,
        "normalized_result": { "kind": kind },
        "verification_outcome": { "status": receipt.verification.status },
        "result_hash": receipt.result.as_ref().map_or_else(String::new, |result| result.digest.to_string()),
    });
    match members {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    }
}

fn open_for_calls(gate: &Gate) -> Result<(), Denial> {
    if gate.is_draining() {
        return Err(
            Denial::new(Code::Draining, "the gate is shutting down").remedy("call again after the restart")
        );
    }
    match gate.world.clock.suspect_drift_ms() {
        None => Ok(()),
        Some(drift_ms) => {
            let detail =
                format!("the system's clock is {drift_ms} ms away from gate time, so no call is taken");
            Err(Denial::new(Code::Unavailable, detail)
                .remedy("the operator checks the clock and runs: latchgate clock accept"))
        }
    }
}

/// A strictly read JSON body.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Denial> {
    let value = json::parse(bytes, json::Limits::default());
    let value = value.map_err(|error| Denial::new(Code::BadRequest, format!("the body: {error}")))?;
    serde_json::from_value(value).map_err(|error| Denial::new(Code::BadRequest, format!("the body: {error}")))
}
