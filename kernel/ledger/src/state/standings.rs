//! Standing approvals: what operators allowed beyond the call that they were shown.

use std::collections::BTreeMap;

use latchgate_monitor::ports::{Approval, StandingApproval};
use latchgate_wire::entry::Reach;
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{ApprovalScope, Who};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Standing approvals of one principal at once.
pub const STANDING_MAX: usize = 256;

/// By the approval that they came from. Ended ones are dropped at the next sweep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standings(BTreeMap<ApprovalId, StandingApproval>);

impl Standings {
    pub fn granted(&mut self, approval: &Approval, reach: &Reach) {
        let Some(approved) = approval.approved.clone() else { return };
        let call = &approval.held.call;
        let standing = StandingApproval {
            approved,
            who: call.who.clone(),
            action: call.action.clone(),
            summary: call.operation.summary.clone(),
            target: call.operation.target.clone(),
            rule: call.policy.rule.clone(),
            payload: call.payload,
            reach: reach.clone(),
            uses: 0,
        };
        self.0.insert(approval.held.approval_id, standing);
    }

    pub fn named(&self, id: ApprovalId) -> Option<&StandingApproval> {
        self.0.get(&id)
    }

    pub fn all(&self) -> impl Iterator<Item = &StandingApproval> {
        self.0.values()
    }

    /// Those that may answer a call of this caller, by action.
    pub fn of<'a>(
        &'a self,
        who: &'a Who,
        action_id: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a StandingApproval> {
        self.0.values().filter(move |s| s.action.id == action_id && is_for(s, who) && is_live(s, now))
    }

    pub fn count(&self, principal: &Principal, now: Timestamp) -> usize {
        self.0.values().filter(|s| s.who.principal == *principal && is_live(s, now)).count()
    }

    pub fn used(&mut self, id: ApprovalId) {
        if let Some(standing) = self.0.get_mut(&id) {
            standing.uses = standing.uses.saturating_add(1);
        }
    }

    pub fn revoked(&mut self, id: ApprovalId) {
        self.0.remove(&id);
    }

    pub fn sweep(&mut self, now: Timestamp) {
        self.0.retain(|_, standing| is_live(standing, now));
    }
}

/// Of the same principal, and with the scope `session` of the same session.
pub fn is_for(standing: &StandingApproval, who: &Who) -> bool {
    let is_session = match standing.approved.scope {
        ApprovalScope::Once => false,
        ApprovalScope::Session => standing.who.session_id == who.session_id,
        ApprovalScope::Always => true,
    };
    standing.who.principal == who.principal && is_session
}

/// Neither past its time nor used up.
pub fn is_live(standing: &StandingApproval, now: Timestamp) -> bool {
    now < standing.reach.until && standing.uses < standing.reach.max_uses
}
