//! Hold: the call waits for a person. Plan and arguments are durable before anybody is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::entry::{Body, Call, CallHeld, HELD_MAX};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::receipt::{Operation, PayloadAt, PlanRef, PolicyRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asked, Planned};
use crate::denial::Denial;
use crate::plan::Plan;
use crate::ports::{Clock, Commit, CommitError, Committed, Durability, Entropy, Log, Payloads};

/// A call that waits. Exists only after its entry is durable.
#[derive(Clone, Debug)]
pub struct Held {
    pub(crate) held: CallHeld,
    pub(crate) trace_id: TraceId,
}

impl Held {
    pub fn approval_id(&self) -> ApprovalId {
        self.held.approval_id
    }
}

/// What holding needs.
pub struct Holding<'a, L, P, C, E> {
    pub log: &'a L,
    pub payloads: &'a P,
    pub clock: &'a C,
    pub entropy: &'a E,
    pub approval_ttl_ms: i64,
    /// Calls of one principal that may wait at once.
    pub held_max: u32,
}

/// Arguments, plan and salt of one call, as the payload store keeps them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallPayload {
    salt: String,
    pub args: Value,
    pub plan: Plan,
    /// Digest of the rule that judged, as written: what asks under the same name must still be the same rule.
    pub rule: Option<Digest>,
    /// The agent's own words about why it asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_reason: Option<String>,
}

impl Asked {
    /// # Errors
    /// What the log refuses; `Refusal::Joined` if an identical call is live.
    pub async fn hold<L: Log, P: Payloads, C: Clock, E: Entropy>(
        self,
        holding: &Holding<'_, L, P, C, E>,
    ) -> Result<Held, HoldError> {
        let Self { planned, policy, asking } = self;
        let payload = planned.store(holding.payloads, &policy)?;
        let now = holding.clock.now();
        let approval_id = ApprovalId::new(now.as_ms().unsigned_abs(), holding.entropy.u128());
        let trace_id = planned.subject.trace_id;
        let held = CallHeld {
            approval_id,
            expires_at: now.plus_ms(asking.expires_s.map_or(holding.approval_ttl_ms, ms)),
            approvers: (asking.approvers > 1).then_some(asking.approvers),
            held_max: (holding.held_max != HELD_MAX).then_some(holding.held_max),
            lease_expires_at: planned.subject.lease_expires_at,
            call: planned.call(payload, policy),
        };
        let body = Body::CallHeld(held.clone());
        let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Synced };
        let Committed { .. } = holding.log.commit(commit).await?;
        Ok(Held { held, trace_id })
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

/// Not held: denied, or joined to an identical call.
#[derive(Debug)]
pub enum HoldError {
    Denied(Box<Denial>),
    Commit(CommitError),
}

impl From<Denial> for HoldError {
    fn from(denial: Denial) -> Self {
        Self::Denied(Box::new(denial))
    }
}

impl From<CommitError> for HoldError {
    fn from(error: CommitError) -> Self {
        Self::Commit(error)
    }
}

impl Planned {
    /// Puts arguments, plan and salt into the payload store.
    pub(super) fn store(&self, payloads: &impl Payloads, policy: &PolicyRef) -> Result<PayloadAt, Denial> {
        let payload = CallPayload {
            salt: BASE64.encode(self.salt.0),
            args: self.args.clone(),
            plan: self.plan.clone(),
            rule: self.catalog.policy.rule_digest(&policy.rule),
            agent_reason: self.subject.reason.clone(),
        };
        let bytes = serde_json::to_vec(&payload).map_err(|error| Denial::fault(error.to_string()))?;
        Ok(payloads.put(&bytes)?)
    }

    /// The part of held entry and intent that says what is to be done.
    pub(super) fn call(&self, payload: PayloadAt, policy: PolicyRef) -> Call {
        Call {
            who: self.subject.who.clone(),
            action: self.action.reference(),
            request_hash: self.identity.request_hash,
            operation: Operation {
                summary: self.action.manifest.title.clone(),
                target: self.plan.target(),
                digest: self.plan_digest,
            },
            plan: PlanRef { digest: self.plan_digest, kind: self.plan.kind },
            args_digest: self.args_digest,
            payload,
            policy,
            idempotency_key: self.identity.idempotency_key.clone(),
            is_read: self.identity.is_read,
            proof: self.subject.proof.clone(),
        }
    }
}

impl CallPayload {
    /// # Errors
    /// A fault if the stored bytes are not what was stored.
    pub fn read(payloads: &impl Payloads, at: PayloadAt) -> Result<Self, Denial> {
        let bytes = payloads.read(at)?;
        serde_json::from_slice(&bytes).map_err(|error| Denial::fault(format!("payload at {at}: {error}")))
    }

    pub fn salt(&self) -> Result<Salt, Denial> {
        let bytes = BASE64.decode(&self.salt).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Salt).ok_or_else(|| Denial::fault("a stored salt is no 32 bytes"))
    }
}
