//! The request schema as the list of an action's arguments: closed, typed, and never a credential.

use serde_json::{Map, Value};

use crate::schema::{Violation, below};

pub(super) fn check(schema: &Value, wrong: &mut Vec<Violation>) {
    let place = "/request_schema";
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        wrong.push(Violation::new(place, "expected `type: object`"));
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        wrong.push(Violation::new(place, "expected `additionalProperties: false`"));
    }
    if schema.get("patternProperties").is_some() {
        wrong.push(Violation::new(place, "expected arguments by name, not `patternProperties`"));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flat_map(Map::keys) {
        let at = below(&below(place, "properties"), name);
        if !is_argument_name(name) {
            wrong.push(Violation::new(
                &at,
                "expected a name of 1 to 64 letters, digits and _, beginning with a letter",
            ));
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for (i, name) in required.into_iter().flatten().enumerate() {
        if !name.as_str().is_some_and(|name| properties.is_some_and(|all| all.contains_key(name))) {
            wrong.push(Violation::new(
                below("/request_schema/required", i),
                "expected the name of a declared argument",
            ));
        }
    }
    walk(schema, place, wrong);
}

/// Every `properties` at any depth: typed, and no name of a credential.
fn walk(schema: &Value, at: &str, wrong: &mut Vec<Violation>) {
    match schema {
        Value::Object(members) => {
            for (keyword, value) in members {
                let at = below(at, keyword);
                match keyword.as_str() {
                    "properties" => properties(value, &at, wrong),
                    // Values, not schemas.
                    "enum" | "const" | "default" | "examples" => {}
                    _ => walk(value, &at, wrong),
                }
            }
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| walk(item, &below(at, i), wrong));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn properties(value: &Value, at: &str, wrong: &mut Vec<Violation>) {
    for (name, property) in value.as_object().into_iter().flatten() {
        let at = below(at, name);
        if names_a_credential(name) {
            let message = "expected no argument that carries a credential: the agent must not hold it, the gate adds it";
            wrong.push(Violation::new(&at, message));
        }
        if property.get("type").is_none() && property.get("$ref").is_none() {
            wrong.push(Violation::new(&at, "expected a `type` for each property"));
        }
        walk(property, &at, wrong);
    }
}

fn is_argument_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// By the words of the name, whether written `api_key`, `apiKey`, `api-key` or `APIKEY`.
fn names_a_credential(name: &str) -> bool {
    let flat: String =
        name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_cursor = CURSORS.iter().any(|cursor| flat.ends_with(cursor));
    (!is_cursor && CREDENTIAL_ENDS.iter().any(|end| flat.ends_with(end)))
        || CREDENTIAL_PARTS.iter().any(|part| flat.contains(part))
}

const CREDENTIAL_PARTS: &[&str] = &[
    "accesskey",
    "apikey",
    "authorization",
    "clientsecret",
    "credential",
    "passphrase",
    "password",
    "passwd",
    "privatekey",
    "secret",
    "webhookurl",
];

const CREDENTIAL_ENDS: &[&str] = &["bearer", "cookie", "jwt", "token", "webhook"];

/// Tokens that say how far a listing has come.
const CURSORS: &[&str] = &["pagetoken", "nexttoken", "continuationtoken", "synctoken", "cursortoken"];
