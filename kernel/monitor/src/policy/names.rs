//! Names that nothing declares, wherever a rule uses them.
//!
//! Cedar's validator reports a misspelt `context.args.pth`, but `context.args has pth` is merely always false to it:
//! a warning where that makes the whole rule impossible, and nothing at all inside a disjunction. A forbid that never
//! fires because of a typing error is a hole, so every attribute that a rule reads or asks for must be declared by at
//! least one action in its scope.

use cedar_policy::pst::{BinaryOp, Clause, Expr, Template, Var};
use cedar_policy::{ActionConstraint, EntityUid, Policy};
use latchgate_wire::principal::Principal;
use serde_json::Value;

use super::schema::{ActionType, MODEL};
use super::source::{Place, PolicyError};

/// Every undeclared attribute, and every entity that cannot exist.
pub(super) fn check(rule: &Policy, actions: &[ActionType], place: &Place<'_>) -> Vec<PolicyError> {
    let mut errors: Vec<PolicyError> =
        rule.entity_literals().iter().filter_map(|entity| check_entity(entity, place)).collect();
    let scope = rule.action_constraint();
    let contexts = actions.iter().filter(|action| covers(&scope, action)).map(|action| &action.context);
    match rule.to_pst() {
        Ok(tree) => {
            let mut names = Names { contexts: contexts.collect(), place, errors };
            names.clauses(tree.body());
            errors = names.errors;
        }
        Err(error) => {
            errors.push(place.error(format!("the rule cannot be analysed: {error}"), "simplify it"));
        }
    }
    errors
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

fn check_entity(entity: &EntityUid, place: &Place<'_>) -> Option<PolicyError> {
    let id = entity.id().unescaped();
    match entity.type_name().to_string().as_str() {
        "Principal" => {
            let error = id.parse::<Principal>().err()?;
            Some(place.error_at(id, format!("`{id}` is no principal"), error.to_string()))
        }
        "Action" if id.starts_with(MODEL) => {
            Some(place.error_at(id, format!("`{id}` is no action"), "name a loaded action or a group"))
        }
        // Action, Group and Gate are enumerated by the schema, so the validator knows their members.
        _ => None,
    }
}

struct Names<'a> {
    /// The type of `context` for each action in the rule's scope.
    contexts: Vec<&'a Value>,
    place: &'a Place<'a>,
    errors: Vec<PolicyError>,
}

impl<'a> Names<'a> {
    fn clauses(&mut self, tree: &Template) {
        for clause in tree.clauses() {
            match clause {
                Clause::When(condition) | Clause::Unless(condition) => self.expression(condition),
            }
        }
    }

    fn expression(&mut self, expression: &Expr) {
        match expression {
            Expr::Literal(_) | Expr::Var(_) | Expr::Slot(_) | Expr::Unknown { .. } => {}
            Expr::UnaryOp { expr, .. } | Expr::Like { expr, .. } => self.expression(expr),
            Expr::BinaryOp { op: BinaryOp::GetTag | BinaryOp::HasTag, .. } => {
                self.errors.push(self.place.error("nothing here has tags", "remove getTag and hasTag"));
            }
            Expr::BinaryOp { left, right, .. } => {
                self.expression(left);
                self.expression(right);
            }
            Expr::GetAttr { expr, attr } => {
                self.expression(expr);
                self.attributes(expr, std::iter::once(attr.as_str()));
            }
            Expr::HasAttr { expr, attrs } => {
                self.expression(expr);
                self.attributes(expr, attrs.iter().map(|attr| attr.as_str()));
            }
            Expr::Is { expr, in_expr, .. } => {
                self.expression(expr);
                in_expr.iter().for_each(|group| self.expression(group));
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                [cond, then_expr, else_expr].into_iter().for_each(|part| self.expression(part));
            }
            Expr::Set(items) => items.iter().for_each(|item| self.expression(item)),
            Expr::Record(fields) => fields.values().for_each(|value| self.expression(value)),
            // Cedar may grow; what this check does not know, it cannot vouch for.
            _ => self
                .errors
                .push(self.place.error("an expression that cannot be checked", "write it otherwise")),
        }
    }

    /// Follows `names` from `owner`, and reports the first that nothing declares.
    fn attributes<'n>(&mut self, owner: &Expr, names: impl Iterator<Item = &'n str>) {
        let Some(mut types) = self.types(owner) else {
            let remedy = "read attributes from `context` directly, as in `context.args.name`";
            self.errors.push(self.place.error(format!("`{owner}` has no declared attributes"), remedy));
            return;
        };
        let mut shown = owner.to_string();
        for name in names {
            if types.is_empty() {
                return; // Its owner has been reported.
            }
            let members = types.iter().filter_map(|ty| member(ty, name)).collect::<Vec<_>>();
            if members.is_empty() {
                self.errors.push(self.undeclared(&shown, name, &types));
                return;
            }
            types = members;
            shown = format!("{shown}.{name}");
        }
    }

    /// The types of what `expression` reads, over the actions in scope; `None` if it is no path from `context`.
    fn types(&self, expression: &Expr) -> Option<Vec<&'a Value>> {
        match expression {
            Expr::Var(Var::Context) => Some(self.contexts.clone()),
            Expr::GetAttr { expr, attr } => {
                let owners = self.types(expr)?;
                Some(owners.into_iter().filter_map(|ty| member(ty, attr)).collect())
            }
            _ => None,
        }
    }

    fn undeclared(&self, owner: &str, name: &str, types: &[&Value]) -> PolicyError {
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
        self.place.error_at(name, problem, remedy)
    }
}

fn member<'t>(ty: &'t Value, name: &str) -> Option<&'t Value> {
    ty.get("attributes")?.get(name)
}
