//! Redeem: an approved call comes back from the store and goes on by the path of every other call.
//!
//! The current policy is asked again: it must say Allow, or Ask by the rule that held the call. Everything stored is
//! checked against the digests of the held entry, so that what is executed is what was shown.

use std::sync::Arc;

use latchgate_wire::digest::Digest;
use latchgate_wire::jcs;
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{Boundary, Verdict};

use super::authorize::{By, denied};
use super::hold::CallPayload;
use super::plan::Subject;
use super::{Authorized, Judging, Planned};
use crate::catalog::Catalog;
use crate::denial::Denial;
use crate::ports::{Approval, ApprovalStatus, CallIdentity, Clock, Log, Payloads, Refusal};

/// # Errors
/// 409 if anything that was judged has changed; 403 if policy now denies.
pub fn redeem<L: Log, C: Clock>(
    approval: &Approval,
    boundary: Boundary,
    catalog: &Arc<Catalog>,
    payloads: &impl Payloads,
    judging: &Judging<'_, L, C>,
) -> Result<Authorized, Denial> {
    let (ApprovalStatus::Approved, Some(approved)) = (approval.status, approval.approved.clone()) else {
        return Err(Refusal::ApprovalNot { status: approval.status }.into());
    };
    let (planned, held_rule) = planned(approval, boundary, catalog, payloads)?;
    let judgement = planned.judge(judging.log, judging.clock.now())?;
    let policy = planned.policy_ref(&judgement);
    let held = &approval.held.call;
    match judgement.verdict {
        Verdict::Deny => return Err(denied(judgement, policy)),
        // Beside the rule that held it another may ask for more people by now.
        Verdict::Ask
            if judgement.rule != held.policy.rule
                || catalog.policy.rule_digest(&judgement.rule) != held_rule
                || judgement.asking.needs_more_than(approval.approved_by.len()) =>
        {
            return Err(Refusal::ConfigChanged.into());
        }
        Verdict::Ask | Verdict::Allow => {}
    }
    Ok(Authorized { planned, policy, by: By::Approval(approved, held.payload) })
}

fn planned(
    approval: &Approval,
    boundary: Boundary,
    catalog: &Arc<Catalog>,
    payloads: &impl Payloads,
) -> Result<(Planned, Option<Digest>), Denial> {
    let held = &approval.held.call;
    let Some(action) = catalog.actions.get(&held.action.id) else {
        return Err(Denial::new(Code::ActionNotFound, "the action was removed since the call was held"));
    };
    if action.reference() != held.action {
        return Err(Refusal::ConfigChanged.into());
    }
    let stored = CallPayload::read(payloads, held.payload)?;
    let salt = stored.salt()?;
    let plan_digest = stored.plan.digest(&salt).map_err(|error| Denial::fault(error.to_string()))?;
    let args = jcs::canonical_value(&stored.args).map_err(|error| Denial::fault(error.to_string()))?;
    let args_digest = Digest::salted(&salt, &args);
    if plan_digest != held.plan.digest || args_digest != held.args_digest {
        return Err(Denial::fault("the stored plan is not the one in the held entry"));
    }
    let planned = Planned {
        subject: Subject {
            who: held.who.clone(),
            trace_id: approval.trace_id.ok_or_else(|| Denial::fault("a held entry without trace id"))?,
            boundary,
            // The proof was used up when the call was held.
            proof: None,
            lease_expires_at: approval.held.lease_expires_at,
            reason: None,
        },
        action: Arc::clone(action),
        catalog: Arc::clone(catalog),
        identity: CallIdentity {
            principal: held.who.principal.clone(),
            action_id: held.action.id.clone(),
            request_hash: held.request_hash,
            idempotency_key: held.idempotency_key.clone(),
            is_read: held.is_read,
        },
        args: stored.args,
        plan: stored.plan,
        salt,
        plan_digest,
        args_digest,
        obstacle: None,
    };
    Ok((planned, stored.rule))
}
