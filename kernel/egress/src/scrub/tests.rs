//! No form of a secret passes; whatever is no form of it passes unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::StatusCode;
use proptest::prelude::*;

use super::*;

const VALUE: &str = "p\u{e4}ss/w+rd \"42\"?";

fn scrubber(value: &[u8]) -> Scrubber {
    Scrubber::of(vec![("KEY".into(), Secret::new(value.to_vec()))]).unwrap()
}

/// What becomes of a body.
fn cleaned(value: &[u8], body: &[u8]) -> Vec<u8> {
    let remote = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let body = Bytes::copy_from_slice(body);
    let reply = Reply { status: StatusCode::OK, headers: HeaderMap::new(), body, remote };
    scrubber(value).reply(reply).body.to_vec()
}

fn percent(value: &[u8], is_lower: bool) -> String {
    let escape = |b: &u8| if is_lower { format!("%{b:02x}") } else { format!("%{b:02X}") };
    value
        .iter()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(*b).to_string() } else { escape(b) })
        .collect()
}

fn every_byte(value: &[u8]) -> String {
    value.iter().map(|b| format!("%{b:02x}")).collect()
}

fn hex(value: &[u8]) -> String {
    value.iter().map(|b| format!("{b:02x}")).collect()
}

/// JSON text without quotes; `is_all` escapes what need not be.
fn json(value: &str, is_all: bool) -> String {
    if is_all {
        return value.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    }
    let text = serde_json::to_string(value).unwrap();
    text[1..text.len() - 1].to_owned()
}

/// `value` as services give it back, each form by its name.
fn forms(value: &str) -> Vec<(&'static str, String)> {
    let bytes = value.as_bytes();
    let at = |offset: usize| [&b"\xfbx"[..offset], bytes, b"\xffyz"].concat();
    vec![
        ("exact", value.to_owned()),
        ("base64", STANDARD.encode(bytes)),
        ("base64, one off", STANDARD.encode(at(1))),
        ("base64, two off", STANDARD.encode(at(2))),
        ("base64url", URL_SAFE_NO_PAD.encode(bytes)),
        ("base64url, one off", URL_SAFE_NO_PAD.encode(at(1))),
        ("base64url, two off", URL_SAFE_NO_PAD.encode(at(2))),
        ("hexadecimal", hex(bytes)),
        ("hexadecimal, upper case", hex(bytes).to_uppercase()),
        ("percent-encoded", percent(bytes, false)),
        ("percent-encoded, lower case", percent(bytes, true)),
        ("percent-encoded, all of it", every_byte(bytes)),
        ("percent-encoded, twice", percent(percent(bytes, false).as_bytes(), false)),
        ("percent-encoded form", percent(bytes, false).replace("%20", "+")),
        ("json", json(value, false)),
        ("json, slashes escaped", json(value, false).replace('/', "\\/")),
        ("json, all of it escaped", json(value, true)),
        ("json in json", json(&json(value, false), false)),
        ("json, percent-encoded", percent(json(value, false).as_bytes(), false)),
        ("percent-encoded in json", json(&percent(bytes, false), true)),
        ("base64, percent-encoded", percent(STANDARD.encode(bytes).as_bytes(), false)),
        ("base64 in json", STANDARD.encode(bytes).replace('/', "\\/")),
    ]
}

#[test]
fn no_form_of_a_secret_passes() {
    for (name, form) in forms(VALUE) {
        let body = format!("before {form} behind");
        let clean = String::from_utf8(cleaned(VALUE.as_bytes(), body.as_bytes())).unwrap();
        assert!(clean.starts_with("before "), "{name}: {clean}");
        assert!(clean.contains("[secret KEY]"), "{name}: {clean}");
        assert!(clean.ends_with(" behind"), "{name}: {clean}");
        // What is left of the neighbours in a shifted base64 is less than four digits on either side.
        assert!(clean.len() <= "before [secret KEY] behind".len() + 8, "{name}: {clean}");
    }
}

#[test]
fn the_header_of_basic_is_as_good_as_the_password() {
    let pair = STANDARD.encode("user:pass-word-of-it");
    let clean =
        String::from_utf8(cleaned(pair.as_bytes(), format!("{pair} {}", hex(pair.as_bytes())).as_bytes()))
            .unwrap();
    assert_eq!(clean, "[secret KEY] [secret KEY]");
}

#[test]
fn occurrences_that_overlap_leave_nothing_between_them() {
    assert_eq!(cleaned(b"abcabcabcabc", b"xabcabcabcabcabcabcx"), b"x[secret KEY]x");
    let scrubber = Scrubber::of(vec![
        ("ONE".into(), Secret::new(b"first-secret-tail".to_vec())),
        ("TWO".into(), Secret::new(b"tail-second-secret".to_vec())),
    ])
    .unwrap();
    assert_eq!(scrubber.text("<first-secret-tail-second-secret>".into()), "<[secret ONE]>");
    assert_eq!(
        scrubber.text("<first-secret-tail><tail-second-secret>".into()),
        "<[secret ONE]><[secret TWO]>"
    );
}

#[test]
fn a_header_that_is_named_after_a_secret_is_dropped() {
    let mut headers = HeaderMap::new();
    headers.insert("x-token-abc-def-ghi", "1".parse().unwrap());
    headers.insert("x-other", "2".parse().unwrap());
    let engine = scrubber(b"Token-ABC-def").0.unwrap();
    let names: Vec<String> = engine.headers(&headers).keys().map(ToString::to_string).collect();
    assert_eq!(names, ["x-other"]);
}

#[test]
fn words_of_a_service_in_an_error_hold_no_secret() {
    let error = SendError::Failed { status: None, reason: format!("it said {VALUE}") };
    assert!(!scrubber(VALUE.as_bytes()).error(error).to_string().contains(VALUE));
    let plain = SendError::Unreachable("connect to 127.0.0.1:1 refused".into());
    assert_eq!(scrubber(VALUE.as_bytes()).error(plain.clone()), plain);
}

#[test]
fn without_secrets_nothing_is_looked_for() {
    assert!(Scrubber::default().0.is_none());
    assert!(Scrubber::of(Vec::new()).unwrap().0.is_none());
    assert!(Scrubber::of(vec![("EMPTY".into(), Secret::new(Vec::new()))]).unwrap().0.is_none());
}

/// Escapes that are none, or end too soon.
#[test]
fn broken_escapes_pass_as_they_are() {
    for text in
        ["%", "%4", "%zz", "\\", "\\u", "\\u12", "\\uD800", "\\uD800\\u", "\\uD800\\u0041x", "\\x41", "100%"]
    {
        assert_eq!(cleaned(b"nothing-of-it", text.as_bytes()), text.as_bytes(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_form_of_any_secret_passes(value in "[ -~]{12,40}", before in "[ -~]{0,20}", behind in "[ -~]{0,20}") {
        let value = value.as_str();
        // Spaces at the ends are no part of what services store.
        prop_assume!(value.trim() == value);
        for (name, form) in forms(value) {
            let body = format!("{before} {form} {behind}");
            let clean = String::from_utf8(cleaned(value.as_bytes(), body.as_bytes())).unwrap();
            let core = &form[4.min(form.len() / 4)..form.len() - 4.min(form.len() / 4)];
            prop_assert!(!clean.contains(core), "{name}: {clean}");
        }
    }

    #[test]
    fn what_holds_no_secret_passes_byte_for_byte(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let value = b"never-in-there-\xfe\xfd";
        prop_assert_eq!(cleaned(value, &body), body);
    }

    #[test]
    fn text_with_escapes_and_no_secret_passes_byte_for_byte(body in "([a-z ]|%[0-9a-f]{2}|\\\\u00[0-9a-f]{2}|\\\\n|%|\\\\){0,80}") {
        prop_assert_eq!(cleaned(b"NEVER-IN-THERE-42", body.as_bytes()), body.as_bytes());
    }
}
