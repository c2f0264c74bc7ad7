//! One question, one judgement: the strictest over the steps of the plan.

use std::collections::HashSet;

use cedar_policy::{
    AuthorizationError, Authorizer, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request,
    Response,
};
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PlanKind, Verdict, Would};
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use super::args::Unrepresentable;
use super::at_most::AtMost;
use super::context::Frame;
use super::load::{Action, Policy, entity_uid};
use super::rule::{Asking, DEFAULT, Effect, Rule};
use crate::manifest::{Class, Manifest, Risk, Template};
use crate::plan::{FsOperation, Plan, Step};

/// May this principal do this?
pub struct Question<'a> {
    pub principal: &'a Principal,
    pub agent: Agent<'a>,
    pub manifest: &'a Manifest,
    /// Valid under the manifest's request schema, defaults applied.
    pub args: &'a Value,
    pub plan: &'a Plan,
    pub session: SessionId,
    pub boundary: Boundary,
    pub now: Timestamp,
    /// Of the lease's budget, this call not counted.
    pub calls_left: Option<u64>,
}

/// What is known of the agent's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agent<'a> {
    Unnamed,
    /// What the client calls itself.
    Claimed(&'a str),
    /// The name of the enrolled key that proved itself.
    Verified(&'a str),
}

/// The verdict and what decided it.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub verdict: Verdict,
    /// A rule's `@id`; `default` where no rule matched; `boundary:same-user`, or `fault:plan` for an operation that
    /// cannot be judged.
    pub rule: String,
    /// Why a person is asked; there exactly when the verdict is Ask.
    pub ask_reason: Option<String>,
    /// How, by every rule that asks; means something only when the verdict is Ask.
    pub asking: Asking,
    /// What the agent may be told.
    pub reason: Option<String>,
    /// The `@at_most` of the rule that decided; never there when the verdict is Deny. Judging does not count calls.
    pub at_most: Option<AtMost>,
    /// What the other rules would have answered; there where one that only observes denied.
    pub would: Option<Would>,
}

impl<'a> Agent<'a> {
    /// A label is verified where it is the name of the principal itself.
    pub fn of(principal: &'a Principal, label: Option<&'a str>) -> Self {
        match (principal, label) {
            (Principal::Agent(name), None) => Self::Verified(name),
            (Principal::Agent(name), Some(label)) if name == label => Self::Verified(name),
            (_, Some(label)) => Self::Claimed(label),
            (Principal::Uid(_) | Principal::Jail(_), None) => Self::Unnamed,
        }
    }
}

impl Policy {
    /// Judges one call: Deny beats Ask beats Allow, over rules and over the steps of the plan. An allow beats those asks that
    /// it names (`@instead_of`), and no others.
    ///
    /// Of several satisfied rules with the verdict's effect the first written decides, in the order of the sources'
    /// names; its `@at_most` is the one that applies, even where a later rule permits the same without a limit.
    ///
    /// # Errors
    /// If an argument has no Cedar value, so that rules cannot see what was asked.
    pub fn judge(&self, question: &Question<'_>) -> Result<Judgement, Unrepresentable> {
        if question.manifest.risk_level == Risk::Critical && question.boundary == Boundary::SameUser {
            return Ok(same_user());
        }
        let Some(action) = self.actions.get(&question.manifest.action_id) else {
            return Ok(Judgement::deny(DEFAULT));
        };
        let seen = action.args.see(question.args)?;
        let unseen = seen.untyped.join("`, `");
        let judgement = self.judge_plan(action, question, Frame::new(question, seen));
        Ok(judgement.at_least_ask(unseen_reason(&unseen)).at_least_ask(envelope_reason(question)))
    }

    fn judge_plan(&self, action: &Action, question: &Question<'_>, frame: Option<Frame>) -> Judgement {
        let fault = || Judgement::deny("fault:plan");
        let principal = entity_uid(&self.vocabulary.principal, &question.principal.to_string());
        let entities = self.entities(action, question.principal, &principal);
        let (Some(frame), Some(entities)) = (frame, entities) else { return fault() };
        let steps = question.plan.steps.iter().map(|step| {
            let request = self.request(action, question, &principal, &frame, step);
            request.map_or_else(fault, |request| self.judge_step(action, &request, &entities))
        });
        steps.reduce(Judgement::stricter).unwrap_or_else(fault)
    }

    /// The action, its groups and the principal in its group.
    pub(super) fn entities(
        &self,
        action: &Action,
        principal: &Principal,
        uid: &EntityUid,
    ) -> Option<Entities> {
        let group = match principal {
            Principal::Uid(_) => "uid",
            Principal::Jail(_) => "jail",
            Principal::Agent(_) => "agent",
        };
        let group = entity_uid(&self.vocabulary.group, group);
        let principal = Entity::new_no_attrs(uid.clone(), HashSet::from([group]));
        action.entities.clone().add_entities([principal], None).ok()
    }

    /// Checked against the schema: rules were validated for requests of that form and no other.
    pub(super) fn request(
        &self,
        action: &Action,
        question: &Question<'_>,
        principal: &EntityUid,
        frame: &Frame,
        step: &Step,
    ) -> Option<Request> {
        match (&question.manifest.template, step) {
            (Template::Http(_), Step::Http(_)) | (Template::Fs(_), Step::Fs(_)) => {}
            (Template::Http(_), Step::Fs(_)) | (Template::Fs(_), Step::Http(_)) => return None,
        }
        let context = frame.context(step)?;
        let vocabulary = &self.vocabulary;
        let (action, gate) = (action.uid.clone(), vocabulary.gate.clone());
        Request::new(principal.clone(), action, gate, context, Some(&vocabulary.schema)).ok()
    }

    fn judge_step(&self, action: &Action, request: &Request, entities: &Entities) -> Judgement {
        let judged = self.found(&action.rules, request, entities).judgement();
        let decider = self.rule_places.get(&judged.rule).and_then(|place| self.rules.get(*place));
        match &action.others {
            Some(others) if decider.is_some_and(|rule| rule.observes) => {
                let would = self.found(others, request, entities).judgement();
                Judgement { would: Some(Would { rule: would.rule, verdict: would.verdict }), ..judged }
            }
            Some(_) | None => judged,
        }
    }

    /// What rules find in one step.
    pub(super) fn found(&self, rules: &PolicySet, request: &Request, entities: &Entities) -> Found<'_> {
        let response = Authorizer::new().is_authorized(request, rules, entities);
        let satisfied = self.in_order(response.diagnostics().reason());
        match response.decision() {
            Decision::Deny => {
                // Who only observes names a denial that nobody else gives.
                let denial = match satisfied.iter().find(|rule| !rule.observes).or(satisfied.first()) {
                    Some(rule) => Judgement::by(rule),
                    None => self.failed(&response).unwrap_or_else(|| Judgement::deny(DEFAULT)),
                };
                Found { denied: Some(denial), ..Found::default() }
            }
            // Cedar skips a rule that errors, even a forbid; here its failure denies.
            Decision::Allow => Found { denied: self.failed(&response), ..Found::of(satisfied) },
        }
    }

    /// The denial by the first rule that could not be evaluated.
    fn failed(&self, response: &Response) -> Option<Judgement> {
        let errors = response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id(),
        });
        let ids: Vec<&PolicyId> = errors.collect();
        let first = ids.first()?.to_string();
        let rules = self.in_order(ids.into_iter());
        Some(Judgement::deny(rules.first().map_or(first.as_str(), |rule| &rule.id)))
    }

    /// In the order in which they were written, so that the same call always names the same rule.
    pub(super) fn in_order<'i>(&self, ids: impl Iterator<Item = &'i PolicyId>) -> Vec<&Rule> {
        let mut places: Vec<usize> =
            ids.filter_map(|id| self.rule_places.get::<str>(id.as_ref())).copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| self.rules.get(place)).collect()
    }
}

/// The rules that a step satisfies, in the order in which they were written.
#[derive(Default)]
pub(super) struct Found<'r> {
    /// A forbid, a rule that could not be evaluated, or no permit at all.
    pub denied: Option<Judgement>,
    asks: Vec<&'r Rule>,
    /// The allow that decides where nobody is asked.
    pub allowing: Option<&'r Rule>,
    allows: Vec<&'r Rule>,
}

impl<'r> Found<'r> {
    fn of(permits: Vec<&'r Rule>) -> Self {
        let (asks, allows): (Vec<_>, Vec<_>) =
            permits.into_iter().partition(|rule| matches!(rule.effect, Effect::Ask(_)));
        let mut found = Self { asks, allows, ..Self::default() };
        // One that stands for a question comes first: another must not take its limit away.
        let instead = found.asks.iter().find_map(|ask| found.instead(ask));
        found.allowing = instead.or(found.allows.first().copied());
        found
    }

    fn judgement(self) -> Judgement {
        let asking = self.asking();
        let how = asking.iter().fold(Asking::default(), |how, rule| how.and(rule.asking));
        match (self.denied, asking.first().copied().or(self.allowing)) {
            (Some(denial), _) => denial,
            (None, Some(rule)) => Judgement { asking: how, ..Judgement::by(rule) },
            (None, None) => Judgement::deny(DEFAULT),
        }
    }

    /// The asks that no allow stands for.
    pub fn asking(&self) -> Vec<&'r Rule> {
        self.asks.iter().copied().filter(|ask| self.instead(ask).is_none()).collect()
    }

    fn instead(&self, ask: &Rule) -> Option<&'r Rule> {
        self.allows.iter().copied().find(|allow| allow.instead_of.contains(&ask.id))
    }
}

impl Judgement {
    fn by(rule: &Rule) -> Self {
        let (verdict, ask_reason) = match &rule.effect {
            Effect::Allow => (Verdict::Allow, None),
            Effect::Ask(why) => (Verdict::Ask, Some(why.clone())),
            Effect::Deny => (Verdict::Deny, None),
        };
        let (reason, at_most) = (rule.reason.clone(), rule.at_most.clone());
        Self { verdict, rule: rule.id.clone(), ask_reason, asking: rule.asking, reason, at_most, would: None }
    }

    fn deny(rule: &str) -> Self {
        let rule = rule.to_owned();
        let asking = Asking::default();
        Self {
            verdict: Verdict::Deny,
            rule,
            ask_reason: None,
            asking,
            reason: None,
            at_most: None,
            would: None,
        }
    }

    /// The stricter of two; the first of equals. With the same verdict, limited is stricter than unlimited: a plan
    /// must not escape the limit on one of its steps by beginning with another. A denial that stands by itself goes
    /// before one that only observes.
    fn stricter(self, other: Self) -> Self {
        let would = |judged: &Self| judged.would.as_ref().map_or(u8::MAX, |would| strictness(would.verdict));
        let rank = |judged: &Self| (strictness(judged.verdict), judged.at_most.is_some(), would(judged));
        let asking = self.asking.and(other.asking);
        let stricter = if rank(&other) > rank(&self) { other } else { self };
        Self { asking, ..stricter }
    }

    /// Allow becomes Ask for `reason`; a rule that allows keeps its name.
    fn at_least_ask(mut self, reason: Option<String>) -> Self {
        if let (Some(would), Some(_)) = (&mut self.would, &reason)
            && would.verdict == Verdict::Allow
        {
            would.verdict = Verdict::Ask;
        }
        match (self.verdict, reason) {
            (Verdict::Allow, Some(reason)) => {
                Self { verdict: Verdict::Ask, ask_reason: Some(reason), ..self }
            }
            (Verdict::Allow | Verdict::Ask | Verdict::Deny, _) => self,
        }
    }
}

pub(super) fn strictness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Ask => 1,
        Verdict::Deny => 2,
    }
}

fn same_user() -> Judgement {
    let reason = "critical actions are denied while the gate runs as the agent's user";
    Judgement { reason: Some(reason.into()), ..Judgement::deny("boundary:same-user") }
}

fn unseen_reason(names: &str) -> Option<String> {
    (!names.is_empty()).then(|| format!("policy cannot see into the argument `{names}`"))
}

fn envelope_reason(question: &Question<'_>) -> Option<String> {
    let writes = question.manifest.class != Class::Read || question.plan.steps.iter().any(can_write);
    let bounded = question.plan.kind == PlanKind::Envelope;
    (bounded && writes).then(|| "the plan bounds what may be written but does not list it".to_owned())
}

fn can_write(step: &Step) -> bool {
    match step {
        Step::Http(step) => !matches!(step.method.as_str(), "GET" | "HEAD"),
        Step::Fs(step) => match step.operation {
            FsOperation::Read | FsOperation::List | FsOperation::Search => false,
            FsOperation::Write | FsOperation::Delete => true,
        },
    }
}
