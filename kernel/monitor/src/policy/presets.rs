//! The presets against their tables of cases, and against each other.

use std::collections::BTreeMap;

use super::cases::{self, Table};
use super::judge::strictness;
use super::testing::{fs_action, http_action};
use super::{Policy, Source, Supposed};
use crate::manifest::Manifest;

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

const PRESETS: &[Preset] = presets!["standard", "read-only", "coding", "team", "ops", "lockdown", "observe"];

impl Preset {
    fn table(&self) -> Table {
        cases::read(&self.cases()).unwrap_or_else(|errors| panic!("{errors:#?}")).0
    }

    fn source(&self) -> Source {
        Source { name: format!("{}.cedar", self.0), text: self.1.into() }
    }

    fn cases(&self) -> Source {
        Source { name: format!("{}.yaml", self.0), text: self.2.into() }
    }

    fn load(&self, manifests: &[&Manifest]) -> Policy {
        Policy::load(&[self.source()], manifests).unwrap_or_else(|errors| panic!("{errors:#?}"))
    }
}

#[test]
fn every_case_holds_and_every_rule_has_one() {
    for preset in PRESETS {
        let tested = cases::run(&[preset.source()], &[preset.cases()], &BTreeMap::new());
        assert!(tested.failures.is_empty(), "{}: {:#?}", preset.0, tested.failures);
        assert!(tested.held > 20, "{}", preset.0);
        assert!(tested.uncovered.is_empty(), "{}: rules without a case: {:#?}", preset.0, tested.uncovered);
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
        let actions = table.actions(&BTreeMap::new()).unwrap();
        let manifests: Vec<&Manifest> = actions.values().map(Supposed::manifest).collect();
        let policies = [&PRESETS[0], &PRESETS[1], &PRESETS[5]].map(|preset| preset.load(&manifests));
        for case in &table.cases {
            let verdicts = policies
                .each_ref()
                .map(|policy| strictness(case.judge(policy, &actions[&case.action]).unwrap().verdict));
            assert!(verdicts.is_sorted(), "{} {}: {verdicts:?}", case.action, case.args);
        }
    }
}
