//! Refusals: a `Denial` is the caller's or policy's and safe to tell; a `Fault` is ours and told by code only.

use latchgate_wire::dpop::DpopError;
use latchgate_wire::problem::{Code, Problem};
use latchgate_wire::receipt::{EffectStatus, PolicyRef};
use latchgate_wire::time::Timestamp;

use crate::ports::{CommitError, PayloadError, ProbeError, Refusal};

/// Why a call is not executed, in words for the caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    pub code: Code,
    pub detail: String,
    pub remediation: Option<String>,
    /// JSON pointer into the arguments.
    pub pointer: Option<String>,
    /// What policy lets the agent know.
    pub deny_reason: Option<String>,
    /// The rule that denied: for the ledger, never for the agent.
    pub policy: Option<PolicyRef>,
    pub effect: EffectStatus,
    /// Where a proof was refused for its time: what the gate's clock says.
    pub gate_time: Option<Timestamp>,
    /// The cause, for the operator's log only: set where the gate is at fault.
    pub cause: Option<String>,
}

impl Denial {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            remediation: None,
            pointer: None,
            deny_reason: None,
            policy: None,
            effect: EffectStatus::None,
            gate_time: None,
            cause: None,
        }
    }

    /// A fault of the gate: the caller gets a code and a trace id, the log gets `cause`.
    pub fn fault(cause: impl Into<String>) -> Self {
        let mut denial =
            Self::new(Code::Internal, "the gate is at fault; its log has the cause under the trace id");
        denial.cause = Some(cause.into());
        denial
    }

    /// A proof that does not hold. Where its time is at fault, the caller is told the gate's.
    pub fn proof(error: &DpopError, now: Timestamp) -> Self {
        let mut denial = Self::new(error.code(), error.to_string());
        denial.gate_time = error.is_about_time().then_some(now);
        denial
    }

    pub fn remedy(mut self, remediation: impl Into<String>) -> Self {
        self.remediation = Some(remediation.into());
        self
    }

    /// As the answer's body; the trace id is added by who answers.
    pub fn problem(&self) -> Problem {
        let mut problem = Problem::new(self.code, self.detail.clone());
        problem.remediation = self.remediation.clone();
        problem.pointer = self.pointer.clone();
        problem.deny_reason = self.deny_reason.clone();
        problem.effect = self.effect;
        problem.gate_time = self.gate_time;
        if self.code == Code::SchemaViolation {
            problem.reason = Some(self.detail.clone());
        }
        problem
    }
}

impl From<CommitError> for Denial {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => refusal.into(),
            CommitError::Full => {
                Self::new(Code::Unavailable, "the ledger's disk is full, so no call is taken")
                    .remedy("free space on the disk of the ledger; the gate goes on by itself")
            }
            CommitError::Closed(reason) => {
                Self::new(Code::Unavailable, format!("the ledger takes no entries: {reason}"))
            }
            CommitError::Invalid(cause) => Self::fault(cause),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Revoked => {
                Self::new(Code::LeaseRevoked, detail).remedy("ask the operator, then take a new lease")
            }
            Refusal::BudgetExhausted => Self::new(Code::BudgetExhausted, detail),
            Refusal::RateExhausted => {
                Self::new(Code::BudgetExhausted, detail).remedy("wait until the policy's window has moved on")
            }
            Refusal::GrantUsed => Self::new(Code::GrantConsumed, detail),
            Refusal::ConfigChanged => {
                Self::new(Code::Conflict, detail).remedy("call again: it is judged anew")
            }
            Refusal::NoApproval => Self::new(Code::NotFound, detail),
            Refusal::ApprovalNot { .. } | Refusal::ApprovalExpired => {
                Self::new(Code::ApprovalDecided, detail)
            }
            Refusal::OtherPlan => Self::new(Code::Conflict, detail)
                .remedy("look at the approval again and decide on the plan that is shown now"),
            // Joining is an answer, not a refusal; who commits takes it out before.
            Refusal::Joined(_) => Self::new(Code::Conflict, detail),
            Refusal::IdempotencyMismatch => {
                Self::new(Code::IdempotencyMismatch, detail).remedy("use a new key for a new request")
            }
            Refusal::NotUnknown => Self::new(Code::Conflict, detail)
                .remedy("`latchgate ledger unknown` lists what waits for somebody to look"),
            Refusal::NoIntent => Self::fault(detail),
            Refusal::LimitReached { .. } => {
                Self::new(Code::BudgetExhausted, detail).remedy("wait, or ask the operator for more")
            }
            Refusal::CoolingDown { ref reason, .. } => {
                let mut denial = Self::new(Code::PolicyDenied, detail);
                denial.deny_reason.clone_from(reason);
                denial.remedy("do something else; asking again before then is denied at once")
            }
            Refusal::ApprovedBefore | Refusal::QuorumIsOnce => Self::new(Code::ApprovalDecided, detail),
            Refusal::NoOperator => Self::new(Code::Forbidden, detail),
            Refusal::TooManyStanding => {
                Self::new(Code::RateLimited, detail).remedy("revoke some: latchgate approvals standing")
            }
            Refusal::TooManyHeld => Self::new(Code::RateLimited, detail)
                .remedy("wait until an operator has decided the calls that are held"),
        }
    }
}

impl From<PayloadError> for Denial {
    fn from(error: PayloadError) -> Self {
        match error {
            PayloadError::Full => CommitError::Full.into(),
            PayloadError::Gone(_) | PayloadError::Failed(_) => Self::fault(error.to_string()),
        }
    }
}

impl From<ProbeError> for Denial {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Root { message, remediation } => {
                Self::new(Code::Unavailable, message).remedy(remediation)
            }
            ProbeError::Target { message } => Self::new(Code::InvalidTarget, message),
        }
    }
}
