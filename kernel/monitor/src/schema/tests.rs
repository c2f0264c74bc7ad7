//! Schemas: what is taken, what is refused, and how it is said.

use super::*;
use serde_json::json;

fn compiled(schema: Value) -> RequestSchema {
    RequestSchema::compile(&schema).unwrap()
}

fn refused(schema: Value) -> Violation {
    let mut all = RequestSchema::compile(&schema).unwrap_err().0;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Checks a value of the property `a`.
fn check(property: Value, value: Value) -> Result<(), Violation> {
    let schema = json!({"type": "object", "properties": {"a": property}, "additionalProperties": false});
    compiled(schema).validate(&mut json!({ "a": value }))
}

#[test]
fn both_sides_of_every_limit_hold() {
    for (property, inside, outside) in [
        (json!({"type": "string", "maxLength": 2}), json!("éé"), json!("ééé")),
        (json!({"type": "string", "minLength": 2}), json!("éé"), json!("é")),
        (json!({"type": "integer", "minimum": 1}), json!(1), json!(0)),
        (json!({"type": "integer", "maximum": 9}), json!(9), json!(10)),
        (json!({"type": "number", "exclusiveMinimum": 0}), json!(0.1), json!(0)),
        (json!({"type": "number", "exclusiveMaximum": 1}), json!(0.9), json!(1)),
        (json!({"type": "array", "maxItems": 1}), json!([1]), json!([1, 2])),
        (json!({"type": "array", "minItems": 1}), json!([1]), json!([])),
        (json!({"type": "array", "uniqueItems": true}), json!([1, 2]), json!([1, 1])),
        (json!({"type": "object", "maxProperties": 1}), json!({"x": 1}), json!({"x": 1, "y": 1})),
        (json!({"type": "string", "pattern": "^a+$"}), json!("aa"), json!("ab")),
        (json!({"type": "string", "enum": ["a"]}), json!("a"), json!("b")),
        (json!({"type": "string", "format": "date"}), json!("2026-02-28"), json!("2026-02-30")),
        (
            json!({"type": "string", "format": "uuid"}),
            json!("2eb8aa08-aa98-11ea-b4aa-73b441d16380"),
            json!("2eb8"),
        ),
        (json!({"type": "string", "format": "ipv4"}), json!("192.0.2.1"), json!("192.0.2.256")),
        (json!({"type": "integer"}), json!(1), json!("1")),
        (json!({"type": "integer"}), json!(1), json!(1.5)),
        (json!({"type": "boolean"}), json!(true), json!("true")),
        (json!({"type": "string"}), json!(""), json!(null)),
    ] {
        assert_eq!(check(property.clone(), inside), Ok(()), "{property}");
        let violation = check(property.clone(), outside).unwrap_err();
        assert_eq!(violation.pointer, "/a", "{property}");
        assert!(violation.message.starts_with("expected "), "{}", violation.message);
    }
}

#[test]
fn a_violation_says_what_was_expected() {
    let schema = json!({
        "type": "object", "additionalProperties": false, "required": ["path"],
        "properties": {"path": {"type": "string", "maxLength": 4}, "n": {"type": ["integer", "null"]}},
    });
    let schema = compiled(schema);
    let message = |mut args: Value| {
        let violation = schema.validate(&mut args).unwrap_err();
        (violation.pointer, violation.message)
    };
    let of = |pointer: &str, message: &str| (pointer.to_owned(), message.to_owned());
    assert_eq!(message(json!({})), of("", "expected a member \"path\", found none"));
    assert_eq!(message(json!({"path": 1})), of("/path", "expected a string, found an integer"));
    assert_eq!(message(json!({"path": "abcde"})), of("/path", "expected at most 4 characters, found 5"));
    assert_eq!(message(json!({"path": "a", "x/y": 1})), of("/x~1y", "unexpected member; expected n, path"));
    let (_, both) = message(json!({"path": "a", "n": "1"}));
    assert!(
        both.contains("an integer") && both.contains("null") && both.ends_with("found a string"),
        "{both}"
    );
    assert_eq!(message(json!([])), of("", "expected an object, found an array"));
}

#[test]
fn the_callers_value_is_never_repeated() {
    let secret = "x".repeat(65);
    for property in [
        json!({"type": "integer"}),
        json!({"type": "string", "enum": ["a"]}),
        json!({"type": "string", "const": "a"}),
        json!({"type": "string", "pattern": "^a$"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "maxLength": 1}),
        json!({"type": "string", "not": {"minLength": 1}}),
        json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    ] {
        let violation = check(property, json!(secret)).unwrap_err();
        assert!(!violation.message.contains("xx"), "{}", violation.message);
    }
}

#[test]
fn names_that_the_caller_chose_are_cut_and_made_visible() {
    let closed = json!({"type": "object", "additionalProperties": false});
    let violation = compiled(closed).validate(&mut json!({"x": 1})).unwrap_err();
    assert_eq!(violation.message, "expected no members");
    let schema =
        compiled(json!({"type": "object", "properties": {"b": true}, "additionalProperties": false}));
    let violation = schema.validate(&mut json!({ "a".repeat(100_000): 1 })).unwrap_err();
    assert!(violation.pointer.len() < 300, "{}", violation.pointer.len());
    let violation = schema.validate(&mut json!({"\u{1b}[2J\u{202e}": 1})).unwrap_err();
    assert_eq!(violation.pointer, "/\\u{1b}[2J\\u{202e}");
}

#[test]
fn three_violations_are_told_at_once() {
    let schema = compiled(json!({"type": "array", "items": {"type": "integer"}}));
    let violation = schema.validate(&mut json!(["a", "b", "c", "d"])).unwrap_err();
    assert_eq!(violation.pointer, "/0");
    let expected = "expected an integer, found a string";
    assert_eq!(violation.message, format!("{expected}; at /1: {expected}; at /2: {expected}"));
}

#[test]
fn a_large_value_gives_its_first_violation_only() {
    let schema = compiled(json!({"type": "array", "items": {"type": "integer"}}));
    let violation = schema.validate(&mut json!(vec!["a"; 10_000])).unwrap_err();
    assert_eq!(violation.message, "expected an integer, found a string");
}

#[test]
fn absent_members_become_their_defaults() {
    let schema = compiled(json!({
        "type": "object",
        "properties": {
            "a": {"type": "integer", "default": 1},
            "b": {"type": "object", "properties": {"c": {"type": "string", "default": "x"}}},
            "d": {"type": "object", "default": {}, "properties": {"e": {"type": "integer", "default": 2}}},
            "f": {"type": "array", "items": {"type": "object", "properties": {"g": {"type": "integer", "default": 3}}}},
        },
    }));
    let filled = |mut args: Value| {
        schema.validate(&mut args).unwrap();
        args
    };
    assert_eq!(filled(json!({})), json!({"a": 1, "d": {"e": 2}}));
    assert_eq!(filled(json!({"a": 5, "b": {}})), json!({"a": 5, "b": {"c": "x"}, "d": {"e": 2}}));
    assert_eq!(
        filled(json!({"f": [{}, {"g": 4}]})),
        json!({"a": 1, "d": {"e": 2}, "f": [{"g": 3}, {"g": 4}]})
    );
    // Given is given.
    let mut null = json!({"a": null});
    assert!(schema.validate(&mut null).is_err());
}

#[test]
fn a_default_that_its_schema_refuses_is_refused() {
    let schema = |default: Value| {
        json!({
            "type": "object", "$defs": {"n": {"type": "integer"}},
            "properties": {"a": {"$ref": "#/$defs/n", "default": default}},
        })
    };
    assert!(RequestSchema::compile(&schema(json!(1))).is_ok());
    assert_eq!(refused(schema(json!("1"))).pointer, "/properties/a/default");
}

#[test]
fn what_the_dialect_does_not_know_is_refused_with_its_place() {
    for (property, pointer) in [
        (json!({"type": "string", "maxLenght": 3}), "/properties/a/maxLenght"),
        (json!({"type": "string", "format": "regex"}), "/properties/a/format"),
        (json!({"type": "string", "format": "phone"}), "/properties/a/format"),
        (json!({"$ref": "https://evil.test/schema"}), "/properties/a/$ref"),
        (json!({"$ref": "file:///etc/passwd"}), "/properties/a/$ref"),
        (json!({"$ref": "#"}), "/properties/a/$ref"),
        (json!({"$dynamicRef": "#a"}), "/properties/a/$dynamicRef"),
        (json!({"$id": "https://evil.test/"}), "/properties/a/$id"),
        (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "/properties/a/$schema"),
        (json!({"anyOf": [{"default": 1}]}), "/properties/a/anyOf/0/default"),
        (json!({"items": 1}), "/properties/a/items"),
    ] {
        assert_eq!(refused(json!({"type": "object", "properties": {"a": property}})).pointer, pointer);
    }
}

#[test]
fn references_into_the_schema_work() {
    let schema = compiled(json!({
        "type": "object", "$defs": {"name": {"type": "string", "maxLength": 1}},
        "properties": {"a": {"$ref": "#/$defs/name"}},
    }));
    assert!(schema.validate(&mut json!({"a": "x"})).is_ok());
    assert!(schema.validate(&mut json!({"a": "xx"})).is_err());
    assert!(RequestSchema::compile(&json!({"$ref": "#/$defs/absent"})).is_err());
}

#[test]
fn patterns_that_need_backtracking_are_refused() {
    let with = |pattern: &str| RequestSchema::compile(&json!({"type": "string", "pattern": pattern}));
    assert!(with("^(a+)+$").is_ok());
    for pattern in ["^(?=a)b", "(a)\\1", "(?<!a)b", "("] {
        assert!(with(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn malformed_schemas_are_refused() {
    for schema in
        [json!({"type": "text"}), json!({"minLength": -1}), json!({"required": "a"}), json!(1), json!([])]
    {
        assert!(RequestSchema::compile(&schema).is_err(), "{schema}");
    }
}
