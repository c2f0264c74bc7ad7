//! Authorize: policy judges the plan. Allow goes on, Ask is held, Deny ends with its rule.

use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::problem::Code;
use latchgate_wire::receipt::{ApprovalRef, AtMost, PayloadAt, PolicyRef, Verdict};
use latchgate_wire::time::Timestamp;

use super::Planned;
use crate::denial::Denial;
use crate::policy::{Agent, Asking, Judgement, Question};
use crate::ports::{Clock, Log};

/// What policy said, with the call it said it of.
#[must_use]
pub enum Decided {
    Allowed(Authorized),
    Asked(Asked),
}

/// A call that may be committed: allowed by policy, or approved by a person.
pub struct Authorized {
    pub(super) planned: Planned,
    pub(super) policy: PolicyRef,
    pub(super) by: By,
}

/// What let it through.
pub(super) enum By {
    Policy,
    /// The approval of this very call, and where the held call's payload lies.
    Approval(ApprovalRef, PayloadAt),
    /// An approval that stands, and the pins that this call has in common with the approved one.
    Standing(ApprovalRef, Digest),
}

/// A call that a person must decide.
pub struct Asked {
    pub(super) planned: Planned,
    pub(super) policy: PolicyRef,
    pub(super) asking: Asking,
}

/// What judging needs beside the call itself.
pub struct Judging<'a, L, C> {
    pub log: &'a L,
    pub clock: &'a C,
    /// The gate's own, for what standing approvals are compared by.
    pub key: &'a HashKey,
}

impl Planned {
    /// # Errors
    /// 403 `policy_denied`; 422 for an argument that policy cannot represent, or a target that does not fit.
    pub fn authorize<L: Log, C: Clock>(self, judging: &Judging<'_, L, C>) -> Result<Decided, Denial> {
        let judgement = self.judge(judging.log, judging.clock.now())?;
        let policy = self.policy_ref(&judgement);
        if judgement.verdict != Verdict::Deny
            && let Some(obstacle) = self.obstacle
        {
            return Err(obstacle);
        }
        match judgement.verdict {
            Verdict::Allow => Ok(Decided::Allowed(Authorized { planned: self, policy, by: By::Policy })),
            // One operator made a standing approval: it is no answer where more are asked.
            Verdict::Ask if judgement.asking.needs_more_than(1) => {
                Ok(Decided::Asked(Asked { planned: self, policy, asking: judgement.asking }))
            }
            Verdict::Ask => match self.answered(judging.log, judging.key, &judgement.rule) {
                Some((approval, pins)) => {
                    let by = By::Standing(approval, pins);
                    Ok(Decided::Allowed(Authorized { planned: self, policy, by }))
                }
                None => Ok(Decided::Asked(Asked { planned: self, policy, asking: judgement.asking })),
            },
            Verdict::Deny => Err(denied(judgement, policy)),
        }
    }

    pub(super) fn judge(&self, log: &impl Log, now: Timestamp) -> Result<Judgement, Denial> {
        let who = &self.subject.who;
        let question = Question {
            principal: &who.principal,
            agent: Agent::of(&who.principal, who.agent.as_deref()),
            manifest: &self.action.manifest,
            args: &self.args,
            plan: &self.plan,
            session: who.session_id,
            boundary: self.subject.boundary,
            now,
            calls_left: log.calls_left(who),
        };
        self.catalog.policy.judge(&question).map_err(|error| {
            let mut denial = Denial::new(Code::SchemaViolation, error.to_string());
            denial.pointer = Some(error.pointer);
            denial
        })
    }

    pub(super) fn policy_ref(&self, judgement: &Judgement) -> PolicyRef {
        PolicyRef {
            digest: self.catalog.policy.digest(),
            rule: judgement.rule.clone(),
            verdict: judgement.verdict,
            at_most: judgement.at_most.as_ref().map(|limit| AtMost { n: limit.n, window_s: limit.window_s }),
            would: judgement.would.clone(),
        }
    }
}

pub(super) fn denied(judgement: Judgement, policy: PolicyRef) -> Denial {
    let mut denial = Denial::new(Code::PolicyDenied, "policy does not permit this call");
    denial.deny_reason = judgement.reason;
    denial.policy = Some(policy);
    denial.remedy("the operator can see the rule: latchgate audit --limit 5")
}
