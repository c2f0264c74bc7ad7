//! Routes about people: operators, agents, budgets, and what they allowed beyond one call.

use std::sync::Arc;

use hyper::Response;
use latchgate_monitor::denial::Denial;
use latchgate_wire::api::{
    AgentList, AgentRequest, AllowRequest, OperatorInfo, OperatorList, OperatorRequest, RotateRequest,
    StandingList, StandingRevokeRequest, TokenRequest,
};
use latchgate_wire::entry::Role;
use latchgate_wire::ids::TraceId;
use serde_json::json;

use super::admin::{approval_id, operator};
use super::agent::body;
use super::incoming::Received;
use super::respond::{self, Whole};
use crate::calls::standing;
use crate::gate::Gate;
use crate::people::{budgets, changes};
use crate::setup::allowlist;

/// `None` for a route that is none of these.
pub async fn routed(
    gate: &Arc<Gate>,
    received: &Received,
    segments: &[&str],
    trace_id: TraceId,
) -> Result<Option<Response<Whole>>, Denial> {
    let by = |role| operator(gate, received, role);
    let response = match (received.method.as_str(), segments) {
        ("GET", ["v1", "operators"]) => {
            by(Role::Viewer)?;
            respond::json(200, &operators(gate))
        }
        ("POST", ["v1", "operators"]) => {
            let by = by(Role::Admin)?;
            let request: OperatorRequest = body(&received.body)?;
            changes::add_operator(gate, by, request).await?;
            respond::json(200, &operators(gate))
        }
        ("POST", ["v1", "operators", name, "rotate"]) => {
            // Everybody may change their own key.
            let by = by(Role::Viewer)?;
            let request: RotateRequest = body(&received.body)?;
            changes::rotate_operator(gate, by, name, &request.jwk).await?;
            respond::json(200, &operators(gate))
        }
        ("POST", ["v1", "operators", name, "token"]) => {
            let by = by(Role::Viewer)?;
            let request: TokenRequest = body(&received.body)?;
            changes::set_token(gate, by, name, request.token).await?;
            respond::json(200, &operators(gate))
        }
        ("POST", ["v1", "operators", name, "remove"]) => {
            changes::remove_operator(gate, by(Role::Admin)?, name).await?;
            respond::json(200, &operators(gate))
        }
        ("GET", ["v1", "agents"]) => {
            by(Role::Viewer)?;
            respond::json(200, &agents(gate).await?)
        }
        ("POST", ["v1", "agents"]) => {
            let by = by(Role::Admin)?;
            let request: AgentRequest = body(&received.body)?;
            changes::add_agent(gate, by, request).await?;
            respond::json(200, &agents(gate).await?)
        }
        ("POST", ["v1", "agents", name, "rotate"]) => {
            let by = by(Role::Admin)?;
            let request: RotateRequest = body(&received.body)?;
            changes::rotate_agent(gate, by, name, &request.jwk).await?;
            respond::json(200, &agents(gate).await?)
        }
        ("POST", ["v1", "agents", name, "remove"]) => {
            changes::remove_agent(gate, by(Role::Admin)?, name).await?;
            respond::json(200, &agents(gate).await?)
        }
        ("GET", ["v1", "budgets"]) => {
            by(Role::Viewer)?;
            respond::json(200, &budgets::all(gate))
        }
        ("GET", ["v1", "allowlist"]) => {
            by(Role::Viewer)?;
            respond::json(200, &allowlist::list(gate))
        }
        ("POST", ["v1", "allowlist"]) => {
            let by = by(Role::Admin)?;
            let request: AllowRequest = body(&received.body)?;
            respond::json(200, &allowlist::add(gate, request, by, trace_id).await?)
        }
        ("POST", ["v1", "allowlist", rule, "remove"]) => {
            let by = by(Role::Admin)?;
            respond::json(200, &allowlist::remove(gate, rule, by, trace_id).await?)
        }
        ("GET", ["v1", "standing"]) => {
            by(Role::Viewer)?;
            respond::json(200, &StandingList { standing: standing::list(gate) })
        }
        ("POST", ["v1", "standing", id, "revoke"]) => {
            let by = by(Role::Approver)?;
            let request: StandingRevokeRequest = if received.body.is_empty() {
                StandingRevokeRequest::default()
            } else {
                body(&received.body)?
            };
            let id = approval_id(id)?;
            let log_index = standing::revoke(gate, id, request, by, trace_id).await?;
            respond::json(200, &json!({ "approval_id": id, "log_index": log_index }))
        }
        _ => return Ok(None),
    };
    Ok(Some(response))
}

fn operators(gate: &Gate) -> OperatorList {
    let info = |(name, key): (String, latchgate_wire::entry::OperatorKey)| OperatorInfo {
        name,
        role: key.role,
        jkt: key.jkt,
        has_token: key.token.is_some(),
    };
    OperatorList { operators: gate.operators.keys().into_iter().map(info).collect() }
}

async fn agents(gate: &Arc<Gate>) -> Result<AgentList, Denial> {
    let gate = Arc::clone(gate);
    let agents = tokio::task::spawn_blocking(move || budgets::agents(&gate)).await;
    agents.map(|agents| AgentList { agents }).map_err(|error| Denial::fault(error.to_string()))
}
