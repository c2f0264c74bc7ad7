//! Explanations of a call: one that is only supposed, or one that the ledger tells of.

use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::{Agent, Explanation, Policy, Question, Source, Supposed};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, PolicyRef};
use latchgate_wire::time::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::past_call::{self, PastCall};
use super::sets::{self, PolicyToolError, SetName};
use crate::home::places::Places;

/// A call that somebody could make.
#[derive(Clone, Debug)]
pub struct Supposition {
    pub action: String,
    pub args: Value,
    pub principal: Principal,
    /// As the client calls itself.
    pub agent: Option<String>,
    /// Absent is what the local gate would see of this principal.
    pub boundary: Option<Boundary>,
    pub at: Timestamp,
    pub calls_left: Option<u64>,
}

/// What a policy says of a call.
#[derive(Debug, Serialize)]
pub struct Told {
    pub policy_digest: Digest,
    pub action: String,
    pub principal: Principal,
    pub boundary: Boundary,
    pub at: Timestamp,
    #[serde(flatten)]
    pub explanation: Explanation,
}

/// What the ledger says of a call, and why.
#[derive(Debug, Serialize)]
pub struct Recorded {
    pub log_index: u64,
    pub kind: &'static str,
    pub action: String,
    pub principal: Principal,
    /// What was decided then; absent for a refusal that was not policy's.
    pub policy: Option<PolicyRef>,
    /// The problem code of a denial.
    pub error: Option<String>,
    /// By the policy that is recorded for it.
    pub then: Option<Told>,
    /// Why `then` is absent, or not what was in force to the letter.
    pub note: Option<String>,
    /// By the files of the home as they are.
    pub today: Option<Told>,
    /// Whether `today` has another verdict or another deciding rule.
    pub differs: bool,
}

/// # Errors
/// An action that there is not, arguments that it does not take, a set that does not load.
pub fn suppose(places: &Places, set: &SetName, call: &Supposition) -> Result<Told, PolicyToolError> {
    let actions = sets::actions(places)?;
    let catalog = sets::catalog(&actions, &sets::sources(set, places)?)?;
    let action = catalog.actions.get(&call.action).ok_or_else(|| no_action(&catalog, &call.action))?;
    let supposed = Supposed::Loaded(action.clone());
    let (args, plan) = supposed.plan(call.args.clone()).map_err(PolicyToolError::Arguments)?;
    let own = rustix::process::geteuid().as_raw();
    let boundary =
        call.boundary.unwrap_or_else(|| past_call::boundary(&call.principal, own, Boundary::Service));
    let question = Question {
        principal: &call.principal,
        agent: Agent::of(&call.principal, call.agent.as_deref()),
        manifest: supposed.manifest(),
        args: &args,
        plan: &plan,
        session: SessionId::new(1, 1),
        boundary,
        now: call.at,
        calls_left: call.calls_left,
    };
    told(&catalog.policy, &question)
}

/// # Errors
/// An id that nothing in the ledger has; files that cannot be read.
pub fn recorded(places: &Places, id: &str) -> Result<Recorded, PolicyToolError> {
    let found = past_call::find(places, id)?;
    let mut recorded = Recorded {
        log_index: found.seq,
        kind: found.kind,
        action: found.action.clone(),
        principal: found.who.principal.clone(),
        policy: found.policy.clone(),
        error: found.error.clone(),
        then: None,
        note: None,
        today: None,
        differs: false,
    };
    let payload = match past_call::payload(places, &found) {
        Ok(payload) => payload,
        Err(why) => {
            recorded.note = Some(why);
            return Ok(recorded);
        }
    };
    let actions = sets::actions(places)?;
    let Some(action) = actions.get(&found.action) else {
        recorded.note = Some(format!("the action {} is no longer there", found.action));
        return Ok(recorded);
    };
    let judged_by = |sources: &[Source]| {
        let catalog = sets::catalog(&actions, sources)?;
        let agent = Agent::of(&found.who.principal, found.who.agent.as_deref());
        let question = Question {
            principal: &found.who.principal,
            agent,
            manifest: &action.manifest,
            args: &payload.args,
            plan: &payload.plan,
            session: found.who.session_id,
            boundary: found.boundary,
            now: found.time,
            calls_left: None,
        };
        told(&catalog.policy, &question)
    };
    match found.policy.as_ref().map(|policy| past_call::policy(places, &policy.digest)) {
        Some(Ok(sources)) => match judged_by(&sources) {
            Ok(told) => {
                recorded.note = inexact(&told, &found);
                recorded.then = Some(told);
            }
            Err(error) => recorded.note = Some(format!("the recorded policy does not load today: {error}")),
        },
        Some(Err(why)) => recorded.note = Some(why),
        None => {}
    }
    let today = judged_by(&sets::sources(&SetName::Home, places)?)?;
    recorded.differs = recorded
        .policy
        .as_ref()
        .is_some_and(|then| then.verdict != today.explanation.verdict || then.rule != today.explanation.rule);
    recorded.today = Some(today);
    Ok(recorded)
}

/// The recorded policy is loaded over today's actions: where its digest comes out another, they have changed since.
fn inexact(told: &Told, found: &PastCall) -> Option<String> {
    let recorded = found.policy.as_ref()?;
    if told.policy_digest == recorded.digest {
        let same = told.explanation.verdict == recorded.verdict && told.explanation.rule == recorded.rule;
        return (!same).then(|| {
            "judged again it comes out another way: the lease's budget is not recorded, and is not judged with".into()
        });
    }
    Some("the actions have changed since: the recorded rules are judged over the actions of today".into())
}

fn told(policy: &Policy, question: &Question<'_>) -> Result<Told, PolicyToolError> {
    let explanation =
        policy.explain(question).map_err(|error| PolicyToolError::Arguments(error.to_string()))?;
    Ok(Told {
        policy_digest: policy.digest(),
        action: question.manifest.action_id.clone(),
        principal: question.principal.clone(),
        boundary: question.boundary,
        at: question.now,
        explanation,
    })
}

fn no_action(catalog: &Catalog, action: &str) -> PolicyToolError {
    let known = catalog.actions.keys().cloned().collect::<Vec<_>>().join(", ");
    PolicyToolError::NoAction { action: action.to_owned(), known }
}
