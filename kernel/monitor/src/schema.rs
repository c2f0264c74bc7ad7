//! JSON Schema 2020-12 over arguments: compiled when a manifest is read, asked at every call.
//!
//! The dialect is narrower than the standard where the standard is lenient: unknown keywords and formats are errors,
//! formats are asserted, references stay inside the schema, and patterns run in linear time (no look-around, no
//! back-references), because the agent chooses the text that they run on.

mod defaults;
mod dialect;
mod violation;

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use defaults::Defaults;
pub use violation::{Violation, Violations};

/// A compiled schema. Checking allocates only where something is wrong or a default is missing.
#[derive(Debug)]
pub struct RequestSchema {
    schema: Value,
    validator: Validator,
    defaults: Defaults,
}

impl RequestSchema {
    /// Compiles `schema` with everything that it refers to.
    ///
    /// # Errors
    /// Every part that the dialect does not know, with its place in the schema; the first thing that the standard
    /// forbids; a default that its own schema refuses.
    pub fn compile(schema: &Value) -> Result<Self, Violations> {
        dialect::check(schema)?;
        let validator = build(schema).map_err(|e| Violations(vec![e]))?;
        let defaults = Defaults::of(schema)?;
        Ok(Self { schema: schema.clone(), validator, defaults })
    }

    /// Fills in the defaults of absent members, then checks. On `Err` the arguments may hold defaults already.
    ///
    /// # Errors
    /// The first violation's place, and the first three violations in words. No value of the caller is repeated.
    pub fn validate(&self, args: &mut Value) -> Result<(), Violation> {
        self.defaults.apply(args);
        self.check(args)
    }

    /// Checks a value as it is: no default is filled in.
    ///
    /// # Errors
    /// As [`Self::validate`].
    pub fn check(&self, value: &Value) -> Result<(), Violation> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        Err(Violation::join(self.violations(value, SHOWN_MAX)))
    }

    /// Up to `max` violations of `value`, each with its place; empty if there is none.
    pub fn violations(&self, value: &Value, max: usize) -> Vec<Violation> {
        // All errors are collected before the first is given; a large value with an error in each of its elements
        // would cost many times its own size.
        if !is_small(value) {
            return match self.validator.validate(value) {
                Ok(()) => Vec::new(),
                Err(error) => violation::describe(&error, &self.schema).into_iter().take(max).collect(),
            };
        }
        let errors = self.validator.iter_errors(value);
        errors.flat_map(|error| violation::describe(&error, &self.schema)).take(max).collect()
    }
}

/// Violations told to a caller at once.
const SHOWN_MAX: usize = 3;

/// Values inside one another up to which every violation is looked for.
const SMALL_VALUES_MAX: usize = 2_000;

fn build(schema: &Value) -> Result<Validator, Violation> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .offline()
        .build(schema)
        .map_err(|error| Violation::new(error.instance_path().as_str(), error.to_string()))
}

fn is_small(value: &Value) -> bool {
    fn spend(value: &Value, left: &mut usize) -> bool {
        if *left == 0 {
            return false;
        }
        *left -= 1;
        match value {
            Value::Array(items) => items.iter().all(|item| spend(item, left)),
            Value::Object(members) => members.values().all(|member| spend(member, left)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
        }
    }
    spend(value, &mut SMALL_VALUES_MAX.clone())
}

/// A JSON pointer (RFC 6901) one step down from `parent`.
pub(crate) fn below(parent: &str, name: impl fmt::Display) -> String {
    format!("{parent}/{}", name.to_string().replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests;
