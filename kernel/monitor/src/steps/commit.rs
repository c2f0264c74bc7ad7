//! Commit: grant consumed, budget reserved, intent recorded, in one durable conditional entry. From here on everything is
//! recorded, whatever happens.

use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::entry::{Body, Call, CallIntent};
use latchgate_wire::ids::{GrantId, TraceId};
use latchgate_wire::receipt::{ApprovalRef, Boundary, Cost};
use latchgate_wire::time::Timestamp;
use serde_json::Value;
use std::sync::Arc;

use super::Authorized;
use super::authorize::By;
use super::hold::HoldError;
use crate::catalog::Action;
use crate::manifest::{Import, JsonRule, Limits};
use crate::plan::Plan;
use crate::ports::{Clock, Commit, Durability, Entropy, Log, Payloads};

/// The right to perform one plan once. Consumed by [`crate::ports::Sandbox::run`]; made only by a durable intent.
///
/// ```compile_fail,E0451
/// // A permit cannot be made up, not even of another one: its fields are private and it has no constructor.
/// fn forged(permit: latchgate_monitor::steps::Permit) -> latchgate_monitor::steps::Permit {
///     latchgate_monitor::steps::Permit { ..permit }
/// }
/// ```
///
/// ```compile_fail,E0382
/// // Nor used twice: running takes it by value, and it is not `Clone`.
/// async fn twice(permit: latchgate_monitor::steps::Permit, sandbox: &impl latchgate_monitor::ports::Sandbox,
///     invocation: latchgate_monitor::steps::Invocation) {
///     sandbox.run(permit, invocation.clone()).await;
///     sandbox.run(permit, invocation).await;
/// }
/// ```
///
/// Its twin, which does compile, runs it once:
///
/// ```
/// async fn once(permit: latchgate_monitor::steps::Permit, sandbox: &impl latchgate_monitor::ports::Sandbox,
///     invocation: latchgate_monitor::steps::Invocation) {
///     sandbox.run(permit, invocation).await;
/// }
/// ```
pub struct Permit {
    pub(super) plan: Plan,
    pub(super) salt: Salt,
    pub(super) module_digest: Digest,
    pub(super) imports: Vec<Import>,
    pub(super) limits: Limits,
    pub(super) success: Option<JsonRule>,
    pub(super) principal: String,
    pub(super) action_id: String,
    pub(super) trace_id: TraceId,
}

impl Permit {
    /// What may be done, and nothing else.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// For the digests of what is observed.
    pub fn salt(&self) -> &Salt {
        &self.salt
    }

    pub fn module_digest(&self) -> Digest {
        self.module_digest
    }

    pub fn imports(&self) -> &[Import] {
        &self.imports
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What an answer says where it did what was asked.
    pub fn success(&self) -> Option<&JsonRule> {
        self.success.as_ref()
    }

    /// Whose call it is.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Connections are never shared between principals or actions.
    pub fn partition(&self) -> String {
        format!("{} {}", self.principal, self.action_id)
    }

    pub fn action_id(&self) -> &str {
        &self.action_id
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }
}

/// What stays behind when the permit goes into the sandbox: everything that the receipt will say.
pub struct Spent {
    pub(super) intent_seq: u64,
    pub(super) grant_id: GrantId,
    pub(super) call: Call,
    pub(super) approval: Option<ApprovalRef>,
    pub(super) cost: Cost,
    pub(super) boundary: Boundary,
    pub(super) trace_id: TraceId,
    pub(super) started_at: Timestamp,
    pub(super) salt: Salt,
    pub(super) plan: Plan,
    pub(super) args: Value,
    pub(super) action: Arc<Action>,
}

impl Spent {
    pub fn intent_seq(&self) -> u64 {
        self.intent_seq
    }
}

/// What committing needs.
pub struct Commitment<'a, L, P, C, E> {
    pub log: &'a L,
    pub payloads: &'a P,
    pub clock: &'a C,
    pub entropy: &'a E,
}

impl Authorized {
    /// # Errors
    /// What the log refuses; `Refusal::Joined` if an identical call is live.
    pub async fn commit<L: Log, P: Payloads, C: Clock, E: Entropy>(
        self,
        with: &Commitment<'_, L, P, C, E>,
    ) -> Result<(Permit, Spent), HoldError> {
        let Self { planned, policy, by } = self;
        let (approval, pins, payload) = match by {
            By::Approval(approval, payload) => (Some(approval), None, payload),
            By::Standing(approval, pins) => {
                (Some(approval), Some(pins), planned.store(with.payloads, &policy)?)
            }
            By::Policy => (None, None, planned.store(with.payloads, &policy)?),
        };
        let now = with.clock.now();
        let manifest = &planned.action.manifest;
        let bytes_out = planned.plan.bytes_out();
        let cost = Cost { calls: 1, usd_cents: manifest.cost.usd_cents, bytes_out };
        let limits = planned.catalog.policy.limits(&planned.subject.who.principal);
        let grant_id = GrantId::new(now.as_ms().unsigned_abs(), with.entropy.u128());
        let call = planned.call(payload, policy);
        let deadline = now.plus_ms(i64::try_from(manifest.limits.time_ms).unwrap_or(i64::MAX));
        let intent = CallIntent {
            grant_id,
            call: call.clone(),
            approval: approval.clone(),
            cost,
            deadline,
            pins,
            limits,
        };
        let durability = if call.is_read { Durability::Buffered } else { Durability::Synced };
        let trace_id = planned.subject.trace_id;
        let body = Body::CallIntent(intent);
        let committed =
            with.log.commit(Commit { trace_id: Some(trace_id), body, payload: durability }).await?;

        let permit = Permit {
            plan: planned.plan.clone(),
            salt: planned.salt,
            module_digest: manifest.module_digest,
            imports: manifest.imports.clone(),
            limits: manifest.limits,
            success: manifest.verify.json.clone(),
            principal: planned.subject.who.principal.to_string(),
            action_id: manifest.action_id.clone(),
            trace_id,
        };
        let spent = Spent {
            intent_seq: committed.seq,
            grant_id,
            call,
            approval,
            cost,
            boundary: planned.subject.boundary,
            trace_id,
            started_at: committed.time,
            salt: planned.salt,
            plan: planned.plan,
            args: planned.args,
            action: planned.action,
        };
        Ok((permit, spent))
    }
}
