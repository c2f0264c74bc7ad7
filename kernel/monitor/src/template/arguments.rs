//! What the request schema says of the arguments that placeholders name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The declared top-level arguments.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    properties: Option<&'a Map<String, Value>>,
    required: BTreeSet<&'a str>,
}

/// One declared argument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument<'a> {
    schema: &'a Value,
    /// Required, or with a default: never absent after validation.
    pub always: bool,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(schema: &'a Value) -> Self {
        let required = schema.get("required").and_then(Value::as_array);
        Self {
            properties: schema.get("properties").and_then(Value::as_object),
            required: required.into_iter().flatten().filter_map(Value::as_str).collect(),
        }
    }

    pub(super) fn named(&self, name: &str) -> Option<Argument<'a>> {
        let schema = self.properties?.get(name)?;
        Some(Argument { schema, always: self.required.contains(name) || schema.get("default").is_some() })
    }
}

impl Argument<'_> {
    /// A string, a number or a boolean, whatever the call: what may stand within a text.
    pub(super) fn is_scalar(&self) -> bool {
        self.types().is_some_and(|types| {
            types.iter().all(|t| matches!(*t, "string" | "integer" | "number" | "boolean"))
        })
    }

    pub(super) fn is_string(&self) -> bool {
        self.types().is_some_and(|types| types == ["string"])
    }

    pub(super) fn is_integer(&self) -> bool {
        self.types().is_some_and(|types| types == ["integer"])
    }

    pub(super) fn is_boolean(&self) -> bool {
        self.types().is_some_and(|types| types == ["boolean"])
    }

    fn types(&self) -> Option<Vec<&str>> {
        match self.schema.get("type")? {
            Value::String(one) => Some(vec![one]),
            Value::Array(several) => several.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }
}
