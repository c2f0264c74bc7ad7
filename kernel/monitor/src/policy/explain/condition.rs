//! A rule's condition taken apart: the parts that must all hold, each with its line, and which of them do not.
//!
//! `unless { a || b }` is two parts, not a and not b. What has no place in the text is shown as Cedar prints it.

use cedar_policy::{
    Entities, EvalResult, Expression, Policy as CedarPolicy, PrincipalConstraint, Request, eval_expression,
};
use cedar_policy_core::ast::{Expr, ExprKind, UnaryOp};
use serde::Serialize;

use super::super::source::Loaded;

/// A part of a rule's condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Cedar, on one line.
    pub text: String,
    /// In the rule's file.
    pub line: usize,
}

impl Condition {
    pub(super) fn shown(&self) -> String {
        format!("{} (line {})", self.text, self.line)
    }
}

/// The parts of the rule's condition that do not hold for the request. Empty if that cannot be said.
pub(super) fn missing(
    rule: &CedarPolicy,
    line: usize,
    source: Option<&Loaded>,
    request: &Request,
    entities: &Entities,
) -> Vec<Condition> {
    let scope = principal(rule).map(|text| Part { source: text.clone(), text, line });
    let parts = match rule.as_ref().non_scope_constraints() {
        Some(condition) if is_short(rule) => parts(condition, line, source),
        Some(_) | None => Vec::new(),
    };
    // A part behind one that does not hold may need what that one guards.
    let mut missing = Vec::new();
    for part in scope.into_iter().chain(parts) {
        match part.holds(request, entities) {
            Some(true) => {}
            None if !missing.is_empty() => {}
            Some(false) | None => missing.push(Condition { text: part.text, line: part.line }),
        }
    }
    missing
}

/// Deeper conditions are not worth their stack.
fn is_short(rule: &CedarPolicy) -> bool {
    rule.as_ref().loc().is_none_or(|at| at.end() - at.start() <= TEXT_BYTES_MAX)
}

struct Part {
    /// What is evaluated.
    source: String,
    text: String,
    line: usize,
}

impl Part {
    fn holds(&self, request: &Request, entities: &Entities) -> Option<bool> {
        let expression: Expression = self.source.parse().ok()?;
        match eval_expression(request, entities, &expression) {
            Ok(EvalResult::Bool(holds)) => Some(holds),
            Ok(_) | Err(_) => None,
        }
    }
}

/// The rule's word about who asks.
fn principal(rule: &CedarPolicy) -> Option<String> {
    match rule.principal_constraint() {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::In(group) => Some(format!("principal in {group}")),
        PrincipalConstraint::Eq(one) => Some(format!("principal == {one}")),
        PrincipalConstraint::Is(ty) => Some(format!("principal is {ty}")),
        PrincipalConstraint::IsIn(ty, group) => Some(format!("principal is {ty} in {group}")),
    }
}

/// Without recursion: whoever writes a rule chooses how deep it is.
fn parts(condition: &Expr, line: usize, source: Option<&Loaded>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut left = vec![(condition, Sense::AsWritten)];
    while let Some((expression, sense)) = left.pop() {
        match (expression.expr_kind(), sense) {
            (ExprKind::And { left: first, right }, Sense::AsWritten)
            | (ExprKind::Or { left: first, right }, Sense::Negated) => {
                left.push((right, sense));
                left.push((first, sense));
            }
            (ExprKind::UnaryApp { op: UnaryOp::Not, arg }, sense) => left.push((arg, sense.other())),
            _ => parts.push(part(expression, sense, line, source)),
        }
    }
    parts
}

#[derive(Clone, Copy)]
enum Sense {
    AsWritten,
    Negated,
}

impl Sense {
    fn other(self) -> Self {
        match self {
            Self::AsWritten => Self::Negated,
            Self::Negated => Self::AsWritten,
        }
    }
}

fn part(expression: &Expr, sense: Sense, rule_line: usize, source: Option<&Loaded>) -> Part {
    let at = expression.source_loc();
    let written = at.and_then(|at| at.snippet()).filter(|text| text.parse::<Expression>().is_ok());
    let written = written.map_or_else(|| expression.to_string(), str::to_owned);
    let line = match (at, source) {
        (Some(at), Some(source)) => source.line(at.start()),
        _ => rule_line,
    };
    let source = match sense {
        Sense::AsWritten => written,
        Sense::Negated => format!("!({written})"),
    };
    Part { text: source.split_whitespace().collect::<Vec<_>>().join(" "), source, line }
}

/// Of a rule whose condition is taken apart.
const TEXT_BYTES_MAX: usize = 16 * 1024;
