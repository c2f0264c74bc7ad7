//! Compact JWS: forms that are taken and forms that are not.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const HEADER: &str = r#"{"typ":"t","alg":"ES256","kid":"k"}"#;
const PAYLOAD: &str = r#"{"a":1}"#;

fn key() -> SigningKey {
    SigningKey::from_entropy(&[5; 32]).unwrap()
}

fn open(token: &str) -> Result<Map<String, Value>, JwsError> {
    Unverified::read(token, "t")?.verify(&key().verifying_key())
}

fn refused(token: &str, error: JwsError) {
    assert_eq!(open(token), Err(error), "{token}");
}

#[test]
fn what_is_signed_is_read_back() {
    let token = sign_with_kid("t", "k", &json!({"a": 1}), &key()).unwrap();
    let unverified = Unverified::read(&token, "t").unwrap();
    assert_eq!(unverified.header()["kid"], "k");
    let claims = unverified.verify_low_s(&key().verifying_key()).unwrap();
    assert_eq!(Value::Object(claims), json!({"a": 1}));
    let token = sign_with_jwk("t", &json!({"a": 1}), &key()).unwrap();
    let unverified = Unverified::read(&token, "t").unwrap();
    let jwk = Jwk::from_value(&unverified.header()["jwk"]).unwrap();
    assert_eq!(jwk.verifying_key(), &key().verifying_key());
    assert!(unverified.verify_low_s(jwk.verifying_key()).is_ok());
    assert!(open(&forge::token(HEADER, PAYLOAD, &key())).is_ok());
}

#[test]
fn headers_that_change_the_meaning_are_refused() {
    let cases = [
        (r#"{"typ":"t","alg":"none"}"#, JwsError::Alg),
        (r#"{"typ":"t","alg":"None"}"#, JwsError::Alg),
        (r#"{"typ":"t","alg":"HS256"}"#, JwsError::Alg),
        (r#"{"typ":"t","alg":"ES384"}"#, JwsError::Alg),
        (r#"{"typ":"t","alg":"es256"}"#, JwsError::Alg),
        (r#"{"typ":"t","alg":["ES256"]}"#, JwsError::Alg),
        (r#"{"typ":"t"}"#, JwsError::Alg),
        (r#"{"typ":"T","alg":"ES256"}"#, JwsError::Typ("t")),
        (r#"{"typ":"application/t","alg":"ES256"}"#, JwsError::Typ("t")),
        (r#"{"alg":"ES256"}"#, JwsError::Typ("t")),
        (r#"{"typ":"t","alg":"ES256","crit":["exp"]}"#, JwsError::Forbidden("crit")),
        (r#"{"typ":"t","alg":"ES256","crit":[]}"#, JwsError::Forbidden("crit")),
        (r#"{"typ":"t","alg":"ES256","b64":false}"#, JwsError::Forbidden("b64")),
        (r#"{"typ":"t","alg":"ES256","jku":"https://evil.test/k"}"#, JwsError::Forbidden("jku")),
        (r#"{"typ":"t","alg":"ES256","x5u":"https://evil.test/k"}"#, JwsError::Forbidden("x5u")),
        (r#"{"typ":"t","alg":"ES256","x5c":[]}"#, JwsError::Forbidden("x5c")),
        (r#"{"typ":"t","alg":"ES256","x5t#S256":""}"#, JwsError::Forbidden("x5t#S256")),
        (r#"["typ","t"]"#, JwsError::NotAnObject("header")),
    ];
    for (header, error) in cases {
        refused(&forge::token(header, PAYLOAD, &key()), error);
    }
}

#[test]
fn duplicate_names_are_refused_in_both_parts() {
    let header = r#"{"typ":"t","alg":"none","alg":"ES256"}"#;
    let token = forge::token(header, PAYLOAD, &key());
    assert!(matches!(open(&token), Err(JwsError::Json("header", _))));
    let token = forge::token(HEADER, r#"{"a":1,"\u0061":2}"#, &key());
    assert!(matches!(open(&token), Err(JwsError::Json("payload", _))));
}

#[test]
fn only_the_compact_form_is_read() {
    let good = forge::token(HEADER, PAYLOAD, &key());
    refused("", JwsError::NotCompact);
    refused("a.b", JwsError::NotCompact);
    refused(&format!("{good}."), JwsError::NotCompact);
    refused(&format!("{good}="), JwsError::Base64("signature"));
    refused(&format!("={good}"), JwsError::Base64("header"));
    refused(&format!("{good}\n"), JwsError::Base64("signature"));
    refused(good.rsplit_once('.').unwrap().0, JwsError::NotCompact);
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    refused(&unsigned, JwsError::Signature);
}

#[test]
fn a_changed_part_or_another_key_is_refused() {
    let token = forge::token(HEADER, PAYLOAD, &key());
    let (_, signature) = token.rsplit_once('.').unwrap();
    let other = forge::token(HEADER, r#"{"a":2}"#, &key());
    let swapped = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    refused(&swapped, JwsError::Signature);
    let mallory = SigningKey::from_entropy(&[6; 32]).unwrap();
    refused(&forge::token(HEADER, PAYLOAD, &mallory), JwsError::Signature);
}

#[test]
fn the_second_form_of_a_signature_is_taken_only_where_it_may_be() {
    let token = forge::malleated(&forge::token(HEADER, PAYLOAD, &key()));
    assert!(open(&token).is_ok());
    let strict = Unverified::read(&token, "t").unwrap().verify_low_s(&key().verifying_key());
    assert_eq!(strict, Err(JwsError::HighS));
}

#[test]
fn length_is_bounded() {
    let padded = |n: usize| forge::token(HEADER, &format!("{{\"a\":\"{}\"}}", "x".repeat(n)), &key());
    let fits = padded(6_000);
    assert!(fits.len() <= TOKEN_BYTES_MAX && open(&fits).is_ok());
    refused(&padded(TOKEN_BYTES_MAX), JwsError::TooLong);
}

#[test]
fn jsonwebtoken_itself_runs_on_our_provider() {
    install_crypto();
    install_crypto();
    let token = jsonwebtoken::encode(
        &jsonwebtoken::Header::new(Algorithm::ES256),
        &json!({"exp": 4_000_000_000_i64}),
        &EncodingKey::from_ec_der(key().scalar().as_slice()),
    );
    let public = DecodingKey::from_ec_der(key().verifying_key().as_point());
    let read: jsonwebtoken::TokenData<Value> =
        jsonwebtoken::decode(token.unwrap(), &public, &jsonwebtoken::Validation::new(Algorithm::ES256))
            .unwrap();
    assert_eq!(read.claims["exp"], 4_000_000_000_i64);
    let hmac = EncodingKey::from_secret(key().verifying_key().as_point());
    assert!(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &json!({}), &hmac).is_err());
}

proptest! {
    #[test]
    fn arbitrary_tokens_never_panic(token in "[A-Za-z0-9_.-]{0,80}") {
        prop_assert!(open(&token).is_err());
    }
}
