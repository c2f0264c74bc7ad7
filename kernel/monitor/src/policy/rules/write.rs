//! One rule as lines of Cedar, each with the place in the YAML that it comes from.

use super::super::schema::ActionType;
use super::format::{Rule, Then};
use super::scope::Scope;
use super::{Wrong, argument, condition, literal};
use crate::schema::below;

/// One line of Cedar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub text: String,
    /// JSON pointer into the YAML.
    pub at: String,
}

impl Line {
    pub fn new(at: impl Into<String>, text: impl Into<String>) -> Self {
        Self { at: at.into(), text: text.into() }
    }
}

/// The rule at the pointer `at`. Where something is wrong, that is told, and the lines mean nothing.
pub(super) fn rule(rule: &Rule, at: &str, actions: &[ActionType], wrong: &mut Vec<Wrong>) -> Vec<Line> {
    misplaced(rule, at, wrong);
    let Scope { head, conditions, covered } = Scope::of(&rule.when, &format!("{at}/when"), actions, wrong);
    let mut all = conditions;
    all.extend(conditions_beside(rule, &format!("{at}/when"), &covered, wrong));
    let mut lines = annotations(rule, at);
    let effect = match rule.then {
        Then::Allow | Then::Ask => "permit",
        Then::Deny => "forbid",
    };
    let end = if all.is_empty() { ";" } else { "" };
    lines.push(Line::new(head.at, format!("{effect} (principal, {}, resource){end}", head.text)));
    if let Some(last) = all.pop() {
        lines.push(Line::new(at, "when {"));
        lines.extend(all.into_iter().map(|line| Line::new(line.at, format!("  {} &&", line.text))));
        lines.push(Line::new(last.at, format!("  {}", last.text)));
        lines.push(Line::new(at, "};"));
    }
    lines.push(Line::new(at, ""));
    lines
}

fn misplaced(rule: &Rule, at: &str, wrong: &mut Vec<Wrong>) {
    if rule.ask.is_some() && rule.then != Then::Ask {
        let remedy = "write `then: ask`, or remove `ask`";
        wrong.push(Wrong::new(format!("{at}/ask"), "`ask` in a rule that does not ask", remedy));
    }
    let asks = [("expires", rule.expires.is_some()), ("approvers", rule.approvers.is_some())];
    for (name, _) in asks.into_iter().filter(|(_, is_there)| *is_there && rule.then != Then::Ask) {
        let problem = format!("`{name}` in a rule that does not ask");
        wrong.push(Wrong::new(
            format!("{at}/{name}"),
            problem,
            format!("write `then: ask`, or remove `{name}`"),
        ));
    }
    if !rule.instead_of.0.is_empty() && rule.then != Then::Allow {
        let remedy = "write `then: allow`, or remove `instead_of`";
        wrong.push(Wrong::new(
            format!("{at}/instead_of"),
            "`instead_of` in a rule that does not allow",
            remedy,
        ));
    }
    if rule.at_most.is_some() && rule.then == Then::Deny {
        let remedy = "remove it: what is denied has no limit to count";
        wrong.push(Wrong::new(format!("{at}/at_most"), "`at_most` in a rule that denies", remedy));
    }
}

/// The texts of people come last, so that nothing in them is taken for another annotation's place.
fn annotations(rule: &Rule, at: &str) -> Vec<Line> {
    let approvers = rule.approvers.map(|n| n.to_string());
    let instead_of = (!rule.instead_of.0.is_empty()).then(|| rule.instead_of.0.join(" "));
    let annotations = [
        ("id", Some(&rule.id)),
        ("at_most", rule.at_most.as_ref()),
        ("expires", rule.expires.as_ref()),
        ("approvers", approvers.as_ref()),
        ("instead_of", instead_of.as_ref()),
        ("ask", rule.ask.as_ref()),
        ("reason", rule.reason.as_ref()),
    ];
    let written = annotations.into_iter().filter_map(|(name, value)| {
        Some(Line::new(format!("{at}/{name}"), format!("@{name}({})", literal::text(value?))))
    });
    written.collect()
}

fn conditions_beside(rule: &Rule, at: &str, covered: &[&ActionType], wrong: &mut Vec<Wrong>) -> Vec<Line> {
    let when = &rule.when;
    let mut lines = Vec::new();
    let mut push = |at: &str, text: String| lines.push(Line::new(at, text));
    let place = |member: &str| format!("{at}/{member}");
    if !when.principal.0.is_empty() {
        let at = place("principal");
        push(&at, condition::principal(&when.principal.0, &at, wrong));
    }
    if !when.agent.0.is_empty() {
        let at = place("agent");
        push(&at, condition::agent(&when.agent.0, rule.then, &at, wrong));
    }
    if !when.host.0.is_empty() {
        let at = place("host");
        push(&at, condition::host(&when.host.0, &at, wrong));
    }
    if !when.path.0.is_empty() {
        let at = place("path");
        push(&at, condition::path(&when.path.0, &at, wrong));
    }
    for (name, predicate) in &when.args {
        let at = below(&place("args"), name);
        push(&at, argument::condition(name, predicate, &at, covered, wrong));
    }
    if let Some(window) = &when.time {
        let at = place("time");
        push(&at, condition::time(window, &at, wrong));
    }
    lines
}
