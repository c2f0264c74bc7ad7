//! Names that nothing declares, wherever a rule uses them.
//!
//! Cedar's validator reports a misspelt `context.args.pth`, but `context.args has pth` is merely always false to it:
//! a warning where that makes the whole rule impossible, and nothing at all inside a disjunction. A forbid that never
//! fires because of a typing error is a hole, so every attribute that a rule reads or asks for must be declared by at
//! least one action in its scope.
//!
//! This reads Cedar's own syntax tree, which its public crate does not describe: of the three trees it is the only one
//! that has places and can be walked without recursion, so that a rule of ten thousand terms does not end the process.

use cedar_policy::{ActionConstraint, Policy};
use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, Var};
use latchgate_wire::principal::Principal;
use serde_json::Value;

use super::schema::{ActionType, MODEL};
use super::source::{Place, PolicyError};

/// Every undeclared attribute, and every entity that cannot exist.
pub(super) fn check(rule: &Policy, actions: &[ActionType], place: &Place<'_>) -> Vec<PolicyError> {
    let scope = rule.action_constraint();
    let contexts =
        actions.iter().filter(|action| covers(&scope, action)).map(|action| &action.context).collect();
    let names = Names { contexts, place };
    rule.as_ref().condition().subexpressions().filter_map(|expression| names.check(expression)).collect()
}

/// Whether a rule with this scope can apply to `action`.
pub(super) fn covers(scope: &ActionConstraint, action: &ActionType) -> bool {
    match scope {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(id) => id.id().unescaped() == action.id,
        ActionConstraint::In(ids) => ids.iter().any(|id| {
            let id = id.id().unescaped();
            id == action.id || action.groups.contains(id)
        }),
    }
}

struct Names<'a> {
    /// The type of `context` for each action in the rule's scope.
    contexts: Vec<&'a Value>,
    place: &'a Place<'a>,
}

impl<'a> Names<'a> {
    fn check(&self, expression: &Expr) -> Option<PolicyError> {
        match expression.expr_kind() {
            ExprKind::GetAttr { expr, attr } => self.attributes(expression, expr, &[attr]),
            ExprKind::HasAttr { expr, attr } => self.attributes(expression, expr, &[attr]),
            ExprKind::ExtHasAttr { expr, attrs } => {
                self.attributes(expression, expr, &attrs.iter().map(|attr| attr.as_str()).collect::<Vec<_>>())
            }
            ExprKind::BinaryApp { op: BinaryOp::GetTag | BinaryOp::HasTag, .. } => {
                Some(self.error(expression, "nothing here has tags", "remove getTag and hasTag"))
            }
            ExprKind::Lit(Literal::EntityUID(entity)) => self.entity(expression, entity),
            // None of these names anything; what they consist of is visited by itself.
            _ => None,
        }
    }

    /// Follows `names` from `owner`, and reports the first that nothing declares.
    fn attributes(&self, expression: &Expr, owner: &Expr, names: &[&str]) -> Option<PolicyError> {
        let Some(path) = path_from_context(owner) else {
            let remedy = "read attributes from `context` directly, as in `context.args.name`";
            return Some(self.error(expression, "only `context` has attributes", remedy));
        };
        let mut shown = String::from("context");
        let mut types = self.contexts.clone();
        for name in &path {
            types = types.into_iter().filter_map(|ty| member(ty, name)).collect();
            shown = format!("{shown}.{name}");
        }
        for name in names {
            if types.is_empty() {
                return None; // Its owner is reported as an expression of its own.
            }
            let members = types.iter().filter_map(|ty| member(ty, name)).collect::<Vec<_>>();
            if members.is_empty() {
                return Some(self.undeclared(expression, &shown, name, &types));
            }
            types = members;
            shown = format!("{shown}.{name}");
        }
        None
    }

    fn undeclared(&self, expression: &Expr, owner: &str, name: &str, types: &[&Value]) -> PolicyError {
        let objects = types.iter().filter_map(|ty| ty.get("attributes").and_then(Value::as_object));
        let mut declared: Vec<&str> =
            objects.flat_map(|members| members.keys().map(String::as_str)).collect();
        declared.sort_unstable();
        declared.dedup();
        let (problem, hint) = if owner.starts_with("context.args") {
            let problem = format!("no action in the rule's scope declares `{owner}.{name}`");
            (problem, " (arguments of other types are only named in `context.args_untyped`)")
        } else {
            (format!("`{owner}` has no member `{name}`"), "")
        };
        let remedy = match declared.as_slice() {
            [] => format!("nothing can be read from `{owner}`{hint}"),
            names => format!("expected one of: {}{hint}", names.join(", ")),
        };
        self.error(expression, problem, remedy)
    }

    fn entity(&self, expression: &Expr, entity: &EntityUID) -> Option<PolicyError> {
        let id: &str = entity.eid().as_ref();
        match entity.entity_type().to_string().as_str() {
            "Principal" => {
                let error = id.parse::<Principal>().err()?;
                Some(self.error(expression, format!("`{id}` is no principal"), error.to_string()))
            }
            "Action" if id.starts_with(MODEL) => {
                let remedy = "name a loaded action or a group";
                Some(self.error(expression, format!("`{id}` is no action"), remedy))
            }
            // Action, Group and Gate are enumerated by the schema, so the validator knows their members.
            _ => None,
        }
    }

    fn error(&self, at: &Expr, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        let offset = at.source_loc().map_or(self.place.span.start, |at| at.start());
        self.place.source.error(offset, problem, remedy)
    }
}

/// The names that lead from `context` to `expression`; `None` if it is no such path.
fn path_from_context(mut expression: &Expr) -> Option<Vec<&str>> {
    let mut path = Vec::new();
    while let ExprKind::GetAttr { expr, attr } = expression.expr_kind() {
        path.push(attr.as_str());
        expression = expr;
    }
    path.reverse();
    matches!(expression.expr_kind(), ExprKind::Var(Var::Context)).then_some(path)
}

fn member<'t>(ty: &'t Value, name: &str) -> Option<&'t Value> {
    ty.get("attributes")?.get(name)
}
