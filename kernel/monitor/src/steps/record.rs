//! Record: the writer sets position and time, signs, appends and syncs. Only then is there anything to answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_wire::digest::Salt;
use latchgate_wire::entry::Body;
use latchgate_wire::ids::TraceId;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{PayloadAt, Receipt};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attested, StepFailure};
use crate::denial::Denial;
use crate::ports::{Commit, Durability, Log, Payloads};

/// A recorded call: what an answer is made of.
///
/// ```compile_fail,E0451
/// // An answer cannot be made without a record: there is no other way to a `Recorded` than through the log.
/// fn forged(recorded: latchgate_monitor::steps::Recorded) -> latchgate_monitor::steps::Recorded {
///     latchgate_monitor::steps::Recorded { ..recorded }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Recorded {
    pub(crate) receipt: Receipt,
    pub(crate) seq: u64,
    pub(crate) trace_id: TraceId,
    pub(crate) output: Value,
    pub(crate) failure: Option<StepFailure>,
}

/// An output as the payload store keeps it, with what else an answer said.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultPayload {
    salt: String,
    pub output: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<String>,
}

impl Attested {
    /// # Errors
    /// 500 with the effect as far as it is known; the intent stays open and becomes `unknown` at the next start.
    pub async fn record(self, log: &impl Log, payloads: &impl Payloads) -> Result<Recorded, Denial> {
        let Self { mut receipt, trace_id, output, salt, failure, is_read } = self;
        let payload = ResultPayload {
            salt: BASE64.encode(salt.0),
            output,
            error: failure.as_ref().map(|failure| failure.message.clone()),
            remediation: failure.as_ref().and_then(|failure| failure.remediation.clone()),
        };
        let bytes = serde_json::to_vec(&payload).map_err(|error| Denial::fault(error.to_string()))?;
        // A payload that cannot be kept does not keep the outcome from being recorded.
        let at = payloads.put(&bytes).ok();
        if let Some(result) = &mut receipt.result {
            result.payload = at;
        }
        let payload_durability =
            if is_read || at.is_none() { Durability::Buffered } else { Durability::Synced };
        let body = Body::CallOutcome(receipt.clone());
        let commit = Commit { trace_id: Some(trace_id), body, payload: payload_durability };
        match log.commit(commit).await {
            Ok(committed) => {
                Ok(Recorded { receipt, seq: committed.seq, trace_id, output: payload.output, failure })
            }
            Err(error) => {
                let mut denial = Denial::new(Code::Internal, "the outcome could not be recorded");
                denial.effect = receipt.effect();
                denial.cause = Some(error.to_string());
                Err(denial)
            }
        }
    }
}

impl ResultPayload {
    pub fn salt(&self) -> Result<Salt, Denial> {
        let bytes = BASE64.decode(&self.salt).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Salt).ok_or_else(|| Denial::fault("a stored salt is no 32 bytes"))
    }

    /// # Errors
    /// A fault if the stored bytes are not what was stored.
    pub fn read(payloads: &impl Payloads, at: PayloadAt) -> Result<Self, Denial> {
        let bytes = payloads.read(at)?;
        serde_json::from_slice(&bytes).map_err(|error| Denial::fault(format!("payload at {at}: {error}")))
    }
}

impl Recorded {
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    pub fn seq(&self) -> u64 {
        self.seq
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }
}
