//! Canonical JSON: the bytes that are hashed and signed (RFC 8785).

use serde::Serialize;
use serde_json::Value;

use crate::json::INTEGER_MAX;

/// Why a value has no canonical form here.
#[derive(Debug, thiserror::Error)]
pub enum JcsError {
    /// The value does not serialise, has a name twice, or is a non-finite number.
    #[error("value has no canonical json form")]
    Serialize(#[source] serde_json::Error),
    /// RFC 8785 writes integers as doubles; beyond ±(2^53 - 1) that silently changes them.
    #[error("expected integers within ±9007199254740991, found a larger one")]
    IntegerRange,
}

/// The [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785) bytes of `value`: no white space, names sorted by UTF-16
/// code units, numbers as ECMAScript writes them. [`crate::json::parse`] accepts the result (within its limits)
/// and gives it back the same.
///
/// A non-finite float inside a structure becomes `null`, as everywhere in `serde_json`: keep floats out of what is
/// signed.
///
/// # Errors
/// When the value does not serialise, or holds an integer that canonical JSON cannot express.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, JcsError> {
    let bytes = serde_json_canonicalizer::to_vec(value).map_err(JcsError::Serialize)?;
    if integers_are_exact(&bytes) { Ok(bytes) } else { Err(JcsError::IntegerRange) }
}

/// The same for a value that is in memory already, in which no name can stand twice: several times as fast, since what has
/// only integers and ASCII names is canonical once its names are written in order. Anything else goes the other way.
///
/// # Errors
/// As [`canonical`].
pub fn canonical_value(value: &Value) -> Result<Vec<u8>, JcsError> {
    if !is_plain(value) {
        return canonical(value);
    }
    let mut bytes = Vec::with_capacity(256);
    write_plain(value, &mut bytes).map_err(JcsError::Serialize)?;
    Ok(bytes)
}

fn write_plain(value: &Value, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match value {
        Value::Array(values) => {
            out.push(b'[');
            for (n, value) in values.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_plain(value, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (n, (name, value)) in members.into_iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                serde_json::to_writer(&mut *out, name)?;
                out.push(b':');
                write_plain(value, out)?;
            }
            out.push(b'}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value)?
        }
    }
    Ok(())
}

/// ASCII names sort alike by bytes and by UTF-16 code units, integers are written alike, and so is every string:
/// `serde_json` escapes what RFC 8785 section 3.2.2.2 says, and nothing else.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => {
            number.as_i64().is_some_and(|n| n.unsigned_abs() <= INTEGER_MAX.unsigned_abs())
        }
        Value::Array(values) => values.iter().all(is_plain),
        Value::Object(members) => members.iter().all(|(name, value)| name.is_ascii() && is_plain(value)),
    }
}

/// Looks at each number of a canonical text. Rounding keeps order, and 2^53 - 1 is itself a double, so an integer
/// beyond the range before rounding is beyond it afterwards.
fn integers_are_exact(canonical: &[u8]) -> bool {
    let mut at = 0;
    while let Some(&byte) = canonical.get(at) {
        let rest = &canonical[at..];
        at += match byte {
            b'"' => string_len(rest),
            b'-' | b'0'..=b'9' => {
                let len = number_len(rest);
                if !number_is_exact(&rest[..len]) {
                    return false;
                }
                len
            }
            _ => 1,
        };
    }
    true
}

/// Length of the string at the start of `text`, both quotes included.
fn string_len(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

fn number_len(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b'-' | b'+' | b'.' | b'e' | b'0'..=b'9')).count()
}

fn number_is_exact(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    // 15 digits stay below 2^53; most numbers end here.
    if digits.len() <= 15 || !digits.iter().all(u8::is_ascii_digit) {
        return true;
    }
    let value = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i64>().ok());
    value.is_some_and(|value| value <= INTEGER_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, parse};
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::path::Path;

    fn canonical_text(value: &impl Serialize) -> String {
        String::from_utf8(canonical(value).unwrap()).unwrap()
    }

    #[test]
    fn names_are_sorted_and_space_is_gone() {
        assert_eq!(
            canonical_text(&json!({"b": [1, 2.50], "a": "\u{e9}\n"})),
            "{\"a\":\"\u{e9}\\n\",\"b\":[1,2.5]}"
        );
    }

    #[test]
    fn numbers_are_written_as_ecmascript_writes_them() {
        // RFC 8785 appendix B, the finite ones our reader accepts.
        for (bits, text) in [
            (0x0000000000000000, "0"),
            (0x8000000000000000, "0"),
            (0x0000000000000001, "5e-324"),
            (0x8000000000000001, "-5e-324"),
            (0x7fefffffffffffff, "1.7976931348623157e+308"),
            (0x44b52d02c7e14af6, "1e+23"),
            (0x44b52d02c7e14af5, "9.999999999999997e+22"),
            (0x41b3de4355555553, "333333333.3333332"),
            (0x41b3de4355555557, "333333333.33333343"),
            (0xbecbf647612f3696, "-0.0000033333333333333333"),
        ] {
            assert_eq!(canonical_text(&f64::from_bits(bits)), text);
        }
    }

    #[test]
    fn integers_that_would_be_rounded_are_refused() {
        assert_eq!(canonical_text(&json!([9007199254740991_u64])), "[9007199254740991]");
        for value in [json!(9007199254740992_u64), json!({"a": [u64::MAX]}), json!(i64::MIN), json!(1e20)] {
            assert!(matches!(canonical(&value), Err(JcsError::IntegerRange)), "{value}");
        }
        let in_strings = json!({"9007199254740993": "\\\"9007199254740993"});
        assert!(canonical(&in_strings).is_ok());
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        #[derive(Serialize)]
        struct Twice {
            a: u8,
            #[serde(flatten)]
            rest: Value,
        }
        assert!(canonical(&Twice { a: 1, rest: json!({"a": 2}) }).is_err());
        assert!(canonical(&Twice { a: 1, rest: json!({"b": 2}) }).is_ok());
    }

    #[test]
    fn a_non_finite_float_never_becomes_a_number() {
        assert!(canonical(&f64::NAN).is_err());
        assert_eq!(canonical_text(&[f64::INFINITY]), "[null]");
    }

    // Vectors are not shipped; their absence is said, not hidden.
    #[allow(clippy::disallowed_methods, clippy::disallowed_macros)]
    #[test]
    fn published_vectors_hold() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/jcs/testdata");
        if !dir.exists() {
            println!("left out: the RFC 8785 test data is not present");
            return;
        }
        for name in ["arrays", "french", "structures", "unicode", "values", "weird"] {
            let input = std::fs::read(dir.join(format!("input/{name}.json"))).unwrap();
            let output = std::fs::read(dir.join(format!("output/{name}.json"))).unwrap();
            let value = parse(&input, Limits::DEFAULT).unwrap();
            assert_eq!(canonical(&value).unwrap(), output.trim_ascii(), "{name}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-INTEGER_MAX..=INTEGER_MAX).prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[^\u{0}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::hash_map("[^\u{0}]{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn both_ways_give_the_same_bytes(value in any_json()) {
            prop_assert_eq!(canonical_value(&value).ok(), canonical(&value).ok());
        }

        #[test]
        fn canonical_bytes_read_back_to_themselves(value in any_json()) {
            let Ok(bytes) = canonical(&value) else { return Ok(()) };
            let read = parse(&bytes, Limits::DEFAULT).unwrap();
            prop_assert_eq!(canonical(&read).unwrap(), bytes.clone());
            prop_assert_eq!(parse(&bytes, Limits::DEFAULT).unwrap(), read);
        }
    }
}
