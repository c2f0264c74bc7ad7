//! The operator API, on a socket of its own: every request is signed by an operator's key.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use latchgate_ledger::ApprovalFilter;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::pipeline::World as _;
use latchgate_monitor::ports::{Clock as _, Commit, Durability, Log as _};
use latchgate_wire::api::{ActionList, ApprovalList, ReloadRequest, RevokeRequest, Status};
use latchgate_wire::entry::{Body, ClockAccepted, LeaseRevoked, RevocationTarget, Role};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::jail::JailRequest;
use latchgate_wire::notify::Ask;
use latchgate_wire::operator_token;
use latchgate_wire::problem::Code;
use serde_json::json;

use super::agent::body;
use super::audit;
use super::incoming::Received;
use super::jails;
use super::ledger;
use super::people;
use super::respond::{self, Whole};
use super::secrets;
use crate::calls::{approvals, call};
use crate::gate::Gate;
use crate::news;
use crate::people::operators::Operated;
use crate::people::revocation;

/// `process` is the one on the other side of the connection.
pub async fn route(gate: &Arc<Gate>, process: Option<i32>, request: Request<Incoming>) -> Response<Whole> {
    let trace_id = gate.new_trace();
    let answered = match Received::read(request).await {
        Ok(received) if received.method == Method::GET => routed(gate, process, &received, trace_id).await,
        Ok(received) => whole(gate, process, received, trace_id).await,
        Err(denial) => Err(denial),
    };
    answered.unwrap_or_else(|denial| {
        gate.count_refusal(denial.code);
        call::log_cause(&denial, trace_id);
        respond::problem(&denial, trace_id)
    })
}

/// What was asked for is done to its end, whether or not the operator stays for the answer: a revocation that was written
/// and not carried out, or a policy that the log has in force and the gate has not, would be neither.
async fn whole(
    gate: &Arc<Gate>,
    process: Option<i32>,
    received: Received,
    trace_id: TraceId,
) -> Result<Response<Whole>, Denial> {
    let asked = tokio::spawn({
        let gate = Arc::clone(gate);
        async move { routed(&gate, process, &received, trace_id).await }
    });
    asked.await.unwrap_or_else(|error| {
        gate.world.count_panic();
        Err(Denial::fault(format!("an operator's request ended: {error}")))
    })
}

async fn routed(
    gate: &Arc<Gate>,
    process: Option<i32>,
    received: &Received,
    trace_id: TraceId,
) -> Result<Response<Whole>, Denial> {
    let segments: Vec<&str> = received.path.split('/').skip(1).collect();
    let by = |role| operator(gate, received, role);
    match (received.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "status"]) => {
            let operator = by(Role::Viewer)?;
            Ok(respond::json(200, &status(gate, operator.name())))
        }
        ("GET", ["metrics"]) => {
            by(Role::Viewer)?;
            let panics = gate.world.panics.load(Ordering::Relaxed);
            let text = gate.metrics.text(&gate.world.ledger.stats(), panics);
            text.map(respond::metrics).map_err(|error| Denial::fault(error.to_string()))
        }
        ("GET", ["v1", "actions"]) => {
            by(Role::Viewer)?;
            let catalog = gate.catalog.load();
            let actions = catalog.actions.values().map(|action| action.info()).collect();
            Ok(respond::json(200, &ActionList { actions }))
        }
        ("GET", ["v1", "approvals"]) => {
            by(Role::Viewer)?;
            let status = received.query.as_deref().and_then(|query| query.strip_prefix("status="));
            let approvals = approvals::list(gate, &ApprovalFilter::default(), status);
            Ok(respond::json(200, &ApprovalList { approvals }))
        }
        ("GET", ["v1", "approvals", id]) => {
            by(Role::Viewer)?;
            let approval = approvals::find(gate, approval_id(id)?)?;
            Ok(respond::json(200, &approvals::detail(gate, &approval).await?))
        }
        ("POST", ["v1", "approvals", id, "approve"]) => {
            let operated = by(Role::Approver)?;
            let request = body(&received.body)?;
            let decided = approvals::approve(gate, approval_id(id)?, request, operated, trace_id).await?;
            Ok(respond::json(200, &decided))
        }
        ("POST", ["v1", "approvals", id, "deny"]) => {
            let operated = by(Role::Approver)?;
            let request = body(&received.body)?;
            let decided = approvals::deny(gate, approval_id(id)?, request, operated, trace_id).await?;
            Ok(respond::json(200, &decided))
        }
        ("GET", ["v1", "audit"]) => {
            by(Role::Viewer)?;
            audit::page(gate, received.query.as_deref().unwrap_or(""), received.wait()).await
        }
        ("GET", ["v1", "audit", "stats"]) => {
            by(Role::Viewer)?;
            audit::stats(gate, received.query.as_deref().unwrap_or("")).await
        }
        ("POST", ["v1", "revoke"]) => {
            let operated = by(Role::Admin)?;
            let request: RevokeRequest = body(&received.body)?;
            revoke(gate, request, &operated, trace_id).await
        }
        ("POST", ["v1", "reload"]) => {
            let operated = by(Role::Admin)?;
            let request = match received.body.is_empty() {
                true => ReloadRequest::default(),
                false => body(&received.body)?,
            };
            let reloaded = crate::setup::reload::reload(gate, &request).await?;
            tracing::info!(operator = operated.name(), "configuration reloaded");
            Ok(respond::json(200, &reloaded))
        }
        ("POST", ["v1", "clock", "accept"]) => {
            let operated = by(Role::Admin)?;
            accept_clock(gate, &operated, trace_id).await
        }
        ("POST", ["v1", "drain"]) => {
            by(Role::Admin)?;
            gate.draining.cancel();
            gate.tasks.close();
            let ended = tokio::time::timeout(gate.drain(), gate.tasks.wait()).await.is_ok();
            let status = if ended { "drained" } else { "draining" };
            Ok(respond::json(200, &json!({ "status": status, "calls_running": gate.tasks.len() })))
        }
        ("POST", ["v1", "shutdown"]) => {
            by(Role::Admin)?;
            gate.shutdown.cancel();
            Ok(respond::json(202, &json!({ "status": "draining" })))
        }
        ("POST", ["v1", "jails"]) => {
            let operated = by(Role::Admin)?;
            let request: JailRequest = body(&received.body)?;
            let opened = jails::open(gate, request, process, operated.name(), trace_id).await?;
            Ok(respond::json(200, &opened))
        }
        ("POST", ["v1", "jails", name, "connections"]) => {
            by(Role::Admin)?;
            let log_index = jails::connected(gate, name, body(&received.body)?, trace_id).await?;
            Ok(respond::json(200, &json!({ "log_index": log_index })))
        }
        ("GET", ["v1", "notify"]) => {
            by(Role::Viewer)?;
            Ok(respond::json(200, &news::list(gate)))
        }
        ("POST", ["v1", "notify", name, word @ ("test" | "retry")]) => {
            let operated = by(Role::Admin)?;
            let ask = if *word == "test" { Ask::Test } else { Ask::Retry };
            Ok(respond::json(200, &news::ask(gate, name, ask, operated, trace_id).await?))
        }
        (_, segments) => {
            if let Some(response) = people::routed(gate, received, segments, trace_id).await? {
                return Ok(response);
            }
            if let Some(response) = secrets::routed(gate, received, segments, trace_id).await? {
                return Ok(response);
            }
            let answered = ledger::routed(gate, received, segments, trace_id).await?;
            answered.ok_or_else(|| unknown(segments))
        }
    }
}

fn unknown(segments: &[&str]) -> Denial {
    let known = matches!(
        segments,
        ["v1", "status" | "actions" | "approvals" | "audit" | "revoke" | "reload" | "drain" | "shutdown"]
            | ["metrics"]
            | ["v1", "operators" | "agents" | "standing" | "budgets" | "allowlist"]
            | ["v1", "operators" | "agents", _, "rotate" | "remove"]
            | ["v1", "operators", _, "token"]
            | ["v1", "secrets"]
            | ["v1", "secrets", _, "remove"]
            | ["v1", "standing", _, "revoke"]
            | ["v1", "allowlist", _, "remove"]
            | ["v1", "jails"]
            | ["v1", "jails", _, "connections"]
            | ["v1", "clock", "accept"]
            | ["v1", "ledger", "checkpoint" | "consistency" | "unknown" | "forget" | "rotate-key"]
            | ["v1", "ledger", "receipts" | "entries" | "unknown", _]
            | ["v1", "audit", "stats"]
            | ["v1", "approvals", _]
            | ["v1", "notify"]
            | ["v1", "notify", _, "test" | "retry"]
            | ["v1", "approvals", _, "approve" | "deny"]
    );
    match known {
        true => Denial::new(Code::MethodNotAllowed, "this route has another method"),
        false => Denial::new(Code::NotFound, "there is no such route on the admin socket"),
    }
}

pub(super) fn operator(gate: &Gate, received: &Received, role: Role) -> Result<Operated, Denial> {
    let tokens: Vec<&[u8]> =
        received.headers.get_all(operator_token::HEADER).iter().map(|value| value.as_bytes()).collect();
    let canonical = &gate.config.gate.public_base_url;
    received.presented(|presented| {
        gate.operators.authenticate(presented, &tokens, role, canonical, &*gate.world.clock)
    })
}

pub(super) fn approval_id(text: &str) -> Result<ApprovalId, Denial> {
    text.parse().map_err(|error: latchgate_wire::ids::IdError| Denial::new(Code::NotFound, error.to_string()))
}

fn status(gate: &Gate, operator: &str) -> Status {
    let now = gate.world.clock.now();
    let stats = gate.world.ledger.stats();
    let catalog = gate.catalog.load();
    let secrets = gate.secrets.list(&catalog);
    Status {
        status: if gate.is_draining() { "draining" } else { "ready" }.into(),
        version: env!("CARGO_PKG_VERSION").into(),
        gate: gate.origin.clone(),
        boundary: gate.boundary,
        started_at: gate.started_at,
        time: Some(now),
        clock_drift_ms: gate.world.clock.suspect_drift_ms(),
        uptime_s: u64::try_from(now.since(gate.started_at) / 1000).unwrap_or(0),
        entries: stats.entries,
        ledger_syncs: stats.syncs,
        payload_syncs: stats.payload_syncs,
        ledger_bytes: stats.bytes_written,
        last_entry_at: stats.last_entry_at,
        policy_digest: catalog.policy.digest(),
        observes: catalog.policy.observes(),
        actions_registered: catalog.actions.len(),
        approvals_pending: stats.approvals_pending,
        calls_running: stats.calls_running,
        unknown_outcomes: stats.unknown_outcomes,
        panics_caught: gate.world.panics.load(Ordering::Relaxed),
        secrets_set: secrets.secrets.len(),
        secrets_missing: secrets.missing.len(),
        public_base_url: gate.config.gate.public_base_url.clone(),
        home: gate.places.config_dir.display().to_string(),
        agent_socket: gate.places.agent_socket().display().to_string(),
        operator: operator.to_owned(),
        notify: news::summaries(gate),
    }
}

/// The operator vouches for the system's clock: gate time goes on with it, or keeps its distance, and never goes back.
async fn accept_clock(
    gate: &Gate,
    operated: &Operated,
    trace_id: TraceId,
) -> Result<Response<Whole>, Denial> {
    let drift_ms = gate.world.clock.accept();
    let body = Body::ClockAccepted(ClockAccepted {
        operator: operated.name().to_owned(),
        drift_ms,
        proof: Some(operated.proof()),
    });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    let committed = gate.world.ledger.commit(commit).await?;
    Ok(respond::json(200, &json!({ "drift_ms": drift_ms, "log_index": committed.seq })))
}

async fn revoke(
    gate: &Gate,
    request: RevokeRequest,
    operated: &Operated,
    trace_id: TraceId,
) -> Result<Response<Whole>, Denial> {
    if let RevocationTarget::Agent(label) = &request.target {
        approvals::operator_text("agent", Some(label.clone()))?;
    }
    let body = Body::LeaseRevoked(LeaseRevoked {
        target: request.target.clone(),
        operator: operated.name().to_owned(),
        reason: approvals::operator_text("reason", request.reason)?,
        proof: Some(operated.proof()),
    });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    let committed = gate.world.ledger.commit(commit).await?;
    revocation::take_effect(gate).await;
    Ok(respond::json(200, &json!({ "revoked": request.target, "log_index": committed.seq })))
}
