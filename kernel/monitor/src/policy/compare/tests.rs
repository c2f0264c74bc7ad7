//! Pairs of sets with a known answer.

use std::collections::BTreeMap;

use latchgate_wire::receipt::Verdict;

use super::*;

const READS: &str = r#"@id("reads") permit (principal, action in Action::"class:read", resource)
when { context.op.kind == "fs" };
@id("no-env") forbid (principal, action, resource) when { context.op.kind == "fs" && context.op.path like "*.env" };"#;

fn compared(old: &str, new: &str) -> Comparison {
    let source = |text: &str, yaml: bool| {
        let name = if yaml { "rules.yaml" } else { "p.cedar" };
        vec![Source { name: name.into(), text: text.into() }]
    };
    let is_yaml = |text: &str| text.starts_with("format:");
    compare(&source(old, is_yaml(old)), &source(new, is_yaml(new)), &BTreeMap::new())
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// The new set is wider by a witness that shows it, and the old set is not wider than the new one.
fn wider(old: &str, new: &str, shows: impl Fn(&Witness) -> bool) {
    let found = compared(old, new);
    assert!(found.wider && found.witnesses.iter().any(shows), "{found:#?}");
    let back = compared(new, old);
    assert!(!back.wider && back.witnesses.is_empty(), "{back:#?}");
}

#[test]
fn the_same_set_is_proved_not_wider() {
    let found = compared(READS, READS);
    assert!(!found.wider && found.proved && found.stricter == 0 && found.tried > 48, "{found:#?}");
}

#[test]
fn a_forbid_more_is_proved_not_wider_and_one_less_has_a_witness() {
    let more = format!(
        "{READS}\n@id(\"no-pem\") forbid (principal, action, resource) when {{ context.op.path like \"*.pem\" }};"
    );
    let found = compared(READS, &more);
    assert!(found.proved && found.stricter > 0, "{found:#?}");
    wider(&more, READS, |witness| witness.operation.contains(".pem") && witness.new == Verdict::Allow);
}

#[test]
fn a_pattern_that_covers_less_is_found() {
    let less = READS.replace("\"*.env\"", "\"*/.env\"");
    wider(READS, &less, |witness| witness.operation.contains("env") && witness.old_rule == "no-env");
}

#[test]
fn a_class_or_a_risk_more_is_found_without_any_action_loaded() {
    let more = READS.replace(
        "action in Action::\"class:read\"",
        "action in [Action::\"class:read\", Action::\"class:send\"]",
    );
    wider(READS, &more, |witness| witness.action.starts_with("any_send_"));
}

#[test]
fn a_host_a_principal_and_a_boundary_more_are_found() {
    let rule = |condition: &str| {
        format!(
            "@id(\"a\") permit (principal, action, resource) when {{ context.op has host && {condition} }};"
        )
    };
    let host = rule("context.op.host == \"a.example\"");
    wider(&host, &rule("[\"a.example\", \"b.example\"].contains(context.op.host)"), |witness| {
        witness.operation.contains("//b.example")
    });
    wider(&rule("principal == Principal::\"agent:ci\""), &rule("principal in Group::\"agent\""), |witness| {
        witness.principal == "agent:someone"
    });
    wider(&rule("context.boundary == \"jail\""), &rule("context.boundary != \"same-user\""), |witness| {
        witness.boundary == "service"
    });
}

#[test]
fn a_minute_more_is_found() {
    let rules = |to: &str| {
        format!(
            "format: 1\nrules:\n  - id: hours\n    then: allow\n    when: {{ class: read, \
             time: {{ days: [mon], from: \"08:00\", to: \"{to}\" }} }}\n"
        )
    };
    wider(&rules("18:00"), &rules("18:01"), |witness| witness.at.contains("T18:00:00"));
}

#[test]
fn fewer_approvals_and_a_larger_rate_are_wider() {
    let ask =
        |n: u8| format!("@id(\"a\") @ask(\"why\") @approvers(\"{n}\") permit (principal, action, resource);");
    wider(&ask(2), &ask(1), |witness| witness.why.contains("1 approvals are enough"));
    let rate = |rate: &str| format!("@id(\"a\") @at_most(\"{rate}\") permit (principal, action, resource);");
    wider(&rate("5/1h"), &rate("6/1h"), |witness| witness.why.contains("as often as 6"));
}

#[test]
fn an_allow_that_became_an_ask_is_stricter_and_a_dropped_budget_is_wider() {
    let found = compared(READS, &READS.replace("@id(\"reads\")", "@id(\"reads\") @ask(\"why\")"));
    assert!(!found.wider && found.stricter > 0, "{found:#?}");
    let rules = "format: 1\nrules:\n  - { id: a, then: allow, when: { class: read } }\n";
    let bounded = format!("{rules}budgets:\n  - {{ for: each, per: hour, calls: 5 }}\n");
    let found = compared(&bounded, rules);
    assert!(found.wider && found.budgets_dropped.len() == 1, "{found:#?}");
}

#[test]
fn arguments_are_tried_at_the_numbers_that_rules_name() {
    let rule = |n: u8| {
        format!(
            "@id(\"a\") permit (principal, action, resource) when {{ context.args has count && context.args.count < {n} }};"
        )
    };
    wider(&rule(10), &rule(11), |witness| witness.arguments.get("count").is_some_and(|count| count == 10));
}
