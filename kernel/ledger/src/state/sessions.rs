//! Sessions and what they have used of their budgets.

use std::collections::HashMap;

use latchgate_wire::entry::{Budgets, LeaseIssued};
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Cost;
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::MEMORY_MS;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub principal: Principal,
    pub expires_at: Timestamp,
    /// The tightest of all leases of the session: a renewal cannot widen them.
    budgets: Budgets,
    /// Settled and reserved.
    used: Cost,
}

impl Session {
    /// Whether this much more stays within the budgets.
    pub fn has_room(&self, cost: Cost) -> bool {
        let within = |used: u64, more: u64, max: Option<u64>| {
            let sum = used.checked_add(more);
            max.is_none_or(|max| sum.is_some_and(|sum| sum <= max))
        };
        within(self.used.calls, cost.calls, self.budgets.max_calls)
            && within(self.used.usd_cents, cost.usd_cents, self.budgets.max_cost_usd_cents)
    }

    /// Settled and reserved since the session began.
    pub fn used(&self) -> Cost {
        self.used
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sessions(HashMap<SessionId, Session>);

impl Sessions {
    pub fn named(&self, id: &SessionId) -> Option<&Session> {
        self.0.get(id)
    }

    pub fn issued(&mut self, issued: &LeaseIssued) {
        let session = self.0.entry(issued.who.session_id).or_insert_with(|| Session {
            principal: issued.who.principal.clone(),
            expires_at: issued.session_expires_at,
            budgets: issued.budgets,
            used: Cost::default(),
        });
        session.budgets = Budgets {
            max_calls: tightest(session.budgets.max_calls, issued.budgets.max_calls),
            max_cost_usd_cents: tightest(
                session.budgets.max_cost_usd_cents,
                issued.budgets.max_cost_usd_cents,
            ),
        };
    }

    pub fn reserve(&mut self, id: &SessionId, cost: Cost) {
        if let Some(session) = self.0.get_mut(id) {
            session.used = session.used.plus(cost);
        }
    }

    /// Gives back what was reserved and not spent.
    pub fn release(&mut self, id: &SessionId, unspent: Cost) {
        if let Some(session) = self.0.get_mut(id) {
            session.used = session.used.less(unspent);
        }
    }

    pub fn calls_left(&self, id: &SessionId) -> Option<u64> {
        let Some(session) = self.0.get(id) else { return Some(0) };
        session.budgets.max_calls.map(|max| max.saturating_sub(session.used.calls))
    }

    /// A held call may be redeemed after its session ended, so sessions outlive their end by as long as approvals are
    /// remembered.
    pub fn sweep(&mut self, now: Timestamp) {
        self.0.retain(|_, session| now.since(session.expires_at) <= MEMORY_MS);
    }
}

fn tightest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (bound, None) | (None, bound) => bound,
    }
}
