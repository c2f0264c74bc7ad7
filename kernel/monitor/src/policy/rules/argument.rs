//! The condition on one argument, by the type that the covered actions declare for it.

use serde_json::Value;

use super::super::args::{Kind, Scalar};
use super::super::schema::ActionType;
use super::Wrong;
use super::condition::equal;
use super::format::Predicate;
use super::literal;

/// The condition; anything at all where something is wrong, which is then told.
pub(super) fn condition(
    name: &str,
    predicate: &Predicate,
    at: &str,
    covered: &[&ActionType],
    wrong: &mut Vec<Wrong>,
) -> String {
    let path: Vec<&str> = name.split('.').collect();
    let ty = match declared(name, &path, covered) {
        Ok(ty) => ty,
        Err((problem, remedy)) => {
            wrong.push(Wrong::new(at, problem, remedy));
            return String::new();
        }
    };
    let (mut conditions, mut owner) = (Vec::new(), String::from("context.args"));
    for member in path {
        let (has, get) = literal::member(&owner, member);
        conditions.push(has);
        owner = get;
    }
    let mut argument = Argument { name, what: &owner, ty, at, wrong };
    conditions.extend(argument.conditions(predicate));
    conditions.join(" && ")
}

/// The type that every covered action with this argument agrees on.
fn declared(name: &str, path: &[&str], covered: &[&ActionType]) -> Result<Scalar, (String, String)> {
    let name = name.escape_debug();
    let kinds = covered.iter().filter_map(|action| Some((action, action.args.kind(path)?)));
    let kinds: Vec<(&&ActionType, Kind)> = kinds.collect();
    let Some((first, kind)) = kinds.first() else {
        let problem =
            format!("no action that the rule covers declares an argument `{name}` that rules can see");
        return Err((problem, "compare with the request schemas of the actions".into()));
    };
    if let Some((other, _)) = kinds.iter().find(|(_, other)| other != kind) {
        let problem = format!("`{name}` is of one type in {} and of another in {}", first.id, other.id);
        return Err((problem, "write a rule for each, with its `action`".into()));
    }
    match kind {
        Kind::Scalar(scalar) => Ok(*scalar),
        Kind::Compound => {
            let problem = format!("`{name}` is a list or an object");
            Err((problem, "name a member of the object, or write the rule in Cedar".into()))
        }
    }
}

struct Argument<'a> {
    name: &'a str,
    /// The Cedar expression for its value.
    what: &'a str,
    ty: Scalar,
    at: &'a str,
    wrong: &'a mut Vec<Wrong>,
}

impl Argument<'_> {
    fn conditions(&mut self, predicate: &Predicate) -> Vec<String> {
        let mut conditions = Vec::new();
        if let Some(value) = &predicate.equals {
            let literals = self.literals("equals", std::slice::from_ref(value));
            conditions.push(equal(self.what, &literals));
        }
        if let Some(values) = &predicate.one_of {
            let literals = self.literals("one_of", values);
            conditions.push(equal(self.what, &literals));
        }
        if let Some(start) = &predicate.starts_with {
            if self.ty != Scalar::Text {
                self.misfit("starts_with", "a text");
            }
            conditions.push(format!("{} like {}", self.what, literal::beginning(start)));
        }
        if let Some(bound) = &predicate.less_than {
            conditions.push(self.comparison("less_than", "<", "lessThan", &Value::Number(bound.clone())));
        }
        if let Some(bound) = &predicate.greater_than {
            conditions.push(self.comparison(
                "greater_than",
                ">",
                "greaterThan",
                &Value::Number(bound.clone()),
            ));
        }
        conditions
    }

    fn literals(&mut self, member: &str, values: &[Value]) -> Vec<String> {
        let literals: Vec<String> =
            values.iter().filter_map(|value| literal::scalar(self.ty, value)).collect();
        if literals.len() < values.len() {
            self.misfit(member, &format!("compared with {}", self.type_name()));
        }
        literals
    }

    fn comparison(&mut self, member: &str, operator: &str, method: &str, bound: &Value) -> String {
        if !matches!(self.ty, Scalar::Integer | Scalar::Decimal) {
            self.misfit(member, "a number");
            return String::new();
        }
        let bound = self.literals(member, std::slice::from_ref(bound)).concat();
        match self.ty {
            Scalar::Decimal => format!("{}.{method}({bound})", self.what),
            Scalar::Integer | Scalar::Text | Scalar::Boolean => format!("{} {operator} {bound}", self.what),
        }
    }

    fn misfit(&mut self, member: &str, expected: &str) {
        let (name, ty) = (self.name, self.type_name());
        let problem = format!("{member}: expected `{name}` to be {expected}; the actions declare {ty}");
        let remedy = "compare with the request schemas of the actions";
        self.wrong.push(Wrong::new(format!("{}/{member}", self.at), problem, remedy));
    }

    fn type_name(&self) -> &'static str {
        match self.ty {
            Scalar::Text => "a text",
            Scalar::Integer => "an integer of 64 bits",
            Scalar::Decimal => "a number of at most four decimals",
            Scalar::Boolean => "true or false",
        }
    }
}
