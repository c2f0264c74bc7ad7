//! Leases: each claim missing or wrong once, beside a twin that passes.

use super::*;
use crate::jws::forge;
use proptest::prelude::*;
use serde_json::json;

const NOW: i64 = 1_700_000_000;

fn key() -> SigningKey {
    SigningKey::from_entropy(&[3; 32]).unwrap()
}

fn keys() -> LeaseKeys {
    let mut keys = LeaseKeys::default();
    keys.insert("k1", key().verifying_key());
    keys
}

fn claims() -> LeaseClaims {
    LeaseClaims {
        iss: "latchgate".into(),
        aud: "latchgate".into(),
        sub: Principal::Uid(1000),
        exp: NOW + 300,
        nbf: NOW,
        iat: NOW,
        jti: LeaseId::new(1, 1),
        session_id: SessionId::new(1, 2),
        scope: Scopes::all_calls(),
        cnf: Confirmation { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap() },
        budgets: Some(Budgets { max_calls: Some(5), max_cost_usd_cents: None }),
        agent: Some("coder".into()),
        bh: true,
    }
}

fn at(token: &str, now: Timestamp) -> Result<Lease, LeaseError> {
    verify(token, &keys(), &Expected { issuer: "latchgate", audience: "latchgate", now })
}

fn open(token: &str) -> Result<Lease, LeaseError> {
    at(token, Timestamp::from_secs(NOW))
}

fn signed(claims: &LeaseClaims) -> String {
    sign(claims, &key(), "k1").unwrap()
}

/// A lease with one member of its payload set, or removed by null.
fn with(name: &str, value: Value) -> String {
    let mut payload = serde_json::to_value(claims()).unwrap();
    match value {
        Value::Null => payload.as_object_mut().unwrap().remove(name),
        value => payload.as_object_mut().unwrap().insert(name.into(), value),
    };
    forge::token(r#"{"typ":"lease+jwt","alg":"ES256","kid":"k1"}"#, &payload.to_string(), &key())
}

#[test]
fn an_issued_lease_is_taken_back_as_it_was() {
    assert_eq!(open(&signed(&claims())).unwrap().claims(), &claims());
    let plain = LeaseClaims { budgets: None, agent: None, bh: false, ..claims() };
    assert_eq!(open(&signed(&plain)).unwrap().claims(), &plain);
    assert_eq!(serde_json::to_value(&plain).unwrap().as_object().unwrap().len(), 10);
}

#[test]
fn a_lease_is_valid_from_nbf_until_just_before_exp() {
    let token = signed(&claims());
    let at_ms = |ms| at(&token, Timestamp::from_ms(NOW * 1000 + ms)).map(|_| ());
    assert_eq!(at_ms(-1), Err(LeaseError::NotYetValid { in_s: 1 }));
    assert_eq!(at_ms(0), Ok(()));
    assert_eq!(at_ms(299_999), Ok(()));
    assert_eq!(at_ms(300_000), Err(LeaseError::Expired { ago_s: 0 }));
    let error = at_ms(312_000).unwrap_err();
    assert_eq!((error.code(), error.to_string()), (Code::LeaseExpired, "lease expired 12 s ago".into()));
}

#[test]
fn a_kept_lease_expires_as_well() {
    let lease = open(&signed(&claims())).unwrap();
    assert_eq!(lease.check_time(Timestamp::from_secs(NOW + 299)), Ok(()));
    assert_eq!(lease.check_time(lease.expires_at()), Err(LeaseError::Expired { ago_s: 0 }));
}

#[test]
fn every_claim_is_mandatory() {
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "session_id", "scope", "cnf"] {
        let error = open(&with(name, Value::Null)).unwrap_err();
        assert_eq!(error, LeaseError::Claims(format!("missing field `{name}`")));
        assert_eq!(error.code(), Code::InvalidLease);
    }
    for name in ["budgets", "agent", "bh"] {
        assert!(open(&with(name, Value::Null)).is_ok(), "{name}");
    }
}

#[test]
fn claims_of_another_kind_are_refused() {
    let cases = [
        ("role", json!("admin")),
        ("sub", json!("root")),
        ("aud", json!(["latchgate"])),
        ("exp", json!("1700000300")),
        ("exp", json!(1_700_000_300.5)),
        ("jti", json!(SessionId::new(1, 1))),
        ("scope", json!("")),
        ("scope", json!(["tools:call"])),
        ("scope", json!("tools:call  class:read")),
        ("cnf", json!({})),
        ("cnf", json!({"jkt": "short"})),
        ("cnf", json!({"jkt": claims().cnf.jkt, "jwk": {}})),
        ("budgets", json!({"max_calls": -1})),
        ("bh", json!("yes")),
    ];
    for (name, value) in cases {
        let token = with(name, value.clone());
        assert!(matches!(open(&token), Err(LeaseError::Claims(_))), "{name}: {value}");
    }
    assert!(open(&with("agent", json!("other"))).is_ok());
}

#[test]
fn a_lease_of_another_gate_is_refused() {
    assert_eq!(open(&with("iss", json!("other"))), Err(LeaseError::Issuer("latchgate".into())));
    assert_eq!(open(&with("aud", json!("other"))), Err(LeaseError::Audience("latchgate".into())));
    assert!(open(&with("iss", json!("latchgate"))).is_ok());
}

#[test]
fn a_lease_lives_an_hour_at_most() {
    let lasting = |seconds| open(&with("exp", json!(NOW + seconds)));
    assert!(lasting(3600).is_ok());
    assert_eq!(lasting(3601), Err(LeaseError::Lifetime));
    assert_eq!(lasting(0), Err(LeaseError::Lifetime));
    let ends_of_time = LeaseClaims { exp: 9_007_199_254_740_991, iat: -9_007_199_254_740_991, ..claims() };
    assert_eq!(open(&signed(&ends_of_time)), Err(LeaseError::Lifetime));
}

#[test]
fn the_header_names_a_known_key_and_nothing_else() {
    let payload = serde_json::to_string(&claims()).unwrap();
    let headed = |header: &str| open(&forge::token(header, &payload, &key())).map(|_| ());
    assert_eq!(headed(r#"{"typ":"lease+jwt","alg":"ES256","kid":"k1"}"#), Ok(()));
    assert_eq!(headed(r#"{"typ":"lease+jwt","alg":"ES256"}"#), Err(LeaseError::NoKid));
    for kid in ["k2", "", "../../keys/k1", "k1\\n"] {
        let header = format!(r#"{{"typ":"lease+jwt","alg":"ES256","kid":"{kid}"}}"#);
        assert_eq!(headed(&header), Err(LeaseError::UnknownKey), "{kid}");
    }
    let with_jwk = r#"{"typ":"lease+jwt","alg":"ES256","kid":"k1","jwk":{}}"#;
    assert_eq!(headed(with_jwk), Err(LeaseError::Header));
    let none = r#"{"typ":"lease+jwt","alg":"none","kid":"k1"}"#;
    assert_eq!(headed(none), Err(LeaseError::Token(JwsError::Alg)));
    let proof = r#"{"typ":"dpop+jwt","alg":"ES256","kid":"k1"}"#;
    assert_eq!(headed(proof), Err(LeaseError::Token(JwsError::Typ("lease+jwt"))));
    let crit = r#"{"typ":"lease+jwt","alg":"ES256","kid":"k1","crit":["kid"]}"#;
    assert_eq!(headed(crit), Err(LeaseError::Token(JwsError::Forbidden("crit"))));
}

#[test]
fn only_the_signature_that_was_issued_is_taken() {
    let token = signed(&claims());
    assert!(open(&token).is_ok());
    assert_eq!(open(&forge::malleated(&token)), Err(LeaseError::Token(JwsError::HighS)));
    let mallory = SigningKey::from_entropy(&[4; 32]).unwrap();
    let forged = sign(&claims(), &mallory, "k1").unwrap();
    assert_eq!(open(&forged), Err(LeaseError::Token(JwsError::Signature)));
}

#[test]
fn duplicate_claims_are_refused() {
    let payload = serde_json::to_string(&claims()).unwrap();
    let doubled = payload.replacen('{', r#"{"exp":1,"#, 1);
    let header = r#"{"typ":"lease+jwt","alg":"ES256","kid":"k1"}"#;
    assert!(open(&forge::token(header, &payload, &key())).is_ok());
    assert!(matches!(
        open(&forge::token(header, &doubled, &key())),
        Err(LeaseError::Token(JwsError::Json("payload", _)))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_signed_verifies_and_what_is_changed_does_not(
        ttl in 1..=TTL_S_MAX, uid in any::<u32>(), flip in any::<prop::sample::Index>()
    ) {
        let claims = LeaseClaims { sub: Principal::Uid(uid), exp: NOW + ttl, ..claims() };
        let token = signed(&claims);
        prop_assert_eq!(open(&token).map(|lease| lease.claims), Ok(claims));
        let mut bytes = token.into_bytes();
        let at = flip.index(bytes.len());
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        prop_assert!(open(std::str::from_utf8(&bytes).unwrap()).is_err());
    }
}
