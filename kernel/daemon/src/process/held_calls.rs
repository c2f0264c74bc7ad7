//! The calls that wait for a person, for whoever tells of them beside a gate in the same process.

use std::sync::{Arc, Weak};

use latchgate_ledger::ApprovalFilter;
use latchgate_monitor::ports::ApprovalStatus;
use latchgate_wire::api::ApprovalInfo;

use crate::calls::approvals;
use crate::gate::Gate;

/// Keeps no gate from ending.
#[derive(Clone)]
pub struct HeldCalls(Weak<Gate>);

impl HeldCalls {
    pub(crate) fn of(gate: &Arc<Gate>) -> Self {
        Self(Arc::downgrade(gate))
    }

    /// Newest first; `None` once the gate is gone.
    pub fn waiting(&self) -> Option<Vec<ApprovalInfo>> {
        let gate = self.0.upgrade()?;
        let filter = ApprovalFilter { status: Some(ApprovalStatus::Pending), ..ApprovalFilter::default() };
        Some(approvals::list(&gate, &filter, None))
    }
}
