//! Decisions judged again: the policy that was in force, asked about the arguments and the plan that were stored, must say what the
//! entry says.
//!
//! What a judgement rested on beside those is not all in the entry: the moment lies between the caller's proof and the entry, and
//! what was left of the budget between what is left now and what calls under way hold. A decision is a fault if none of that
//! explains it. A policy is asked only if this program makes the very document of it that the entries name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::{Agent, Policy, Question, Source};
use latchgate_monitor::steps::CallPayload;
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{Body, Call, ConfigChanged, Entry};
use latchgate_wire::receipt::{Boundary, Verdict};
use latchgate_wire::time::Timestamp;

use crate::state::State;

/// Judges the calls of a log that is being read.
pub struct Replay {
    policy_dir: PathBuf,
    /// In force by the log so far.
    config: Option<ConfigChanged>,
    boundary: Option<Boundary>,
    /// What is in force, loaded when the first call asks; why it cannot be, otherwise.
    loaded: Option<Result<Catalog, String>>,
    judged: u64,
    /// Decisions that could not be judged again, by the reason.
    left_out: BTreeMap<String, u64>,
}

impl Replay {
    pub fn new(ledger_dir: &Path) -> Self {
        Self {
            policy_dir: ledger_dir.join("policy"),
            config: None,
            boundary: None,
            loaded: None,
            judged: 0,
            left_out: BTreeMap::new(),
        }
    }

    /// Takes in what an entry puts in force.
    pub fn entry(&mut self, entry: &Entry) {
        match &entry.body {
            Body::ConfigChanged(config) => (self.config, self.loaded) = (Some(config.clone()), None),
            Body::GateStarted(started) => self.boundary = Some(started.boundary),
            _ => {}
        }
    }

    /// What the policy says otherwise. `state` is that in front of the entry.
    pub fn call(
        &mut self,
        call: &Call,
        at: Timestamp,
        stored: &CallPayload,
        state: &State,
    ) -> Option<String> {
        let config = self.config.as_ref().filter(|config| config.policy_digest == call.policy.digest)?;
        let catalog = self.loaded.get_or_insert_with(|| load(&self.policy_dir, config)).as_ref();
        let action = catalog.map_err(Clone::clone).and_then(|catalog| {
            let action = catalog.actions.get(&call.action.id);
            let action = action.filter(|action| action.manifest_digest == call.action.manifest_digest);
            let absent = || format!("the manifest of `{}` is another than the one in force", call.action.id);
            Ok((&catalog.policy, &action.ok_or_else(absent)?.manifest))
        });
        let (policy, manifest) = match action {
            Ok(found) => found,
            Err(why) => {
                *self.left_out.entry(why).or_default() += 1;
                return None;
            }
        };
        self.judged += 1;
        let who = &call.who;
        let mut otherwise = None;
        for (boundary, now, calls_left) in circumstances(self.boundary, call, at, state) {
            let question = Question {
                principal: &who.principal,
                agent: Agent::of(&who.principal, who.agent.as_deref()),
                manifest,
                args: &stored.args,
                plan: &stored.plan,
                session: who.session_id,
                boundary,
                now,
                calls_left,
            };
            let said = match policy.judge(&question) {
                Ok(judgement) => {
                    let limit = judgement.at_most.as_ref().map(|limit| (limit.n, limit.window_s));
                    let named = call.policy.at_most.map(|limit| (limit.n, limit.window_s));
                    let is_same_rule = judgement.rule == call.policy.rule && limit == named;
                    if is_same_rule && judgement.verdict == call.policy.verdict {
                        return None;
                    }
                    format!("{} by `{}`", verdict(judgement.verdict), judgement.rule)
                }
                Err(error) => format!("nothing: {error}"),
            };
            otherwise.get_or_insert(said);
        }
        let (named, rule) = (verdict(call.policy.verdict), &call.policy.rule);
        Some(format!(
            "judged again, policy {} says {}; the entry says {named} by `{rule}`",
            call.policy.digest, otherwise?
        ))
    }

    pub fn notes(&self) -> Vec<String> {
        let judged = (self.judged > 0).then(|| format!("decisions judged again: {}", self.judged));
        let left_out = self.left_out.iter().map(|(why, n)| format!("decisions not judged again: {n}: {why}"));
        judged.into_iter().chain(left_out).collect()
    }
}

/// Everything that a judgement may have rested on beside arguments and plan, the likeliest first.
fn circumstances(
    gate: Option<Boundary>,
    call: &Call,
    at: Timestamp,
    state: &State,
) -> Vec<(Boundary, Timestamp, Option<u64>)> {
    let boundaries: BTreeSet<_> =
        gate.into_iter().chain([Boundary::SameUser]).map(Boundary::as_str).collect();
    let boundaries = [Boundary::Service, Boundary::Jail, Boundary::SameUser]
        .into_iter()
        .filter(|boundary| boundaries.contains(boundary.as_str()));
    let signed = call.proof.as_ref().map(|proof| Timestamp::from_secs(proof.iat).min(at));
    let times: Vec<_> = [Some(at), Some(at.plus_ms(-1_000)), signed].into_iter().flatten().collect();
    let left = state.calls_left(&call.who.session_id);
    let held = left.map(|left| left.saturating_add(state.open_len() as u64));
    let lefts = if held == left { vec![left] } else { vec![left, held] };
    let mut all = Vec::new();
    for boundary in boundaries {
        for time in &times {
            all.extend(lefts.iter().map(|left| (boundary, *time, *left)));
        }
    }
    all
}

fn load(dir: &Path, config: &ConfigChanged) -> Result<Catalog, String> {
    let read = |digest: &Digest, what: &str| {
        let name = digest.to_string().replace("sha256:", "");
        let bytes = std::fs::read(dir.join(&name))
            .map_err(|error| format!("{what} is not in policy/{name}: {error}"))?;
        let is_it = Digest::of(&bytes) == *digest;
        if is_it { Ok(bytes) } else { Err(format!("{what} in policy/{name} is another")) }
    };
    let document = read(&config.policy_digest, "the policy")?;
    let policies =
        Policy::sources_of(&document).ok_or("the policy is no document that this program writes")?;
    let mut manifests = Vec::new();
    for (id, digest) in &config.actions {
        let what = format!("the manifest of `{id}`");
        let text = String::from_utf8(read(digest, &what)?).map_err(|error| format!("{what}: {error}"))?;
        manifests.push(Source { name: format!("{id}.yaml"), text });
    }
    let catalog = Catalog::load(&manifests, &policies).map_err(|problems| problems.join("; "))?;
    if catalog.policy.digest() == config.policy_digest {
        return Ok(catalog);
    }
    Err(format!("this program makes another document of policy {}", config.policy_digest))
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Ask => "ask",
        Verdict::Deny => "deny",
    }
}
