//! Whether a policy set allows anything that another did not, told by trying, with a witness.
//!
//! Finite and exhaustive over what it covers: every loaded action and one stand-in for each class, risk and kind of operation;
//! principals, claimed names, boundaries, times, hosts, paths and arguments at each value where a condition of either set
//! changes its answer. A condition is a boolean function of its comparisons, so values on which every comparison agrees
//! are one value. Text that patterns describe is tried by what each pattern and each two of them match: that is no proof
//! over every text, and the result says so. Where every permit of the new set is in the old one, and every forbid and ask
//! of the old in the new, it is a proof, whatever the arguments.

mod atoms;
mod point;
mod space;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::Verdict;
use serde::Serialize;
use serde_json::{Map, Value};

use super::at_most::AtMost;
use super::judge::{Judgement, strictness};
use super::load::Policy;
use super::rule::Effect;
use super::source::{PolicyError, Source};
use super::supposed::{StandIn, Supposed};
use crate::catalog::Action;
use crate::manifest::{Class, Manifest, Risk};
use crate::plan::FsOperation;
use space::{Memory, Space};

/// What two sets have between them.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Whether the new set allows anything that the old did not, or that could not be excluded.
    pub wider: bool,
    /// There is no call at all that the new set answers more laxly: told from the rules, whatever the arguments.
    pub proved: bool,
    /// What is answered more laxly, one witness for each action and pair of rules.
    pub witnesses: Vec<Witness>,
    /// Budgets of the old set that the new one does not have as they were.
    pub budgets_dropped: Vec<String>,
    /// Actions with more combinations than are tried; nothing is said of the rest.
    pub incomplete: Vec<String>,
    /// Calls tried, and of them those answered more strictly.
    pub tried: u64,
    pub stricter: u64,
    pub actions: usize,
}

/// A call that the new set answers more laxly.
#[derive(Clone, Debug, Serialize)]
pub struct Witness {
    pub action: String,
    pub principal: String,
    /// As the client would call itself.
    pub agent: Option<String>,
    pub boundary: &'static str,
    pub at: String,
    /// What would be done: the operation and its target.
    pub operation: String,
    pub arguments: Map<String, Value>,
    pub calls_left: Option<u64>,
    pub old: Verdict,
    pub old_rule: String,
    pub new: Verdict,
    pub new_rule: String,
    pub why: String,
}

/// Compares two sets over `loaded` actions.
///
/// # Errors
/// What is wrong with either set.
pub fn compare(
    old: &[Source],
    new: &[Source],
    loaded: &BTreeMap<String, Arc<Action>>,
) -> Result<Comparison, Vec<PolicyError>> {
    let actions = actions(loaded);
    let manifests: Vec<&Manifest> = actions.iter().map(|(_, action)| action.manifest()).collect();
    let (old, new) = (Policy::load(old, &manifests)?, Policy::load(new, &manifests)?);
    let mut found = Found::default();
    let mut memory = Memory::default();
    for (is_stand_in, action) in &actions {
        let Some(space) = Space::of([&old, &new], action.manifest(), *is_stand_in, &mut memory) else {
            continue;
        };
        if space.size() > POINTS_MAX {
            found.incomplete.push(format!("{}: {} combinations", action.manifest().action_id, space.size()));
        }
        let left_out = space.left_out.iter().map(|what| format!("{}: {what}", action.manifest().action_id));
        found.incomplete.extend(left_out);
        for point in space.points().take(POINTS_MAX) {
            let Some(asked) = point.question(action.manifest()) else { continue };
            let question = asked.as_question();
            if let (Ok(before), Ok(after)) = (old.judge(&question), new.judge(&question)) {
                found.take(&before, &after, || point.witness(action.manifest()));
            }
        }
    }
    let dropped = old.budgets().iter().filter(|budget| !new.budgets().contains(budget));
    let budgets_dropped: Vec<String> = dropped.map(ToString::to_string).collect();
    let proved = is_proved(&old, &new) && found.witnesses.is_empty();
    let incomplete = if proved { Vec::new() } else { found.incomplete };
    let wider = !found.witnesses.is_empty() || !budgets_dropped.is_empty() || !incomplete.is_empty();
    Ok(Comparison {
        wider,
        proved,
        witnesses: found.witnesses.into_values().collect(),
        budgets_dropped,
        incomplete,
        tried: found.tried,
        stricter: found.stricter,
        actions: actions.len(),
    })
}

/// The loaded actions, and a stand-in for each class, risk and kind of operation, with every tag there is and with none.
fn actions(loaded: &BTreeMap<String, Arc<Action>>) -> Vec<(bool, Supposed)> {
    let real = loaded.values().map(|action| (false, Supposed::Loaded(Arc::clone(action))));
    let mut actions: Vec<(bool, Supposed)> = real.collect();
    let tags: BTreeSet<String> =
        loaded.values().flat_map(|action| action.manifest.tags.iter().cloned()).collect();
    let tag_sets =
        if tags.is_empty() { vec![Vec::new()] } else { vec![Vec::new(), tags.into_iter().collect()] };
    for (class, risk) in CLASSES.iter().flat_map(|class| RISKS.map(|risk| (*class, risk))) {
        for (kind, fs, http) in
            [("fs", Some(FsOperation::Read), None), ("http", None, Some("GET".to_owned()))]
        {
            for tags in &tag_sets {
                let tagged = if tags.is_empty() { "" } else { "_tagged" };
                let id = format!("any_{}_{}_{kind}{tagged}", class.as_str(), risk.as_str());
                let tags = tags.clone();
                let stand_in = StandIn { class, risk_level: risk, tags, fs, http: http.clone() };
                // A name that is taken stays with the action that has it.
                if let (false, Ok(manifest)) = (loaded.contains_key(&id), stand_in.manifest(&id)) {
                    actions.push((true, Supposed::StandIn(Box::new(manifest))));
                }
            }
        }
    }
    actions
}

#[derive(Default)]
struct Found {
    witnesses: BTreeMap<(String, String, String), Witness>,
    incomplete: Vec<String>,
    tried: u64,
    stricter: u64,
}

impl Found {
    fn take(&mut self, old: &Judgement, new: &Judgement, witness: impl FnOnce() -> Witness) {
        self.tried += 1;
        if strictness(new.verdict) > strictness(old.verdict) {
            self.stricter += 1;
        }
        let Some(why) = laxer(old, new) else { return };
        let witness = witness();
        let key = (witness.action.clone(), old.rule.clone(), new.rule.clone());
        self.witnesses.entry(key).or_insert_with(|| Witness {
            old: old.verdict,
            old_rule: old.rule.clone(),
            new: new.verdict,
            new_rule: new.rule.clone(),
            why,
            ..witness
        });
    }
}

/// How the new judgement lets more happen.
fn laxer(old: &Judgement, new: &Judgement) -> Option<String> {
    if strictness(new.verdict) != strictness(old.verdict) {
        let is_laxer = strictness(new.verdict) < strictness(old.verdict);
        return is_laxer.then(|| "a laxer verdict".to_owned());
    }
    if new.verdict == Verdict::Deny {
        return None;
    }
    if new.verdict == Verdict::Ask && new.asking.approvers < old.asking.approvers {
        return Some(format!("{} approvals are enough, not {}", new.asking.approvers, old.asking.approvers));
    }
    match (&old.at_most, &new.at_most) {
        (Some(old), None) => Some(format!("without the limit of {}", rate(old))),
        (Some(old), Some(new)) if new.n > old.n || new.window_s < old.window_s => {
            Some(format!("as often as {}, not {}", rate(new), rate(old)))
        }
        (Some(_), Some(_)) | (None, _) => None,
    }
}

fn rate(limit: &AtMost) -> String {
    format!("{} in {} s", limit.n, limit.window_s)
}

/// Nothing new permits, and everything that held back still does. Limits depend on which rule decides, so sets with any are
/// not told this way.
fn is_proved(old: &Policy, new: &Policy) -> bool {
    let digests = |policy: &Policy, is_meant: fn(&Effect) -> bool| -> BTreeSet<Digest> {
        policy.rules.iter().filter(|rule| is_meant(&rule.effect)).map(|rule| rule.digest).collect()
    };
    let permits = |effect: &Effect| !matches!(effect, Effect::Deny);
    let holds = |effect: &Effect| !matches!(effect, Effect::Allow);
    let is_limited = |policy: &Policy| policy.rules.iter().any(|rule| rule.at_most.is_some());
    !is_limited(old)
        && !is_limited(new)
        && digests(new, permits).is_subset(&digests(old, permits))
        && digests(old, holds).is_subset(&digests(new, holds))
}

const CLASSES: [Class; 6] =
    [Class::Read, Class::Write, Class::Send, Class::Execute, Class::Submit, Class::TransferValue];
const RISKS: [Risk; 4] = [Risk::Low, Risk::Medium, Risk::High, Risk::Critical];

/// Combinations tried for one action.
const POINTS_MAX: usize = 100_000;

#[cfg(test)]
mod tests;
