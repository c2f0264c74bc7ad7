//! Answers: what the agent reads. An executed call is answered only from its record.

use latchgate_wire::api::{Executed, Pending, VerificationSummary};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::Resolution;
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::problem::{Code, Problem};
use latchgate_wire::receipt::{EffectStatus, FailureClass, Receipt};
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use crate::denial::Denial;
use crate::ports::{Finished, Payloads};
use crate::steps::{Held, Recorded, ResultPayload};

/// What is written to the socket.
#[derive(Clone, Debug)]
pub enum Answer {
    Executed(Box<Executed>),
    Pending(Pending),
    Problem(Box<Problem>),
}

impl Answer {
    pub fn status(&self) -> u16 {
        match self {
            Self::Executed(_) => 200,
            Self::Pending(_) => 202,
            Self::Problem(problem) => problem.status,
        }
    }

    /// The answer of a call that was executed now.
    pub fn recorded(recorded: &Recorded) -> Self {
        let failure = recorded.failure.as_ref().map(|f| (f.message.as_str(), f.remediation.as_deref()));
        executed(&recorded.receipt, recorded.seq, recorded.trace_id, recorded.output.clone(), failure)
    }

    /// The answer of a call that was executed before.
    ///
    /// # Errors
    /// A fault if the stored result cannot be read; the receipt stands in the ledger all the same.
    pub fn finished(
        finished: &Finished,
        trace_id: TraceId,
        payloads: &impl Payloads,
    ) -> Result<Self, Denial> {
        let receipt = &finished.receipt;
        let trace_id = finished.trace_id.unwrap_or(trace_id);
        let Some(at) = receipt.result.as_ref().and_then(|result| result.payload) else {
            return Ok(resolved(executed(receipt, finished.seq, trace_id, Value::Null, None), finished));
        };
        let stored = ResultPayload::read(payloads, at)?;
        let failure = stored.error.as_deref().map(|message| (message, stored.remediation.as_deref()));
        Ok(resolved(executed(receipt, finished.seq, trace_id, stored.output.clone(), failure), finished))
    }

    pub fn held(held: &Held) -> Self {
        let (id, hash) = (held.held.approval_id, held.held.call.request_hash);
        Self::pending(id, hash, held.held.expires_at, held.trace_id)
    }

    pub fn pending(
        approval_id: ApprovalId,
        request_hash: Digest,
        expires_at: Timestamp,
        trace_id: TraceId,
    ) -> Self {
        Self::Pending(Pending {
            decision: "pending_approval".into(),
            approval_id,
            request_hash,
            expires_at,
            trace_id,
        })
    }

    pub fn denied(denial: &Denial, trace_id: TraceId) -> Self {
        let mut problem = denial.problem();
        problem.trace_id = Some(trace_id);
        Self::Problem(Box::new(problem))
    }
}

/// The gate does not know what happened; an operator has looked, and the agent is told so.
fn resolved(answer: Answer, finished: &Finished) -> Answer {
    let (Answer::Problem(mut problem), Some(resolution)) = (answer.clone(), finished.resolution) else {
        return answer;
    };
    let (effect, found) = match resolution {
        Resolution::Done => (EffectStatus::Done, "it was done"),
        Resolution::NotDone => (EffectStatus::None, "nothing was done"),
    };
    problem.effect = effect;
    problem.retryable = false;
    problem.detail = format!("the call was cut short; an operator has looked: {found}");
    problem.remediation = Some("call again only if it is to happen once more".into());
    Answer::Problem(problem)
}

fn executed(
    receipt: &Receipt,
    seq: u64,
    trace_id: TraceId,
    output: Value,
    failure: Option<(&str, Option<&str>)>,
) -> Answer {
    if let Some(class) = receipt.failure_class {
        let message =
            failure.map_or("the call was interrupted; what happened is not known", |(message, _)| message);
        let mut problem = Problem::new(code(class), message);
        problem.remediation = failure.and_then(|(_, remediation)| remediation).map(str::to_owned);
        if class == FailureClass::Interrupted {
            problem.remediation = Some("ask the operator to look before it is tried again".into());
        }
        problem.trace_id = Some(trace_id);
        problem.effect = receipt.effect();
        // A failed call may have happened: only one that certainly did nothing is worth repeating.
        problem.retryable = problem.retryable && problem.effect == EffectStatus::None;
        problem.receipt_id = Some(receipt.receipt_id.to_string());
        return Answer::Problem(Box::new(problem));
    }
    Answer::Executed(Box::new(Executed {
        decision: "executed".into(),
        trace_id,
        action_id: receipt.action.id.clone(),
        grant_id: receipt.grant_id,
        receipt_id: receipt.receipt_id,
        log_index: seq,
        output,
        verification: VerificationSummary {
            outcome: receipt.verification.status,
            is_fully_successful: receipt.is_fully_successful(),
        },
        runtime: receipt.runtime,
        approval: receipt.approval.clone(),
    }))
}

fn code(class: FailureClass) -> Code {
    match class {
        FailureClass::ProviderFailed => Code::ProviderFailed,
        FailureClass::ProviderTimeout => Code::ProviderTimeout,
        FailureClass::Changed => Code::Conflict,
        FailureClass::Refused => Code::EgressDenied,
        FailureClass::GuestFailed | FailureClass::GuestStopped => Code::ActionFailed,
        FailureClass::Revoked => Code::LeaseRevoked,
        FailureClass::Fault => Code::Internal,
        FailureClass::Interrupted => Code::OutcomeUnknown,
    }
}
