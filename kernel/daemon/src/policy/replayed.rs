//! Recorded calls judged once more by another set: what would have been answered otherwise.
//!
//! Calls are replayed with the arguments and the plan that were recorded, at their own time, for their own principal. A
//! denied call left no arguments: it is counted by the rule that denied it, and not replayed. An approved call is counted
//! where it was held.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use latchgate_ledger::PayloadStore;
use latchgate_ledger::past::{Lines, Past, map_all};
use latchgate_monitor::catalog::Catalog;
use latchgate_monitor::policy::{Agent, Question};
use latchgate_monitor::steps::CallPayload;
use latchgate_wire::entry::{Body, Call, CallDenied, Entry};
use latchgate_wire::ids::TraceId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, Verdict};
use latchgate_wire::time::Timestamp;
use serde::Serialize;

use super::past_call;
use super::sets::{self, PolicyToolError, SetName};
use crate::home::places::Places;

/// What a set would have answered.
#[derive(Debug, Default, Serialize)]
pub struct Replay {
    /// Calls that were judged again.
    pub replayed: u64,
    /// Of them, those with the same verdict.
    pub same: u64,
    /// What would be otherwise, the laxest change first.
    pub changes: Vec<Change>,
    pub not_replayed: NotReplayed,
    /// How long it took, and how many calls were judged in a second of it.
    pub took_ms: u64,
    pub calls_per_s: u64,
}

/// Calls of one action that would be answered another way.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub action: String,
    pub from: Verdict,
    pub to: Verdict,
    /// The rule that decided, and the one that would.
    pub from_rule: String,
    pub to_rule: String,
    pub calls: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Example {
    pub log_index: u64,
    pub time: Timestamp,
    pub trace_id: Option<TraceId>,
    pub principal: Principal,
    /// Without arguments.
    pub target: String,
}

/// Calls of the time that could not be judged again, and why.
#[derive(Debug, Default, Serialize)]
pub struct NotReplayed {
    /// Their arguments were forgotten.
    pub forgotten: u64,
    /// Their action is no longer there.
    pub action_gone: u64,
    /// Policy can no longer represent their arguments.
    pub unrepresentable: u64,
    /// Denied calls, whose arguments are never kept, by the rule that denied.
    pub denied: BTreeMap<String, u64>,
    /// Rules among those of `denied` that the set no longer has.
    pub denying_rules_gone: Vec<String>,
}

/// Replays what was recorded since then.
///
/// # Errors
/// A set that does not load, or a ledger that cannot be read.
pub fn replay(places: &Places, set: &SetName, since: Timestamp) -> Result<Replay, PolicyToolError> {
    let catalog = sets::catalog(&sets::actions(places)?, &sets::sources(set, places)?)?;
    let dir = places.ledger_dir();
    let io = |source| PolicyToolError::Io { path: dir.clone(), source };
    let past = Past::of(&dir);
    let payloads = past.payloads(&*past_call::key(places)?).map_err(io)?;
    let judge = Judge { catalog: &catalog, payloads: &payloads, since, owner: past_call::owner(&dir) };
    let mut tally = Tally::default();
    let begun = Instant::now();
    let mut gate = Boundary::SameUser;
    for segment in past.segments().map_err(io)? {
        let segment = segment.map_err(io)?;
        let starts = starts(&segment, gate);
        gate = starts.last().map_or(gate, |(_, gate)| *gate);
        let judged = map_all(&segment.lines, |line| judge.line(&segment.bytes[line.clone()], &starts));
        judged.into_iter().flatten().for_each(|judged| tally.take(judged));
    }
    Ok(tally.finish(&catalog, begun.elapsed()))
}

/// Which boundary held from which entry on.
fn starts(segment: &Lines, before: Boundary) -> Vec<(u64, Boundary)> {
    let mut starts = vec![(0, before)];
    for line in &segment.lines {
        let bytes = &segment.bytes[line.clone()];
        if !contains(bytes, "\"kind\":\"gate.started\"") {
            continue;
        }
        if let Ok(Entry { seq, body: Body::GateStarted(started), .. }) = Entry::read(bytes) {
            starts.push((seq, started.boundary));
        }
    }
    starts
}

fn contains(line: &[u8], text: &str) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| line.contains(text))
}

struct Judge<'a> {
    catalog: &'a Catalog,
    payloads: &'a PayloadStore,
    since: Timestamp,
    owner: u32,
}

/// What became of one entry.
enum Judged {
    Same,
    Changed(Box<Change>),
    Forgotten,
    ActionGone,
    Unrepresentable,
    Denied(String),
}

impl Judge<'_> {
    /// `None` for an entry that is no call, or another part of one that is counted already.
    fn line(&self, line: &[u8], starts: &[(u64, Boundary)]) -> Option<Judged> {
        if !contains(line, "\"kind\":\"call.") {
            return None;
        }
        let entry = Entry::read(line).ok()?;
        if entry.time < self.since {
            return None;
        }
        match &entry.body {
            Body::CallHeld(held) => Some(self.call(&entry, &held.call, starts)),
            // Approved for this call alone: counted where it was held.
            Body::CallIntent(intent) if intent.approval.is_some() && intent.pins.is_none() => None,
            Body::CallIntent(intent) => Some(self.call(&entry, &intent.call, starts)),
            Body::CallDenied(CallDenied { policy: Some(policy), approval_id: None, .. }) => {
                Some(Judged::Denied(policy.rule.clone()))
            }
            _ => None,
        }
    }

    fn call(&self, entry: &Entry, call: &Call, starts: &[(u64, Boundary)]) -> Judged {
        let Some(action) = self.catalog.actions.get(&call.action.id) else { return Judged::ActionGone };
        let Ok(payload) = CallPayload::read(self.payloads, call.payload) else { return Judged::Forgotten };
        let at = starts.partition_point(|(seq, _)| *seq <= entry.seq);
        let gate = starts[..at].last().map_or(Boundary::SameUser, |(_, gate)| *gate);
        let who = &call.who;
        let question = Question {
            principal: &who.principal,
            agent: Agent::of(&who.principal, who.agent.as_deref()),
            manifest: &action.manifest,
            args: &payload.args,
            plan: &payload.plan,
            session: who.session_id,
            boundary: past_call::boundary(&who.principal, self.owner, gate),
            now: entry.time,
            calls_left: None,
        };
        let Ok(judgement) = self.catalog.policy.judge(&question) else { return Judged::Unrepresentable };
        if judgement.verdict == call.policy.verdict {
            return Judged::Same;
        }
        let example = Example {
            log_index: entry.seq,
            time: entry.time,
            trace_id: entry.trace_id,
            principal: who.principal.clone(),
            target: call.operation.target.clone(),
        };
        Judged::Changed(Box::new(Change {
            action: call.action.id.clone(),
            from: call.policy.verdict,
            to: judgement.verdict,
            from_rule: call.policy.rule.clone(),
            to_rule: judgement.rule,
            calls: 1,
            examples: vec![example],
        }))
    }
}

#[derive(Default)]
struct Tally {
    replay: Replay,
    changes: BTreeMap<(String, u8, u8, String, String), Change>,
}

impl Tally {
    fn take(&mut self, judged: Judged) {
        let Replay { replayed, same, not_replayed, .. } = &mut self.replay;
        match judged {
            Judged::Same => {
                *replayed += 1;
                *same += 1;
            }
            Judged::Changed(change) => {
                *replayed += 1;
                self.changed(*change);
            }
            Judged::Forgotten => not_replayed.forgotten += 1,
            Judged::ActionGone => not_replayed.action_gone += 1,
            Judged::Unrepresentable => not_replayed.unrepresentable += 1,
            Judged::Denied(rule) => *not_replayed.denied.entry(rule).or_default() += 1,
        }
    }

    fn changed(&mut self, change: Change) {
        let key = (
            change.action.clone(),
            strictness(change.from),
            strictness(change.to),
            change.from_rule.clone(),
            change.to_rule.clone(),
        );
        match self.changes.get_mut(&key) {
            Some(known) => {
                known.calls += 1;
                if known.examples.len() < EXAMPLES_MAX {
                    known.examples.extend(change.examples);
                }
            }
            None => {
                self.changes.insert(key, change);
            }
        }
    }

    fn finish(self, catalog: &Catalog, took: Duration) -> Replay {
        let mut replay = self.replay;
        replay.changes = self.changes.into_values().collect();
        let laxer = |change: &Change| i16::from(strictness(change.to)) - i16::from(strictness(change.from));
        replay.changes.sort_by_key(|change| (laxer(change), std::cmp::Reverse(change.calls)));
        let is_gone = |rule: &&String| {
            catalog.policy.rule_digest(rule).is_none() && *rule != "default" && !rule.contains(':')
        };
        replay.not_replayed.denying_rules_gone =
            replay.not_replayed.denied.keys().filter(is_gone).cloned().collect();
        replay.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        replay.calls_per_s = replay.replayed.saturating_mul(1000) / replay.took_ms.max(1);
        replay
    }
}

fn strictness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::Ask => 1,
        Verdict::Deny => 2,
    }
}

/// Of each change.
const EXAMPLES_MAX: usize = 3;
