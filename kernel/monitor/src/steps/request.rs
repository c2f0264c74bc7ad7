//! The start: a verified caller asks for an action by name.

use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::ProofId;

use crate::authenticator::Caller;

/// A call as it was asked for. The caller is verified, nothing else is.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) caller: Caller,
    pub(super) trace_id: TraceId,
    pub(super) action_id: String,
    pub(super) body: Vec<u8>,
    pub(super) idempotency_key: Option<String>,
    pub(super) agent_reason: Option<String>,
}

impl Request {
    pub fn new(
        caller: Caller,
        trace_id: TraceId,
        action_id: String,
        body: Vec<u8>,
        idempotency_key: Option<String>,
    ) -> Self {
        Self { caller, trace_id, action_id, body, idempotency_key, agent_reason: None }
    }

    /// The agent's own words about why: shown to whoever decides, and nothing else.
    pub fn because(mut self, reason: Option<String>) -> Self {
        self.agent_reason = reason;
        self
    }

    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// As asked for; it need not exist.
    pub fn action_id(&self) -> &str {
        &self.action_id
    }

    pub fn proof(&self) -> &ProofId {
        self.caller.proof()
    }
}
