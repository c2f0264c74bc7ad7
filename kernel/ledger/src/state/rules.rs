//! The rules of admission, one function per kind of entry that has any.

use latchgate_monitor::ports::{Approval, ApprovalStatus, Refusal};
use latchgate_wire::entry::{ApprovalDecided, Call, CallHeld, CallIntent, Decision, LeaseIssued};
use latchgate_wire::receipt::{ApprovalRef, Receipt, Verdict, Who};
use latchgate_wire::time::Timestamp;

use super::sessions::Session;
use super::{HELD_MAX, Objection, Standing, State};

type Admission = Result<(), Objection>;

impl State {
    pub(super) fn admit_lease(&self, issued: &LeaseIssued, now: Timestamp) -> Admission {
        require(!self.is_revoked(&issued.who), Refusal::Revoked)?;
        require(now < issued.session_expires_at, Refusal::Revoked)?;
        if issued.expires_at > issued.session_expires_at {
            return Err(Objection::Invalid("expected the lease to end no later than its session"));
        }
        let Some(session) = self.sessions.named(&issued.who.session_id) else { return Ok(()) };
        require(session.principal == issued.who.principal, Refusal::Revoked)?;
        require(now < session.expires_at, Refusal::Revoked)?;
        if session.expires_at != issued.session_expires_at {
            return Err(Objection::Invalid("expected a renewal to leave the session's end where it is"));
        }
        Ok(())
    }

    pub(super) fn admit_held(&self, held: &CallHeld, now: Timestamp) -> Admission {
        self.live_session(&held.call.who)?;
        require(now < held.lease_expires_at, Refusal::Revoked)?;
        self.as_judged(&held.call)?;
        if held.call.policy.verdict != Verdict::Ask {
            return Err(Objection::Invalid("expected the verdict `ask` on a held call"));
        }
        if self.approval(held.approval_id).is_some() {
            return Err(Objection::Invalid("expected an approval id that was not used before"));
        }
        self.not_prior(&held.call, now)?;
        let waiting = self.approvals.waiting(&held.call.who.principal, now);
        require(waiting < HELD_MAX, Refusal::TooManyHeld)
    }

    pub(super) fn admit_decision(&self, decided: &ApprovalDecided, now: Timestamp) -> Admission {
        let approval = self.approval(decided.approval_id).ok_or(Refusal::NoApproval)?;
        require(approval.held.call.plan.digest == decided.plan_digest, Refusal::OtherPlan)?;
        let status = approval.status;
        let is_open = status == ApprovalStatus::Pending
            || (status == ApprovalStatus::Approved && decided.decision == Decision::Void);
        require(is_open, Refusal::ApprovalNot { status })?;
        let is_past = now >= approval.held.expires_at;
        match decided.decision {
            Decision::Approved => {
                require(!is_past, Refusal::ApprovalExpired)?;
                require(!self.is_revoked(&approval.held.call.who), Refusal::Revoked)?;
                signed_by_operator(decided)
            }
            Decision::Denied => signed_by_operator(decided),
            Decision::Expired if !is_past => {
                Err(Objection::Invalid("expected an approval to expire no earlier than it says"))
            }
            Decision::Expired | Decision::Void => Ok(()),
        }
    }

    pub(super) fn admit_intent(&self, intent: &CallIntent, now: Timestamp) -> Admission {
        require(self.grants.is_usable(intent.grant_id, now), Refusal::GrantUsed)?;
        let session = self.live_session(&intent.call.who)?;
        self.as_judged(&intent.call)?;
        match &intent.approval {
            Some(reference) => self.redeemable(reference, &intent.call, now)?,
            None => {
                if intent.call.policy.verdict != Verdict::Allow {
                    return Err(Objection::Invalid(
                        "expected the verdict `allow` on a call without approval",
                    ));
                }
                self.not_prior(&intent.call, now)?;
            }
        }
        require(self.rates.has_room(&intent.call.policy, now), Refusal::RateExhausted)?;
        require(session.has_room(intent.cost), Refusal::BudgetExhausted)
    }

    pub(super) fn admit_outcome(&self, receipt: &Receipt) -> Admission {
        let open = self.calls.opened(receipt.intent_seq).ok_or(Refusal::NoIntent)?;
        let (intent, call) = (&open.intent, &open.intent.call);
        let is_its = intent.grant_id == receipt.grant_id
            && call.who.principal == receipt.principal
            && call.who.session_id == receipt.session_id
            && call.action == receipt.action
            && intent.approval == receipt.approval;
        require(is_its, Refusal::NoIntent)?;
        if receipt.cost.calls > intent.cost.calls || receipt.cost.usd_cents > intent.cost.usd_cents {
            return Err(Objection::Invalid("expected an outcome to cost no more than its intent reserved"));
        }
        Ok(())
    }

    /// The session that a lease in force belongs to. One that no entry opened counts as revoked.
    fn live_session(&self, who: &Who) -> Result<&Session, Objection> {
        require(!self.is_revoked(who), Refusal::Revoked)?;
        let session = self.sessions.named(&who.session_id).filter(|s| s.principal == who.principal);
        Ok(session.ok_or(Refusal::Revoked)?)
    }

    /// Policy and manifest in force are those that the call was judged by. The manifest pins the module.
    fn as_judged(&self, call: &Call) -> Admission {
        let is_same = self.config().is_some_and(|config| {
            config.policy_digest == call.policy.digest
                && config.actions.get(&call.action.id) == Some(&call.action.manifest_digest)
        });
        require(is_same, Refusal::ConfigChanged)
    }

    fn not_prior(&self, call: &Call, now: Timestamp) -> Admission {
        match self.prior_of(call, now) {
            None => Ok(()),
            Some(Standing::Mismatch) => Err(Refusal::IdempotencyMismatch.into()),
            Some(standing) => Err(Objection::Joined(standing)),
        }
    }

    /// The approval stands, was not used, and is for this very plan.
    fn redeemable(&self, reference: &ApprovalRef, call: &Call, now: Timestamp) -> Admission {
        let approval = self.approval(reference.id).ok_or(Refusal::NoApproval)?;
        let status = approval.status;
        require(status == ApprovalStatus::Approved, Refusal::ApprovalNot { status })?;
        require(now < approval.held.expires_at, Refusal::ApprovalExpired)?;
        require(approval.held_at < approval.held.lease_expires_at, Refusal::Revoked)?;
        require(is_same_call(approval, call), Refusal::OtherPlan)?;
        require(approval.held.call.action == call.action, Refusal::ConfigChanged)?;
        if approval.approved.as_ref() != Some(reference) {
            return Err(Objection::Invalid("expected the approval as it was decided"));
        }
        match call.policy.verdict {
            Verdict::Allow => Ok(()),
            // Asked by another rule than the one that the operator answered: not answered yet.
            Verdict::Ask => {
                require(approval.held.call.policy.rule == call.policy.rule, Refusal::ConfigChanged)
            }
            Verdict::Deny => {
                Err(Objection::Invalid("expected the verdict `allow` or `ask` on an approved call"))
            }
        }
    }
}

fn is_same_call(approval: &Approval, call: &Call) -> bool {
    let held = &approval.held.call;
    held.plan == call.plan
        && held.args_digest == call.args_digest
        && held.request_hash == call.request_hash
        && held.payload == call.payload
        && held.who.principal == call.who.principal
        && held.who.session_id == call.who.session_id
        && held.action.id == call.action.id
        && held.idempotency_key == call.idempotency_key
        && held.is_read == call.is_read
}

fn signed_by_operator(decided: &ApprovalDecided) -> Admission {
    match &decided.signed {
        Some(signed) if !signed.operator.is_empty() => Ok(()),
        Some(_) | None => Err(Objection::Invalid("expected an operator's signed word behind the decision")),
    }
}

fn require(holds: bool, refusal: Refusal) -> Admission {
    if holds { Ok(()) } else { Err(refusal.into()) }
}
