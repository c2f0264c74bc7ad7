//! Standing approvals: made from an operator's word about which arguments may change, listed, taken back.

use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Approval, Clock as _, Commit, Durability, Log as _, StandingApproval};
use latchgate_monitor::steps::{CallPayload, pins_of};
use latchgate_wire::api::{ReachRequest, StandingInfo, StandingRevokeRequest};
use latchgate_wire::entry::{Body, Reach, StandingRevoked};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::lease::session_end;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::ApprovalScope;

use crate::calls::approvals::operator_text;
use crate::gate::Gate;
use crate::people::operators::Operated;

const FOR_S_MAX: u64 = 366 * 86_400;
const USES_MAX: u64 = 1_000_000;

/// What an approval of this scope allows beyond the call.
///
/// # Errors
/// 400 where scope and reach do not go together, or the reach is out of bounds.
pub fn reach(
    gate: &Gate,
    approval: &Approval,
    scope: ApprovalScope,
    request: Option<ReachRequest>,
) -> Result<Option<Reach>, Denial> {
    let bad = |detail: &str| Err(Denial::new(Code::BadRequest, detail));
    let request = match (scope, request) {
        (ApprovalScope::Once, None) => return Ok(None),
        (ApprovalScope::Once, Some(_)) => return bad("reach: only with the scopes `session` and `always`"),
        (ApprovalScope::Session | ApprovalScope::Always, None) => {
            return bad("reach: a scope wider than `once` says for how long and how often");
        }
        (ApprovalScope::Session | ApprovalScope::Always, Some(request)) => request,
    };
    if !(1..=FOR_S_MAX).contains(&request.for_s) || !(1..=USES_MAX).contains(&request.max_uses) {
        return bad("reach: expected for_s of 1 to 31622400 and max_uses of 1 to 1000000");
    }
    let stored = CallPayload::read(&*gate.world.payloads, approval.held.call.payload)?;
    if let Some(name) = request.free.iter().find(|name| stored.args.get(name.as_str()).is_none()) {
        let name: String = name.chars().take(64).collect();
        return bad(&format!("reach.free: the call has no argument `{name}`"));
    }
    let pins = pins_of(&gate.world.settings.request_key, approval, &stored, &request.free)
        .map_err(|error| Denial::fault(error.to_string()))?;
    let for_ms = i64::try_from(request.for_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let until = gate.world.clock.now().plus_ms(for_ms);
    let until = match scope {
        ApprovalScope::Session => until.min(session_end(approval.held.call.who.session_id)),
        ApprovalScope::Once | ApprovalScope::Always => until,
    };
    Ok(Some(Reach { pins, free: request.free, until, max_uses: request.max_uses }))
}

/// Those in force.
pub fn list(gate: &Gate) -> Vec<StandingInfo> {
    gate.world.ledger.all_standings().into_iter().map(|standing| info(gate, standing)).collect()
}

fn info(gate: &Gate, standing: StandingApproval) -> StandingInfo {
    // Forgotten arguments are not shown; the pins hold all the same.
    let stored = CallPayload::read(&*gate.world.payloads, standing.payload).ok();
    let mut pinned = stored.map(|stored| stored.args).unwrap_or_default();
    if let Some(members) = pinned.as_object_mut() {
        members.retain(|name, _| !standing.reach.free.contains(name));
    }
    StandingInfo {
        approval_id: standing.approved.id,
        scope: standing.approved.scope,
        principal: standing.who.principal,
        session_id: standing.who.session_id,
        action_id: standing.action.id,
        title: standing.summary,
        target: standing.target,
        pinned,
        free: standing.reach.free,
        operator: standing.approved.operator,
        decided_at: standing.approved.decided_at,
        until: standing.reach.until,
        uses: standing.uses,
        max_uses: standing.reach.max_uses,
    }
}

/// # Errors
/// 404 if none of this approval is in force.
pub async fn revoke(
    gate: &Gate,
    approval_id: ApprovalId,
    request: StandingRevokeRequest,
    operated: Operated,
    trace_id: TraceId,
) -> Result<u64, Denial> {
    let reason = operator_text("reason", request.reason)?;
    let body = Body::StandingRevoked(StandingRevoked { approval_id, reason, signed: operated.signed() });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    Ok(gate.world.ledger.commit(commit).await?.seq)
}
