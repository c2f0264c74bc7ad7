//! What a schema expects, in words: names the place and the expectation, never the caller's value.

use std::fmt;

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::below;

/// A place in a document, and what is expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", if pointer.is_empty() { "the whole" } else { pointer })]
pub struct Violation {
    /// JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    pub message: String,
}

impl Violation {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// One violation that tells of all: the place of the first.
    pub(super) fn join(all: Vec<Self>) -> Self {
        let mut all = all.into_iter();
        let mut joined =
            all.next().unwrap_or_else(|| Self::new("", "expected arguments that fit the schema"));
        for next in all {
            let place = if next.pointer.is_empty() { "the whole" } else { next.pointer.as_str() };
            joined.message.push_str(&format!("; at {place}: {}", next.message));
        }
        joined
    }
}

/// Everything found wrong with a document, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            write!(f, "{}{violation}", if i == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

/// `error` in our words; more than one where an object has several members too many.
pub(super) fn describe(error: &ValidationError<'_>, schema: &Value) -> Vec<Violation> {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let known = known_members(error, schema);
            unexpected
                .iter()
                .map(|name| Violation::new(place(&below(pointer, name)), known.clone()))
                .collect()
        }
        // `additionalProperties: false` beside no properties at all.
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
            vec![Violation::new(place(pointer), "expected no members")]
        }
        kind => vec![Violation::new(place(pointer), expectation(kind, error.instance()))],
    }
}

fn expectation(kind: &Kind, found: &Value) -> String {
    match kind {
        Kind::Type { kind } => format!("expected {}, found {}", types(kind), type_name(found)),
        Kind::Required { property } => format!("expected a member {property}, found none"),
        Kind::Enum { options } => format!("expected one of {}", cut(&options.to_string())),
        Kind::Constant { expected_value } => format!("expected {}", cut(&expected_value.to_string())),
        Kind::Pattern { pattern } => format!("expected a text that matches {}", cut(pattern)),
        Kind::Format { format } => format!("expected a text in the format {format}"),
        Kind::MinLength { limit } => format!("expected at least {limit} characters, found {}", length(found)),
        Kind::MaxLength { limit } => format!("expected at most {limit} characters, found {}", length(found)),
        Kind::Minimum { limit } => format!("expected at least {limit}"),
        Kind::Maximum { limit } => format!("expected at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("expected more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("expected less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("expected a multiple of {multiple_of}"),
        Kind::MinItems { limit } => format!("expected at least {limit} elements, found {}", length(found)),
        Kind::MaxItems { limit } => format!("expected at most {limit} elements, found {}", length(found)),
        Kind::AdditionalItems { limit } => {
            format!("expected at most {limit} elements, found {}", length(found))
        }
        Kind::UniqueItems => "expected elements that differ from each other".into(),
        Kind::MinProperties { limit } => {
            format!("expected at least {limit} members, found {}", length(found))
        }
        Kind::MaxProperties { limit } => format!("expected at most {limit} members, found {}", length(found)),
        Kind::FalseSchema => "expected nothing here".into(),
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            "expected one of the alternatives in the schema, found none of them".into()
        }
        Kind::OneOfMultipleValid { .. } => "expected exactly one of the alternatives in the schema".into(),
        // The crate's enum is open; what a keyword of our dialect can fail as is named above.
        other => format!("expected what the keyword `{}` in the schema says", other.keyword()),
    }
}

fn known_members(error: &ValidationError<'_>, schema: &Value) -> String {
    let keyword = error.schema_path().as_str();
    let parent = keyword.rsplit_once('/').map_or("", |(parent, _)| parent);
    let properties = schema.pointer(parent).and_then(|s| s.get("properties")).and_then(Value::as_object);
    match properties.filter(|known| !known.is_empty()) {
        Some(known) => {
            let mut names: Vec<&str> = known.keys().map(String::as_str).collect();
            names.sort_unstable();
            format!("unexpected member; expected {}", cut(&names.join(", ")))
        }
        None => "unexpected member; expected none".into(),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => with_article(one.as_str()),
        TypeKind::Multiple(set) => {
            set.iter().map(|one| with_article(one.as_str())).collect::<Vec<_>>().join(" or ")
        }
    }
}

fn with_article(name: &str) -> String {
    match name {
        "null" => "null".into(),
        "array" | "object" | "integer" => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(n) if n.is_f64() => "a number with a fraction",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// The caller chooses the names of members: bounded, and nothing in them that a terminal would obey.
fn place(pointer: &str) -> String {
    cut(&pointer.chars().flat_map(shown).collect::<String>())
}

fn shown(c: char) -> Vec<char> {
    if c.is_ascii() && !c.is_ascii_control() { vec![c] } else { c.escape_debug().collect() }
}

const SHOWN_BYTES_MAX: usize = 256;

fn cut(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(SHOWN_BYTES_MAX)], text.len())
}
