//! Strict JSON: vectors, limits, and what two parsers would read differently.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::path::Path;

fn read(text: &str) -> Result<Value, JsonError> {
    parse(text.as_bytes(), Limits::DEFAULT)
}

fn refused(text: &str, offset: usize, kind: JsonErrorKind) {
    assert_eq!(read(text), Err(JsonError { offset, kind }), "{text}");
}

#[test]
fn ordinary_json_is_read() {
    let text = r#" {"a":[1,-2,0.5,true,false,null,"x"],"":{},"\u0061b":"\ud834\udd1e\n\/"} "#;
    assert_eq!(
        read(text),
        Ok(json!({"a": [1, -2, 0.5, true, false, null, "x"], "": {}, "ab": "\u{1D11E}\n/"}))
    );
}

#[test]
fn duplicate_names_are_refused_after_unescaping() {
    refused(r#"{"a":1,"a":1}"#, 7, JsonErrorKind::DuplicateName);
    refused(r#"{"a":1,"\u0061":2}"#, 7, JsonErrorKind::DuplicateName);
    refused(r#"[{"x":{"b":1,"b":1}}]"#, 13, JsonErrorKind::DuplicateName);
    assert!(read(r#"{"a":1,"A":1,"b":{"a":1}}"#).is_ok());
}

#[test]
fn integers_end_where_doubles_stop_counting() {
    assert_eq!(read("9007199254740991"), Ok(json!(9_007_199_254_740_991_i64)));
    assert_eq!(read("-9007199254740991"), Ok(json!(-9_007_199_254_740_991_i64)));
    for text in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993.0",
        "9007199254740992e0",
        "18446744073709551616",
        "100000000000000000000",
        "1e20",
        "-1e20",
        "1000000000000000000000000",
    ] {
        refused(text, 0, JsonErrorKind::IntegerRange);
    }
    assert_eq!(read("1e21"), Ok(json!(1e21)));
}

#[test]
fn numbers_that_no_double_holds_are_refused() {
    for text in ["1e309", "-1e309", "1e999999999999", "1e-400", "-0.1e-999", "0.0001e-99999999999999999999"] {
        refused(text, 0, JsonErrorKind::NumberRange);
    }
    assert_eq!(read("0e-400"), Ok(json!(0)));
    assert_eq!(read("5e-324"), Ok(json!(5e-324)));
}

#[test]
fn equal_numbers_read_as_equal_values() {
    for (text, value) in [("-0", 0), ("-0.0", 0), ("-0e9", 0), ("1.0", 1), ("1E2", 100), ("-12.50e1", -125)] {
        assert_eq!(read(text), Ok(json!(value)), "{text}");
    }
}

#[test]
fn strings_hold_no_nul_no_lone_surrogate_no_raw_control() {
    refused(r#""a\u0000""#, 2, JsonErrorKind::Nul);
    refused(r#"{"\u0000":1}"#, 2, JsonErrorKind::Nul);
    refused("\"a\u{0}\"", 2, JsonErrorKind::ControlCharacter);
    refused("\"\u{1f}\"", 1, JsonErrorKind::ControlCharacter);
    for text in [
        r#""\ud800""#,
        r#""\udc00""#,
        r#""\ud800\ud800""#,
        r#""\ud800x""#,
        r#""\ud800\n""#,
        r#""\udd1e\ud834""#,
    ] {
        refused(text, 1, JsonErrorKind::LoneSurrogate);
    }
    refused(r#""\u+123""#, 1, JsonErrorKind::Expected("four hexadecimal digits after `\\u`"));
    assert_eq!(read(r#""\u0001\\u0000""#), Ok(json!("\u{1}\\u0000")));
}

#[test]
fn what_is_not_utf8_is_refused() {
    let check = |bytes: &[u8], offset, kind| {
        assert_eq!(parse(bytes, Limits::DEFAULT), Err(JsonError { offset, kind }));
    };
    check(b"\"a\xFF\"", 2, JsonErrorKind::InvalidUtf8);
    check(b"\"\xED\xA0\x80\"", 1, JsonErrorKind::InvalidUtf8);
    check(b"\"\xC0\xAF\"", 1, JsonErrorKind::InvalidUtf8);
    check(b"\xEF\xBB\xBF{}", 0, JsonErrorKind::ByteOrderMark);
}

#[test]
fn anything_after_the_value_is_refused() {
    refused("{} {}", 3, JsonErrorKind::TrailingData);
    refused("1\u{0}", 1, JsonErrorKind::TrailingData);
    refused("01", 1, JsonErrorKind::TrailingData);
    refused("NaN", 0, JsonErrorKind::Expected("a value"));
    refused("-Infinity", 1, JsonErrorKind::Expected("a digit"));
    refused("[1,]", 3, JsonErrorKind::Expected("a value"));
    refused("{\"a\":1,}", 7, JsonErrorKind::Expected("a name in double quotes"));
    refused("", 0, JsonErrorKind::Expected("a value"));
}

#[test]
fn nesting_is_bounded_on_both_sides_of_the_limit() {
    let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert!(read(&nested(64)).is_ok());
    refused(&nested(65), 64, JsonErrorKind::TooDeep(64));
    let unbounded = Limits { depth_max: usize::MAX, ..Limits::DEFAULT };
    let error = parse(nested(100_000).as_bytes(), unbounded);
    assert_eq!(error, Err(JsonError { offset: 128, kind: JsonErrorKind::TooDeep(128) }));
    assert!(read(&format!("[{}]", "[[]],".repeat(100) + "[]")).is_ok(), "depth is given back");
}

#[test]
fn length_is_bounded_on_both_sides_of_the_limit() {
    let limits = Limits { bytes_max: 4, ..Limits::DEFAULT };
    assert_eq!(parse(b"1234", limits), Ok(json!(1234)));
    assert_eq!(parse(b"12345", limits), Err(JsonError { offset: 4, kind: JsonErrorKind::TooLong(4) }));
}

#[test]
fn the_number_of_values_is_bounded_on_both_sides_of_the_limit() {
    let array = |values: usize| format!("[{}]", vec!["1"; values - 1].join(","));
    assert!(read(&array(VALUES_MAX)).is_ok());
    refused(&array(VALUES_MAX + 1), 2 * VALUES_MAX - 1, JsonErrorKind::TooMany(VALUES_MAX));
}

#[test]
fn errors_say_where_and_what() {
    let error = read("[1 2]").unwrap_err();
    assert_eq!(error.to_string(), "json at byte 3: expected `,` or `]`");
}

/// Valid under RFC 8259, refused here on purpose.
const STRICTER_THAN_THE_SUITE: [(&str, JsonErrorKind); 4] = [
    ("y_object_duplicated_key.json", JsonErrorKind::DuplicateName),
    ("y_object_duplicated_key_and_value.json", JsonErrorKind::DuplicateName),
    ("y_object_escaped_null_in_key.json", JsonErrorKind::Nul),
    ("y_string_null_escape.json", JsonErrorKind::Nul),
];

// Vectors are not shipped; their absence is said, not hidden.
#[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
#[test]
fn json_test_suite_is_decided_as_it_says() {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/JSONTestSuite/test_parsing");
    let Ok(entries) = std::fs::read_dir(&dir) else {
        println!("left out: JSONTestSuite is not present");
        return;
    };
    let mut seen = [0; 3];
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let result = parse(&std::fs::read(&path).unwrap(), Limits::DEFAULT);
        if let Some((_, kind)) = STRICTER_THAN_THE_SUITE.iter().find(|(n, _)| *n == name) {
            assert_eq!(result.map_err(|e| e.kind), Err(*kind), "{name}");
        } else if name.starts_with("y_") {
            assert!(result.is_ok(), "{name}: {result:?}");
            seen[0] += 1;
        } else if name.starts_with("n_") {
            assert!(result.is_err(), "{name}: {result:?}");
            seen[1] += 1;
        } else {
            // Left to the implementation: every one of them is ambiguous, and none is read.
            assert!(result.is_err(), "{name}: {result:?}");
            seen[2] += 1;
        }
    }
    assert!(seen.iter().all(|n| *n > 30), "{seen:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, Limits::DEFAULT);
    }

    #[test]
    fn json_like_text_agrees_with_serde_json(text in "[\\[\\]{}:,\"a\\\\u0-9.eE+\\- tnrf]{0,24}") {
        if let Ok(ours) = read(&text) {
            let theirs: Value = serde_json::from_str(&text).expect("what we accept is JSON");
            prop_assert_eq!(crate::jcs::canonical(&ours).unwrap(), crate::jcs::canonical(&theirs).unwrap());
        }
    }

    #[test]
    fn doubles_are_the_nearest_ones(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
        if let Ok(read) = read(&format!("{value:e}")) {
            prop_assert_eq!(read.as_f64(), Some(if value == 0.0 { 0.0 } else { value }));
        } else {
            prop_assert!(value.abs() > INTEGER_MAX as f64 && value.abs() < EXPONENT_FROM);
        }
    }
}
