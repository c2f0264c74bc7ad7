//! Held calls and what became of them.
//!
//! ```text
//! Pending ──► Approved ──► Redeemed
//!    │            └──────► Void
//!    └──► Denied | Expired | Void
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use latchgate_monitor::ports::{Approval, ApprovalStatus};
use latchgate_wire::entry::{ApprovalDecided, CallHeld, Decision, Entry};
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{ApprovalRef, ApprovalScope};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::MEMORY_MS;
use super::calls::{Calls, Waiting};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    all: HashMap<ApprovalId, Approval>,
    /// Undecided ones of each principal.
    pending: HashMap<Principal, Vec<ApprovalId>>,
}

impl Approvals {
    pub fn named(&self, id: ApprovalId) -> Option<&Approval> {
        self.all.get(&id)
    }

    pub fn all(&self) -> impl Iterator<Item = &Approval> {
        self.all.values()
    }

    /// How many of a principal's calls wait for a decision that can still come.
    pub fn waiting(&self, principal: &Principal, now: Timestamp) -> usize {
        let pending = self.pending.get(principal).map_or(&[][..], Vec::as_slice);
        let live = |id: &&ApprovalId| self.all.get(id).is_some_and(|a| now < a.held.expires_at);
        pending.iter().filter(live).count()
    }

    /// Whether a decision or an execution can still come to a held call.
    pub fn waits(&self, id: ApprovalId, now: Timestamp) -> Option<Waiting> {
        let approval = self.all.get(&id)?;
        let is_live = matches!(approval.status, ApprovalStatus::Pending | ApprovalStatus::Approved)
            && now < approval.held.expires_at;
        is_live.then_some((approval.held.call.request_hash, approval.held.expires_at))
    }

    pub fn held(&mut self, held: &CallHeld, entry: &Entry) {
        self.pending.entry(held.call.who.principal.clone()).or_default().push(held.approval_id);
        let approval = Approval {
            held: Arc::new(held.clone()),
            held_seq: entry.seq,
            held_at: entry.time,
            trace_id: entry.trace_id,
            status: ApprovalStatus::Pending,
            approved: None,
            approved_by: Vec::new(),
            reason: None,
            intent_seq: None,
            finished: None,
        };
        self.all.insert(held.approval_id, approval);
    }

    pub fn decided(&mut self, decided: &ApprovalDecided, now: Timestamp) {
        let Some(approval) = self.all.get_mut(&decided.approval_id) else { return };
        approval.reason.clone_from(&decided.reason);
        approval.status = match decided.decision {
            Decision::Approved => approved(approval, decided, now),
            Decision::Denied => ApprovalStatus::Denied,
            Decision::Expired => ApprovalStatus::Expired,
            Decision::Void => ApprovalStatus::Void,
        };
        if approval.status == ApprovalStatus::Pending {
            return;
        }
        let principal = &approval.held.call.who.principal;
        if let Some(pending) = self.pending.get_mut(principal) {
            pending.retain(|id| *id != decided.approval_id);
            if pending.is_empty() {
                self.pending.remove(principal);
            }
        }
    }

    pub fn redeemed(&mut self, id: ApprovalId, intent_seq: u64) {
        if let Some(approval) = self.all.get_mut(&id) {
            approval.status = ApprovalStatus::Redeemed;
            approval.intent_seq = Some(intent_seq);
        }
    }

    pub fn sweep(&mut self, now: Timestamp, calls: &Calls) {
        self.all.retain(|_, approval| {
            let last_use = approval.held_at.max(approval.held.expires_at);
            now.since(last_use) <= MEMORY_MS || approval.intent_seq.is_some_and(|seq| calls.is_unsettled(seq))
        });
        let all = &self.all;
        self.pending.retain(|_, pending| {
            pending.retain(|id| all.contains_key(id));
            !pending.is_empty()
        });
    }
}

/// One more operator has said yes; the last of those needed makes it approved.
fn approved(approval: &mut Approval, decided: &ApprovalDecided, now: Timestamp) -> ApprovalStatus {
    let operator = decided.signed.as_ref().map(|signed| signed.operator.clone()).unwrap_or_default();
    approval.approved_by.push(operator);
    if approval.approved_by.len() < approval.approvers() {
        return ApprovalStatus::Pending;
    }
    approval.approved = Some(ApprovalRef {
        id: decided.approval_id,
        // Names contain no comma.
        operator: approval.approved_by.join(","),
        decided_at: now,
        scope: decided.scope.unwrap_or(ApprovalScope::Once),
    });
    ApprovalStatus::Approved
}
