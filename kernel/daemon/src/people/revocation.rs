//! What a revocation stops beside leases: calls that wait for a decision, and guests that run.

use latchgate_ledger::ApprovalFilter;
use latchgate_monitor::ports::{Approval, ApprovalStatus, Commit, Durability, Log as _};
use latchgate_wire::entry::{ApprovalDecided, Body, Decision};

use crate::gate::Gate;

/// After the entry of a revocation.
pub async fn take_effect(gate: &Gate) {
    // First: what runs does its damage now.
    gate.world.host.stop(&gate.world.ledger.open_revoked());
    for status in [ApprovalStatus::Pending, ApprovalStatus::Approved] {
        let filter = ApprovalFilter { status: Some(status), ..ApprovalFilter::default() };
        let approvals = gate.world.ledger.approvals(&filter);
        for approval in approvals.iter().filter(|a| gate.world.ledger.is_revoked(&a.held.call.who)) {
            void(gate, approval).await;
        }
    }
}

async fn void(gate: &Gate, approval: &Approval) {
    let body = Body::ApprovalDecided(ApprovalDecided {
        approval_id: approval.held.approval_id,
        decision: Decision::Void,
        plan_digest: approval.held.call.plan.digest,
        scope: None,
        reason: Some("the lease was revoked".into()),
        signed: None,
        reach: None,
        cool_down_until: None,
    });
    let commit = Commit { trace_id: approval.trace_id, body, payload: Durability::Buffered };
    // What was decided or redeemed meanwhile has its own entries.
    let _decided_meanwhile = gate.world.ledger.commit(commit).await;
}
