//! The keywords that schemas may use here. Whatever is not in the table is an error, so a slip of the pen
//! (`maxLenght`) never silently permits.

use serde_json::Value;

use super::{Violation, Violations, below};

/// # Errors
/// Every part of `schema` outside the dialect, with its place.
pub(super) fn check(schema: &Value) -> Result<(), Violations> {
    let mut wrong = Vec::new();
    walk(schema, "", Way::Straight, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(Violations(wrong)) }
}

/// How a subschema is reached from the root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Along `properties` and `items`: it applies to whatever is there, so it may have a default.
    Straight,
    /// Under a condition, an alternative or a reference.
    Aside,
}

/// What stands at a keyword.
enum Role {
    /// Checked against the meta-schema by the compiler.
    Plain,
    Schema,
    Schemas,
    SchemaByName,
    Items,
    Properties,
    Dialect,
    Reference,
    Format,
    Default,
}

fn role(keyword: &str) -> Option<Role> {
    Some(match keyword {
        "type" | "enum" | "const" | "required" | "pattern" | "minLength" | "maxLength" | "minimum"
        | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" | "minItems" | "maxItems"
        | "uniqueItems" | "minContains" | "maxContains" | "minProperties" | "maxProperties"
        | "dependentRequired" => Role::Plain,
        "title" | "description" | "examples" | "deprecated" | "$comment" => Role::Plain,
        "additionalProperties" | "propertyNames" | "contains" | "not" | "if" | "then" | "else" => {
            Role::Schema
        }
        "allOf" | "anyOf" | "oneOf" | "prefixItems" => Role::Schemas,
        "patternProperties" | "dependentSchemas" | "$defs" => Role::SchemaByName,
        "items" => Role::Items,
        "properties" => Role::Properties,
        "$schema" => Role::Dialect,
        "$ref" => Role::Reference,
        "format" => Role::Format,
        "default" => Role::Default,
        _ => return None,
    })
}

/// Formats whose meaning every implementation agrees on, checked in time linear in the text. Not `regex`: it would
/// compile what the agent wrote.
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "uuid",
    "json-pointer",
];

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

fn walk(schema: &Value, pointer: &str, way: Way, wrong: &mut Vec<Violation>) {
    let Some(members) = schema.as_object() else {
        if !schema.is_boolean() {
            wrong.push(Violation::new(pointer, "expected a schema: an object, true or false"));
        }
        return;
    };
    for (keyword, value) in members {
        let pointer = below(pointer, keyword);
        match role(keyword) {
            Some(role) => walk_keyword(&role, value, &pointer, way, wrong),
            None => wrong.push(Violation::new(
                pointer,
                "expected a keyword of the schema dialect (see the reference)",
            )),
        }
    }
}

fn walk_keyword(role: &Role, value: &Value, pointer: &str, way: Way, wrong: &mut Vec<Violation>) {
    let mut refuse = |message: &str| wrong.push(Violation::new(pointer, message));
    match role {
        Role::Plain => {}
        Role::Schema => walk(value, pointer, Way::Aside, wrong),
        Role::Items => walk(value, pointer, way, wrong),
        Role::Schemas => {
            for (i, schema) in value.as_array().into_iter().flatten().enumerate() {
                walk(schema, &below(pointer, i), Way::Aside, wrong);
            }
        }
        Role::SchemaByName | Role::Properties => {
            let way = if matches!(role, Role::Properties) { way } else { Way::Aside };
            for (name, schema) in value.as_object().into_iter().flatten() {
                walk(schema, &below(pointer, name), way, wrong);
            }
        }
        Role::Dialect if value == DRAFT => {}
        Role::Dialect => refuse("expected https://json-schema.org/draft/2020-12/schema, or no $schema"),
        Role::Reference if value.as_str().is_some_and(is_local) => {}
        Role::Reference => refuse("expected a reference into the same schema, `#/$defs/NAME`"),
        Role::Format if value.as_str().is_some_and(|name| FORMATS.contains(&name)) => {}
        Role::Format => refuse(&format!("expected one of the formats {}", FORMATS.join(", "))),
        Role::Default if way == Way::Straight => {}
        Role::Default => {
            refuse("expected a default only below `properties` and `items`, where it surely applies")
        }
    }
}

fn is_local(reference: &str) -> bool {
    let name = reference.strip_prefix("#/$defs/").unwrap_or_default();
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
