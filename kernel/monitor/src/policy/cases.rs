//! Tables of cases: what a policy set is expected to answer, and whether it does.
//!
//! ```yaml
//! format: 1
//! actions: # what stands in for actions that are not installed
//!   mail_send: { class: send, risk_level: high, http: POST }
//! cases:
//!   - { action: mail_send, args: { url: "https://example.com/" }, verdict: ask, rule: ask-to-send }
//! ```
//!
//! A case may say `principal`, `agent` (the name that the client gives itself), `boundary`, `time` and `calls_left`; `rule`
//! may be left out. `would: { rule, verdict }` is what a rule that only observes keeps from happening. The table is YAML in the strict subset that manifests and plain rules are written in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use latchgate_wire::ids::SessionId;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, Verdict, Would};
use latchgate_wire::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::judge::{Agent, Question};
use super::outlook::RuleSummary;
use super::source::{PolicyError, Source};
use super::supposed::{StandIn, Supposed};
use super::{Judgement, Policy};
use crate::catalog::Action;
use crate::manifest::Manifest;
use crate::manifest::read::yaml::Document;

/// What became of the cases of one policy set.
#[derive(Debug, Default)]
pub struct Tested {
    /// Cases that hold.
    pub held: usize,
    /// What does not: a case with another answer, a table or a policy that cannot be read.
    pub failures: Vec<PolicyError>,
    /// Rules that decide no case.
    pub uncovered: Vec<RuleSummary>,
}

/// A table as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    format: u32,
    #[serde(default)]
    actions: BTreeMap<String, StandIn>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub action: String,
    #[serde(default = "no_arguments")]
    pub args: Value,
    #[serde(default = "service")]
    boundary: Boundary,
    #[serde(default = "user")]
    pub principal: Principal,
    /// As the client calls itself.
    #[serde(default)]
    agent: Option<String>,
    /// RFC 3339 in UTC.
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    calls_left: Option<u64>,
    verdict: Verdict,
    /// Which rule decides; absent is whichever.
    #[serde(default)]
    rule: Option<String>,
    /// What the other rules would answer, where one that only observes denies.
    #[serde(default)]
    would: Option<Would>,
}

fn no_arguments() -> Value {
    Value::Object(Map::new())
}

fn service() -> Boundary {
    Boundary::Service
}

fn user() -> Principal {
    Principal::Uid(1000)
}

/// Judges every case of `tables` by the set `policies`; a stand-in takes the place of a loaded action of its name.
pub fn run(policies: &[Source], tables: &[Source], loaded: &BTreeMap<String, Arc<Action>>) -> Tested {
    let mut tested = Tested::default();
    let mut decided = BTreeSet::new();
    let mut rules = Vec::new();
    for source in tables {
        let judged = read(source).and_then(|table| {
            let prepared = Prepared::new(source, &table, policies, loaded)?;
            prepared.judge_all(&mut tested, &mut decided);
            Ok(prepared.policy.rules_summary())
        });
        match judged {
            Ok(summary) => rules = summary,
            Err(errors) => tested.failures.extend(errors),
        }
    }
    tested.failures.dedup();
    tested.uncovered = rules.into_iter().filter(|rule| !decided.contains(&rule.id)).collect();
    tested
}

/// A table and the lines of its cases.
pub(super) fn read(source: &Source) -> Result<(Table, Document), Vec<PolicyError>> {
    let error = |line: u64, problem: String, remedy: &str| PolicyError {
        file: source.name.clone(),
        line: usize::try_from(line).unwrap_or(usize::MAX),
        problem,
        remedy: remedy.into(),
    };
    let document = Document::read(&source.text).map_err(|problems| {
        let remedy = "write YAML 1.2 without anchors, tags and ambiguous values";
        problems.into_iter().map(|found| error(found.line, found.message, remedy)).collect::<Vec<_>>()
    })?;
    let compare = "compare with the tables of the presets, policies/standard/cases/standard.yaml";
    // Case by case first, so that what is wrong with one has its line.
    let cases = document.value.get("cases").and_then(Value::as_array).into_iter().flatten();
    let wrong: Vec<PolicyError> = cases
        .enumerate()
        .filter_map(|(i, case)| {
            let problem = Case::deserialize(case).err()?.to_string();
            Some(error(document.line(&format!("/cases/{i}")), problem, compare))
        })
        .collect();
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let table = Table::deserialize(&document.value)
        .map_err(|problem| vec![error(1, problem.to_string(), compare)])?;
    if table.format != 1 {
        let problem =
            format!("this latchgate reads tables of format 1, and this has format {}", table.format);
        return Err(vec![error(document.line("/format"), problem, "update latchgate")]);
    }
    Ok((table, document))
}

/// A table with the policy loaded for its actions.
struct Prepared<'t> {
    file: &'t str,
    table: &'t Table,
    document: &'t Document,
    actions: BTreeMap<String, Supposed>,
    policy: Policy,
}

impl<'t> Prepared<'t> {
    fn new(
        source: &'t Source,
        (table, document): &'t (Table, Document),
        policies: &[Source],
        loaded: &BTreeMap<String, Arc<Action>>,
    ) -> Result<Self, Vec<PolicyError>> {
        let actions = table.actions(loaded).map_err(|(id, problem)| {
            vec![PolicyError {
                file: source.name.clone(),
                line: usize::try_from(document.line(&format!("/actions/{id}"))).unwrap_or(usize::MAX),
                problem,
                remedy: "give it `class`, `risk_level`, and `fs` or `http`".into(),
            }]
        })?;
        let manifests: Vec<&Manifest> = actions.values().map(Supposed::manifest).collect();
        let policy = Policy::load(policies, &manifests)?;
        Ok(Self { file: &source.name, table, document, actions, policy })
    }

    fn judge_all(&self, tested: &mut Tested, decided: &mut BTreeSet<String>) {
        for (i, case) in self.table.cases.iter().enumerate() {
            match self.judge(case) {
                Ok(judgement) => {
                    match case.differs(&judgement) {
                        None => tested.held += 1,
                        Some(problem) => tested.failures.push(self.failure(i, problem)),
                    }
                    decided.insert(judgement.rule);
                    decided.extend(judgement.would.map(|would| would.rule));
                }
                Err(problem) => tested.failures.push(self.failure(i, problem)),
            }
        }
    }

    fn judge(&self, case: &Case) -> Result<Judgement, String> {
        let action = self
            .actions
            .get(&case.action)
            .ok_or_else(|| format!("there is no action `{}`; describe one under `actions`", case.action))?;
        case.judge(&self.policy, action)
    }

    fn failure(&self, case: usize, problem: String) -> PolicyError {
        let line = self.document.line(&format!("/cases/{case}"));
        PolicyError {
            file: self.file.to_owned(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
            problem,
            remedy: "mend the policy or the case".into(),
        }
    }
}

impl Table {
    /// Every action that a case can name. What is wrong is told with the name of the stand-in.
    pub(super) fn actions(
        &self,
        loaded: &BTreeMap<String, Arc<Action>>,
    ) -> Result<BTreeMap<String, Supposed>, (String, String)> {
        let loaded = loaded.iter().map(|(id, action)| (id.clone(), Supposed::Loaded(Arc::clone(action))));
        let mut actions: BTreeMap<String, Supposed> = loaded.collect();
        for (id, stand_in) in &self.actions {
            let manifest = stand_in.manifest(id).map_err(|problem| (id.clone(), problem))?;
            actions.insert(id.clone(), Supposed::StandIn(Box::new(manifest)));
        }
        Ok(actions)
    }
}

impl Case {
    pub(super) fn judge(&self, policy: &Policy, action: &Supposed) -> Result<Judgement, String> {
        let (args, plan) = action.plan(self.args.clone())?;
        let question = Question {
            principal: &self.principal,
            agent: Agent::of(&self.principal, self.agent.as_deref()),
            manifest: action.manifest(),
            args: &args,
            plan: &plan,
            session: SessionId::new(1, 1),
            boundary: self.boundary,
            now: self.now()?,
            calls_left: self.calls_left,
        };
        policy.judge(&question).map_err(|error| error.to_string())
    }

    /// When the call is made: a Tuesday in November at 22:13, unless the case says.
    fn now(&self) -> Result<Timestamp, String> {
        let Some(text) = &self.time else { return Ok(Timestamp::from_secs(1_700_000_000)) };
        let with_ms = text.strip_suffix('Z').map(|seconds| format!("{seconds}.000Z"));
        let read = text.parse().or_else(|error| with_ms.and_then(|text| text.parse().ok()).ok_or(error));
        read.map_err(|_| format!("time: expected one like 2026-11-20T09:30:00Z, found {text}"))
    }

    fn differs(&self, judgement: &Judgement) -> Option<String> {
        let is_other = self.rule.as_ref().is_some_and(|rule| *rule != judgement.rule);
        if self.verdict == judgement.verdict && !is_other {
            let told = |would: &Option<Would>| {
                would.as_ref().map_or_else(
                    || "nothing".to_owned(),
                    |would| format!("{} by {}", word(would.verdict), would.rule),
                )
            };
            let is_as_expected = self.would.is_none() || self.would == judgement.would;
            let (expected, found) = (told(&self.would), told(&judgement.would));
            return (!is_as_expected).then(|| {
                format!("{} {}: expected that it would be {expected}, found {found}", self.action, self.args)
            });
        }
        let expected = self.rule.as_ref().map_or_else(String::new, |rule| format!(" by {rule}"));
        Some(format!(
            "{} {} as {}: expected {}{expected}, found {} by {}",
            self.action,
            self.args,
            self.principal,
            word(self.verdict),
            word(judgement.verdict),
            judgement.rule
        ))
    }
}

/// As tables write it.
pub fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Ask => "ask",
        Verdict::Deny => "deny",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "@id(\"reads\") permit (principal, action in Action::\"class:read\", resource);\n\
        @id(\"late\") forbid (principal, action, resource) when { context.time.hour >= 22 };";

    fn tested(cases: &str) -> Tested {
        let table = format!(
            "format: 1\nactions:\n  file_read: {{ class: read, risk_level: low, fs: read }}\ncases:\n{cases}"
        );
        let source = |name: &str, text: &str| Source { name: name.into(), text: text.into() };
        run(&[source("p.cedar", POLICY)], &[source("t.yaml", &table)], &BTreeMap::new())
    }

    #[test]
    fn a_case_with_another_answer_fails_at_its_line() {
        let at = "time: \"2026-11-20T09:30:00Z\"";
        let found = tested(&format!(
            "  - {{ action: file_read, args: {{ path: a }}, {at}, verdict: allow, rule: reads }}\n  \
             - {{ action: file_read, args: {{ path: a }}, verdict: allow }}\n"
        ));
        assert_eq!(found.held, 1);
        let failures: Vec<String> = found.failures.iter().map(ToString::to_string).collect();
        let expected = "t.yaml:6: file_read {\"path\":\"a\"} as uid:1000: expected allow, found deny by late; mend the policy or the case";
        assert_eq!(failures, [expected]);
    }

    #[test]
    fn a_rule_that_decides_no_case_is_told_with_its_place() {
        let found = tested("  - { action: file_read, args: { path: a }, verdict: deny, rule: late }\n");
        assert_eq!((found.held, found.failures.len()), (1, 0));
        let uncovered: Vec<_> = found.uncovered.iter().map(|rule| (rule.id.as_str(), rule.line)).collect();
        assert_eq!(uncovered, [("reads", 1)]);
    }

    #[test]
    fn what_is_no_case_is_told_with_its_line() {
        for (case, problem) in [
            ("{ action: file_read, args: { path: a }, verdict: maybe }", "maybe"),
            ("{ action: file_read, args: { path: a }, verdict: deny, ruel: late }", "ruel"),
            ("{ action: none, verdict: deny }", "there is no action `none`"),
            ("{ action: file_read, verdict: deny }", "expected the argument `path`"),
            ("{ action: file_read, args: { path: a }, time: noon, verdict: deny }", "time: expected"),
        ] {
            let failures = tested(&format!("  - {case}\n")).failures;
            let told = failures.first().map(ToString::to_string).unwrap_or_default();
            assert!(told.starts_with("t.yaml:5: ") && told.contains(problem), "{case}: {told}");
        }
    }
}
