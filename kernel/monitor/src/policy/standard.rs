//! The standard policy against its table of cases.

use std::collections::BTreeMap;

use latchgate_wire::receipt::{Boundary, Verdict};
use serde::Deserialize;
use serde_json::Value;

use super::testing::{fs_action, http_action, plan, question};
use super::{Judgement, Policy, Source};
use crate::manifest::{Class, Manifest, Risk};
use crate::plan::FsOperation;

pub const POLICY: &str = include_str!("../../../../policies/standard/policy.cedar");
const CASES: &str = include_str!("../../../../policies/standard/cases/standard.yaml");

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
    verdict: Verdict,
    rule: String,
}

fn service() -> Boundary {
    Boundary::Service
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

fn load(manifests: &[&Manifest]) -> Policy {
    Policy::load(&[Source { name: "policy.cedar".into(), text: POLICY.into() }], manifests).unwrap()
}

#[test]
fn every_case_of_the_standard_policy_holds() {
    let table: Table = serde_saphyr::from_str(CASES).unwrap();
    assert_eq!(table.format, 1);
    let manifests: BTreeMap<&String, Manifest> =
        table.actions.iter().map(|(id, action)| (id, action.manifest(id))).collect();
    let policy = load(&manifests.values().collect::<Vec<_>>());
    let mut rules_met = std::collections::BTreeSet::new();
    for case in &table.cases {
        let manifest = &manifests[&case.action];
        let plan = plan(manifest, &case.args);
        let mut question = question(manifest, &case.args, &plan);
        question.boundary = case.boundary;
        let Judgement { verdict, rule, .. } = policy.judge(&question).unwrap();
        assert_eq!(
            (verdict, rule.as_str()),
            (case.verdict, case.rule.as_str()),
            "{} {}",
            case.action,
            case.args
        );
        rules_met.insert(rule);
    }
    let unmet: Vec<&str> =
        policy.rules.iter().map(|rule| rule.id.as_str()).filter(|id| !rules_met.contains(*id)).collect();
    assert!(unmet.is_empty(), "rules without a case: {unmet:?}");
}

#[test]
fn the_standard_policy_loads_whatever_actions_there_are() {
    let (file, fetch) = (fs_action("a", "read", "low", "read"), http_action("b", "send", "low", "POST"));
    for manifests in [vec![], vec![&file], vec![&fetch], vec![&file, &fetch]] {
        load(&manifests);
    }
}

#[test]
fn every_standard_rule_tells_the_agent_why() {
    assert!(load(&[]).rules.iter().all(|rule| rule.reason.is_some()));
}
