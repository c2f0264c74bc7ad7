//! What each rule alone says of a question, and what several would say without some of them.

use cedar_policy::{AuthorizationError, Authorizer, Entities, Policy as CedarPolicy, PolicySet, Request};
use latchgate_wire::receipt::Verdict;

use super::super::args::Unrepresentable;
use super::super::context::Frame;
use super::super::judge::{Question, strictness};
use super::super::load::{Policy, entity_uid};
use super::super::outlook::RuleSummary;
use super::condition;
use super::{Fired, Near};

/// Every rule that covers the action, over the steps of the plan.
pub(super) struct Facts<'p> {
    policy: &'p Policy,
    rules: Vec<Told>,
    steps: Vec<(Request, Entities)>,
}

/// A rule, and what it says of each step.
struct Told {
    summary: RuleSummary,
    /// Asks that it stands for where it fires.
    instead_of: Vec<String>,
    written: CedarPolicy,
    of_steps: Vec<Met>,
}

#[derive(Clone, PartialEq, Eq)]
enum Met {
    Fired,
    Not,
    Failed(String),
}

/// What some of the rules would answer.
pub(super) struct Outcome<'f> {
    pub verdict: Verdict,
    pub rule: Option<&'f RuleSummary>,
}

impl<'p> Facts<'p> {
    /// Of an action that was not loaded, and of a plan that cannot be judged, nothing is known.
    pub fn of(policy: &'p Policy, question: &Question<'_>) -> Result<Self, Unrepresentable> {
        let steps = requests(policy, question)?;
        let action = policy.actions.get(&question.manifest.action_id);
        let mut rules: Vec<(usize, Told)> = Vec::new();
        for written in action.iter().flat_map(|action| action.rules.policies()) {
            let id: &str = written.id().as_ref();
            let Some(place) = policy.rule_places.get(id) else { continue };
            let Some(rule) = policy.rules.get(*place) else { continue };
            let of_steps = steps.iter().map(|(request, entities)| met(written, request, entities)).collect();
            let (summary, instead_of) = (RuleSummary::of(rule), rule.instead_of.clone());
            let told = Told { summary, instead_of, written: written.clone(), of_steps };
            rules.push((*place, told));
        }
        rules.sort_by_key(|(place, _)| *place);
        Ok(Self { policy, rules: rules.into_iter().map(|(_, told)| told).collect(), steps })
    }

    /// Rules that fired or failed.
    pub fn fired(&self, decider: &str) -> Vec<Fired> {
        let fired = self.rules.iter().filter(|told| told.of_steps.iter().any(|met| *met != Met::Not));
        fired
            .map(|told| Fired {
                rule: told.summary.clone(),
                decided: told.summary.id == decider,
                error: told.of_steps.iter().find_map(Met::error),
            })
            .collect()
    }

    /// Rules that fired for no step, those with the fewest parts missing first.
    pub fn near(&self) -> Vec<Near> {
        let Some((request, entities)) = self.steps.first() else { return Vec::new() };
        let mut near: Vec<Near> = self
            .rules
            .iter()
            .filter(|told| told.of_steps.iter().all(|met| *met == Met::Not))
            .map(|told| {
                let source = self.policy.sources.iter().find(|source| source.name == told.summary.file);
                let missing = condition::missing(&told.written, told.summary.line, source, request, entities);
                Near { rule: told.summary.clone(), missing }
            })
            .collect();
        near.sort_by_key(|near| near.missing.len());
        near
    }

    pub fn broken(&self) -> Vec<&RuleSummary> {
        self.rules_where(|told| told.of_steps.iter().any(|met| met.error().is_some()))
    }

    pub fn forbids(&self) -> Vec<&RuleSummary> {
        self.fired_with(Verdict::Deny)
    }

    pub fn asks(&self) -> Vec<&RuleSummary> {
        self.fired_with(Verdict::Ask)
    }

    pub fn permits(&self) -> Vec<&RuleSummary> {
        self.fired_with(Verdict::Allow)
    }

    fn fired_with(&self, effect: Verdict) -> Vec<&RuleSummary> {
        self.rules_where(|told| told.summary.effect == effect && told.of_steps.contains(&Met::Fired))
    }

    fn rules_where(&self, is_meant: impl Fn(&Told) -> bool) -> Vec<&RuleSummary> {
        self.rules.iter().filter(|told| is_meant(told)).map(|told| &told.summary).collect()
    }

    /// `a (p.cedar:1), b (p.cedar:2)`.
    pub fn named(&self, rules: &[&RuleSummary]) -> String {
        rules.iter().map(|rule| super::place(rule)).collect::<Vec<_>>().join(", ")
    }

    /// The strictest over the steps, as in judging, of the rules that are left.
    pub fn outcome_without(&self, gone: &[&RuleSummary]) -> Outcome<'_> {
        let left: Vec<&Told> =
            self.rules.iter().filter(|told| !gone.iter().any(|rule| rule.id == told.summary.id)).collect();
        let steps = (0..self.steps.len()).map(|step| outcome(&left, step));
        let strictest =
            steps.reduce(|a, b| if strictness(b.verdict) > strictness(a.verdict) { b } else { a });
        strictest.unwrap_or(Outcome { verdict: Verdict::Deny, rule: None })
    }
}

fn outcome<'f>(rules: &[&'f Told], step: usize) -> Outcome<'f> {
    let failed = rules.iter().find(|told| told.of_steps.get(step).is_some_and(|met| met.error().is_some()));
    let fires = |told: &&&Told| told.of_steps.get(step) == Some(&Met::Fired);
    let is_answered =
        |ask: &Told| rules.iter().filter(fires).any(|told| told.instead_of.contains(&ask.summary.id));
    let first = |effect| {
        let is_meant = |told: &&&Told| told.summary.effect == effect && fires(told) && !is_answered(told);
        rules.iter().find(is_meant).map(|told| (effect, &told.summary))
    };
    let denied = first(Verdict::Deny).or_else(|| failed.map(|told| (Verdict::Deny, &told.summary)));
    match denied.or_else(|| first(Verdict::Ask)).or_else(|| first(Verdict::Allow)) {
        Some((verdict, rule)) => Outcome { verdict, rule: Some(rule) },
        None => Outcome { verdict: Verdict::Deny, rule: None },
    }
}

impl Met {
    fn error(&self) -> Option<String> {
        match self {
            Self::Failed(error) => Some(error.clone()),
            Self::Fired | Self::Not => None,
        }
    }
}

/// One rule alone.
fn met(rule: &CedarPolicy, request: &Request, entities: &Entities) -> Met {
    let Ok(alone) = PolicySet::from_policies([rule.clone()]) else { return Met::Not };
    let response = Authorizer::new().is_authorized(request, &alone, entities);
    let mut errors = response.diagnostics().errors();
    match errors.next() {
        Some(AuthorizationError::PolicyEvaluationError(error)) => Met::Failed(error.inner().to_string()),
        None if response.diagnostics().reason().next().is_some() => Met::Fired,
        None => Met::Not,
    }
}

/// The requests of the plan's steps; those that cannot be judged are left out.
fn requests(policy: &Policy, question: &Question<'_>) -> Result<Vec<(Request, Entities)>, Unrepresentable> {
    let Some(action) = policy.actions.get(&question.manifest.action_id) else { return Ok(Vec::new()) };
    let principal = entity_uid(&policy.vocabulary.principal, &question.principal.to_string());
    let Some(frame) = Frame::new(question, action.args.see(question.args)?) else { return Ok(Vec::new()) };
    let Some(entities) = policy.entities(action, question.principal, &principal) else {
        return Ok(Vec::new());
    };
    let requests = question
        .plan
        .steps
        .iter()
        .filter_map(|step| policy.request(action, question, &principal, &frame, step));
    Ok(requests.map(|request| (request, entities.clone())).collect())
}
