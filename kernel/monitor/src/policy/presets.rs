//! The presets against their tables of cases, and against each other.

use std::collections::{BTreeMap, BTreeSet};

use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Boundary, Verdict};
use serde::Deserialize;
use serde_json::Value;

use super::judge::strictness;
use super::testing::{fs_action, http_action, plan, question};
use super::{Agent, Judgement, Policy, Question, Source};
use crate::manifest::{Class, Manifest, Risk};
use crate::plan::FsOperation;

/// Name, policy and cases.
struct Preset(&'static str, &'static str, &'static str);

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        &[$(Preset(
            $name,
            include_str!(concat!("../../../../policies/", $name, "/policy.cedar")),
            include_str!(concat!("../../../../policies/", $name, "/cases/", $name, ".yaml")),
        )),+]
    };
}

const PRESETS: &[Preset] = presets!["standard", "read-only", "coding", "team", "ops", "lockdown"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    format: u32,
    actions: BTreeMap<String, StandIn>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StandIn {
    class: Class,
    risk_level: Risk,
    fs: Option<FsOperation>,
    http: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    action: String,
    args: Value,
    #[serde(default = "service")]
    boundary: Boundary,
    #[serde(default = "user")]
    principal: Principal,
    verdict: Verdict,
    rule: String,
}

fn service() -> Boundary {
    Boundary::Service
}

fn user() -> Principal {
    Principal::Uid(1000)
}

impl Preset {
    fn table(&self) -> Table {
        let table: Table =
            serde_saphyr::from_str(self.2).unwrap_or_else(|error| panic!("{}: {error}", self.0));
        assert_eq!(table.format, 1);
        table
    }

    fn load(&self, manifests: &[&Manifest]) -> Policy {
        let source = Source { name: format!("{}.cedar", self.0), text: self.1.into() };
        Policy::load(&[source], manifests).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }
}

impl Table {
    fn manifests(&self) -> BTreeMap<String, Manifest> {
        self.actions.iter().map(|(id, action)| (id.clone(), action.manifest(id))).collect()
    }
}

impl StandIn {
    fn manifest(&self, id: &str) -> Manifest {
        let (class, risk) = (self.class.as_str(), self.risk_level.as_str());
        match (self.fs, &self.http) {
            (Some(operation), None) => fs_action(id, class, risk, operation.as_str()),
            (None, Some(method)) => http_action(id, class, risk, method),
            _ => panic!("{id} is neither fs nor http"),
        }
    }
}

impl Case {
    fn judge(&self, policy: &Policy, manifest: &Manifest) -> Judgement {
        let plan = plan(manifest, &self.args);
        let question = Question {
            principal: &self.principal,
            agent: Agent::of(&self.principal, None),
            boundary: self.boundary,
            ..question(manifest, &self.args, &plan)
        };
        policy.judge(&question).unwrap()
    }
}

#[test]
fn every_case_holds_and_every_rule_has_one() {
    for preset in PRESETS {
        let table = preset.table();
        let manifests = table.manifests();
        let policy = preset.load(&manifests.values().collect::<Vec<_>>());
        let mut rules_met = BTreeSet::new();
        for case in &table.cases {
            let Judgement { verdict, rule, .. } = case.judge(&policy, &manifests[&case.action]);
            let place = format!("{}: {} {} {}", preset.0, case.principal, case.action, case.args);
            assert_eq!((verdict, rule.as_str()), (case.verdict, case.rule.as_str()), "{place}");
            rules_met.insert(rule);
        }
        let rules = policy.rules_summary();
        let unmet: Vec<&str> =
            rules.iter().map(|rule| rule.id.as_str()).filter(|id| !rules_met.contains(*id)).collect();
        assert!(unmet.is_empty(), "{}: rules without a case: {unmet:?}", preset.0);
    }
}

#[test]
fn every_preset_loads_whatever_actions_there_are() {
    let (file, fetch) = (fs_action("a", "read", "low", "read"), http_action("b", "send", "low", "POST"));
    for preset in PRESETS {
        for manifests in [vec![], vec![&file], vec![&fetch], vec![&file, &fetch]] {
            preset.load(&manifests);
        }
    }
}

#[test]
fn every_rule_tells_the_agent_why() {
    for preset in PRESETS {
        assert!(preset.load(&[]).rules_summary().iter().all(|rule| rule.reason.is_some()), "{}", preset.0);
    }
}

#[test]
fn every_preset_begins_with_what_it_is_for() {
    for preset in PRESETS {
        let first = preset.1.lines().next().unwrap();
        let sentence = first.strip_prefix("// preset: ").unwrap_or_else(|| panic!("{}: {first}", preset.0));
        assert!(sentence.ends_with('.') && sentence.matches(". ").count() == 0, "{sentence}");
    }
}

#[test]
fn secrets_are_kept_by_the_same_text_in_every_preset() {
    let standard = PRESETS[0].1;
    let secrets = &standard[standard.find("// Files that hold secrets").unwrap()..];
    assert_eq!(secrets.matches("\nforbid (").count(), 5);
    for preset in PRESETS {
        assert_eq!(preset.1.matches(secrets).count(), 1, "{}", preset.0);
    }
}

/// Whoever turns to a stricter preset must not open anything by it.
#[test]
fn read_only_and_lockdown_are_nowhere_laxer_than_standard() {
    for table in PRESETS.iter().map(Preset::table) {
        let manifests = table.manifests();
        let policies = [&PRESETS[0], &PRESETS[1], &PRESETS[5]]
            .map(|preset| preset.load(&manifests.values().collect::<Vec<_>>()));
        for case in &table.cases {
            let verdicts = policies
                .each_ref()
                .map(|policy| strictness(case.judge(policy, &manifests[&case.action]).verdict));
            assert!(verdicts.is_sorted(), "{} {}: {verdicts:?}", case.action, case.args);
        }
    }
}
