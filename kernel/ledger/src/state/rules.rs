//! The rules of admission, one function per kind of entry that has any.

use latchgate_monitor::ports::{Approval, ApprovalStatus, Refusal};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{
    ApprovalDecided, Call, CallHeld, CallIntent, ConfigChanged, Decision, Forgotten, LeaseIssued,
    OperatorsChanged, OutcomeResolved, PayloadsForgotten, Role, Signed, StandingRevoked,
};
use latchgate_wire::receipt::{ApprovalRef, ApprovalScope, Receipt, Verdict, Who};
use latchgate_wire::time::Timestamp;

use super::sessions::Session;
use super::standings::{STANDING_MAX, is_for, is_live};
use super::{Objection, Standing, State, request_of};

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
        if held.approvers == Some(0) {
            return Err(Objection::Invalid("expected at least one approver"));
        }
        self.not_prior(&held.call, now)?;
        self.not_cooling_down(&held.call, now)?;
        let waiting = self.approvals.waiting(&held.call.who.principal, now);
        require(waiting < held.held_max() as usize, Refusal::TooManyHeld)
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
                let signed = self.signed(decided.signed.as_ref(), Role::Approver)?;
                require(!approval.approved_by.contains(&signed.operator), Refusal::ApprovedBefore)?;
                self.reaches_as_far_as_said(decided, approval, now)
            }
            Decision::Denied => self.signed(decided.signed.as_ref(), Role::Approver).map(|_| ()),
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
        match (&intent.approval, intent.pins) {
            (Some(reference), None) => self.redeemable(reference, &intent.call, now)?,
            (Some(reference), Some(pins)) => self.answered_by(reference, pins, &intent.call, now)?,
            (None, Some(_)) => return Err(Objection::Invalid("expected pins with a standing approval only")),
            (None, None) => {
                if intent.call.policy.verdict != Verdict::Allow {
                    return Err(Objection::Invalid(
                        "expected the verdict `allow` on a call without approval",
                    ));
                }
                self.not_prior(&intent.call, now)?;
            }
        }
        require(self.rates.has_room(&intent.call.policy, now), Refusal::RateExhausted)?;
        require(session.has_room(intent.cost), Refusal::BudgetExhausted)?;
        let short = intent.limits.iter().find(|l| !self.has_room(&intent.call.who, l, intent.cost, now));
        short.map_or(Ok(()), |limit| Err(Refusal::LimitReached { window: limit.window }.into()))
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
        if !receipt.cost.is_within(intent.cost) {
            return Err(Objection::Invalid("expected an outcome to cost no more than its intent reserved"));
        }
        Ok(())
    }

    pub(super) fn admit_resolution(&self, resolved: &OutcomeResolved) -> Admission {
        self.signed(Some(&resolved.signed), Role::Approver)?;
        require(self.calls.is_unknown(resolved.intent_seq), Refusal::NotUnknown)
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

    /// An operator said no to such a call a while ago.
    fn not_cooling_down(&self, call: &Call, now: Timestamp) -> Admission {
        match self.cool_downs.get(&request_of(call)).filter(|cool_down| now < cool_down.until) {
            None => Ok(()),
            Some(cool_down) => {
                let (until, reason) = (cool_down.until, cool_down.reason.clone());
                Err(Refusal::CoolingDown { until, reason }.into())
            }
        }
    }

    /// The word of one who was an operator then, of at least that role.
    fn signed<'a>(&self, signed: Option<&'a Signed>, role: Role) -> Result<&'a Signed, Objection> {
        let signed = signed.ok_or(Objection::Invalid("expected an operator's signed word behind it"))?;
        require(self.people.may(signed, role), Refusal::NoOperator)?;
        Ok(signed)
    }

    /// Operators and agents change by an admin's word, or by files that the gate found changed.
    pub(super) fn admit_change(&self, signed: Option<&Signed>) -> Admission {
        signed.map_or(Ok(()), |signed| self.signed(Some(signed), Role::Admin).map(|_| ()))
    }

    /// An allowance is an admin's word about the policy in force, and about nothing but the policy.
    pub(super) fn admit_config(&self, config: &ConfigChanged) -> Admission {
        let Some(change) = &config.allowance else { return Ok(()) };
        self.signed(Some(&change.signed), Role::Admin)?;
        let is_one_step = self.config().is_some_and(|before| {
            before.policy_digest == change.policy_before && before.actions == config.actions
        });
        require(is_one_step, Refusal::ConfigChanged)
    }

    /// Payloads are forgotten by an admin's word, or by a setting, which then says so.
    pub(super) fn admit_forgotten(&self, forgotten: &PayloadsForgotten) -> Admission {
        match (&forgotten.of, &forgotten.signed) {
            (Forgotten::Retention { .. }, None) => Ok(()),
            (_, signed) => self.signed(signed.as_ref(), Role::Admin).map(|_| ()),
        }
    }

    /// Whoever is no admin changes nothing but their own key and token.
    pub(super) fn admit_operators(&self, changed: &OperatorsChanged) -> Admission {
        let Some(signed) = &changed.signed else { return Ok(()) };
        let mut own = self.people.operators().clone();
        if let (Some(of), Some(new)) =
            (own.get_mut(&signed.operator), changed.operators.get(&signed.operator))
        {
            of.jkt.clone_from(&new.jkt);
            of.token = new.token;
        }
        let role = if own == changed.operators { Role::Viewer } else { Role::Admin };
        self.signed(Some(signed), role).map(|_| ())
    }

    pub(super) fn admit_standing_revoked(&self, revoked: &StandingRevoked) -> Admission {
        require(self.standings.named(revoked.approval_id).is_some(), Refusal::NoApproval)?;
        self.signed(Some(&revoked.signed), Role::Approver).map(|_| ())
    }

    /// `once` leaves nothing behind; what is wider says how far and how long, and takes one operator.
    fn reaches_as_far_as_said(
        &self,
        decided: &ApprovalDecided,
        approval: &Approval,
        now: Timestamp,
    ) -> Admission {
        let is_wide = decided.scope.is_some_and(|scope| scope != ApprovalScope::Once);
        let Some(reach) = &decided.reach else {
            let why = "expected a wider scope to say what it allows";
            return if is_wide { Err(Objection::Invalid(why)) } else { Ok(()) };
        };
        if !is_wide || reach.max_uses == 0 || reach.until <= now {
            return Err(Objection::Invalid("expected a standing approval with scope, uses and time"));
        }
        require(approval.approvers() == 1, Refusal::QuorumIsOnce)?;
        let standing = self.standings.count(&approval.held.call.who.principal, now);
        require(standing < STANDING_MAX, Refusal::TooManyStanding)
    }

    /// A standing approval is in force, and this call differs from the approved one in nothing but what was freed.
    fn answered_by(&self, reference: &ApprovalRef, pins: Digest, call: &Call, now: Timestamp) -> Admission {
        let standing = self.standings.named(reference.id).ok_or(Refusal::NoApproval)?;
        require(!self.is_revoked(&standing.who), Refusal::Revoked)?;
        require(is_live(standing, now), Refusal::ApprovalExpired)?;
        require(is_for(standing, &call.who) && standing.reach.pins == pins, Refusal::OtherPlan)?;
        let is_as_then = standing.action == call.action && standing.rule == call.policy.rule;
        require(is_as_then, Refusal::ConfigChanged)?;
        if standing.approved != *reference || call.policy.verdict != Verdict::Ask {
            return Err(Objection::Invalid(
                "expected the approval as decided, and a call that is asked about",
            ));
        }
        self.not_prior(call, now)
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

fn require(holds: bool, refusal: Refusal) -> Admission {
    if holds { Ok(()) } else { Err(refusal.into()) }
}
