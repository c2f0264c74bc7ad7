//! Proofs: each check of RFC 9449 section 4.3 broken once, beside a twin that passes.

use super::*;
use crate::jws::forge;
use proptest::prelude::*;
use serde_json::json;

const NOW: i64 = 1_700_000_000;
const URL: &str = "http://localhost:3000/v1/actions/a/execute";
const LEASE: &str = "header.payload.signature";

fn key() -> SigningKey {
    SigningKey::from_entropy(&[9; 32]).unwrap()
}

fn jkt() -> Thumbprint {
    Jwk::from(key().verifying_key()).thumbprint()
}

fn expected() -> Expected<'static> {
    Expected {
        method: "POST",
        uris: &[URL],
        ath: Some(LEASE),
        jkt: Some(jkt()),
        body: b"{}",
        require_bh: false,
        now: Timestamp::from_secs(NOW),
    }
}

fn request() -> Request<'static> {
    Request {
        method: "POST",
        url: URL,
        token: Some(LEASE),
        body: Some(b"{}"),
        jti: "once",
        now: Timestamp::from_secs(NOW),
    }
}

fn header() -> Value {
    json!({"typ": TYP, "alg": "ES256", "jwk": Jwk::from(key().verifying_key())})
}

fn payload() -> Value {
    let (ath, bh) = (digest_text(LEASE.as_bytes()), digest_text(b"{}"));
    json!({"jti": "once", "htm": "POST", "htu": URL, "iat": NOW, "ath": ath, "bh": bh})
}

/// Sets a member; null removes it.
fn edit(mut object: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => object.as_object_mut().unwrap().remove(name),
        value => object.as_object_mut().unwrap().insert(name.into(), value),
    };
    object
}

fn open(header: &Value, payload: &Value) -> Result<Proof, DpopError> {
    verify(&forge::token(&header.to_string(), &payload.to_string(), &key()), &expected())
}

fn with_header(name: &str, value: Value) -> Result<Proof, DpopError> {
    open(&edit(header(), name, value), &payload())
}

fn with_claim(name: &str, value: Value) -> Result<Proof, DpopError> {
    open(&header(), &edit(payload(), name, value))
}

/// The twin of every attack below: the same proof without the attack is taken.
#[test]
fn an_ordinary_proof_is_taken() {
    for token in [sign(&request(), &key()).unwrap(), forge_ordinary()] {
        let proof = verify(&token, &expected()).unwrap();
        assert_eq!((proof.jkt(), proof.jti(), proof.iat(), proof.bh_checked()), (jkt(), "once", NOW, true));
        assert_eq!(proof.key().verifying_key(), &key().verifying_key());
    }
}

fn forge_ordinary() -> String {
    forge::token(&header().to_string(), &payload().to_string(), &key())
}

#[test]
fn proofs_printed_in_rfc_9449_are_taken() {
    // Figures 2 and 12 (sections 4.1 and 7.1), their key's thumbprint (section 6.1) and the token (figure 12).
    let token_request = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklD\
        UkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6\
        IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3R\
        va2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37x\
        RZT3Lg";
    let resource_request = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUk\
        lDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydi\
        I6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZ\
        y9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzb\
        VFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    let at = |now, method, uris, ath| Expected {
        method,
        uris,
        ath,
        jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().ok(),
        body: b"",
        require_bh: false,
        now: Timestamp::from_secs(now),
    };
    let token_endpoint = ["https://server.example.com/token"];
    let proof = verify(token_request, &at(1_562_262_616, "POST", &token_endpoint, None)).unwrap();
    assert_eq!(proof.jti(), "-BwC3ESc6acc2lTc");
    let resource = ["https://resource.example.org/protectedresource"];
    let access_token = Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let proof = verify(resource_request, &at(1_562_262_618, "GET", &resource, access_token)).unwrap();
    assert_eq!((proof.jti(), proof.bh_checked()), ("e1j3V_bKic8-LAEB", false));
    let other = Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV");
    assert_eq!(verify(resource_request, &at(1_562_262_618, "GET", &resource, other)), Err(DpopError::Ath));
}

#[test]
fn every_required_member_is_required() {
    assert_eq!(with_header("typ", Value::Null), Err(DpopError::Token(JwsError::Typ(TYP))));
    assert_eq!(with_header("alg", Value::Null), Err(DpopError::Token(JwsError::Alg)));
    assert_eq!(with_header("jwk", Value::Null), Err(DpopError::Missing("jwk")));
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        assert_eq!(with_claim(name, Value::Null), Err(DpopError::Missing(name)));
        assert_eq!(with_claim(name, json!([1])), Err(DpopError::Missing(name)));
    }
}

#[test]
fn headers_that_lead_elsewhere_are_refused() {
    for (name, value, error) in [
        ("alg", json!("none"), JwsError::Alg),
        ("alg", json!("HS256"), JwsError::Alg),
        ("alg", json!("EdDSA"), JwsError::Alg),
        ("typ", json!("JWT"), JwsError::Typ(TYP)),
        ("typ", json!("lease+jwt"), JwsError::Typ(TYP)),
        ("crit", json!(["nonce"]), JwsError::Forbidden("crit")),
        ("jku", json!("https://evil.test/jwks"), JwsError::Forbidden("jku")),
        ("x5u", json!("https://evil.test/cert"), JwsError::Forbidden("x5u")),
        ("x5c", json!(["MII"]), JwsError::Forbidden("x5c")),
    ] {
        assert_eq!(with_header(name, value), Err(DpopError::Token(error)), "{name}");
    }
    // `kid` chooses nothing here: the key is the one in `jwk`.
    assert_eq!(with_header("kid", json!("../../keys/lease")).unwrap().jkt(), jkt());
}

#[test]
fn a_private_key_in_the_header_is_refused() {
    let mut jwk = header()["jwk"].clone();
    jwk["d"] = json!("CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk");
    assert_eq!(with_header("jwk", jwk), Err(DpopError::Key(JwkError::Private("d"))));
}

#[test]
fn a_proof_by_another_key_than_the_lease_names_is_refused() {
    let mallory = SigningKey::from_entropy(&[8; 32]).unwrap();
    let token = sign(&request(), &mallory).unwrap();
    assert_eq!(verify(&token, &expected()), Err(DpopError::OtherKey));
    assert!(verify(&token, &Expected { jkt: None, ..expected() }).is_ok());
    let claimed = forge::token(&header().to_string(), &payload().to_string(), &mallory);
    assert_eq!(verify(&claimed, &expected()), Err(DpopError::Token(JwsError::Signature)));
}

#[test]
fn the_second_form_of_a_signature_is_the_same_proof() {
    let token = forge_ordinary();
    let twin = forge::malleated(&token);
    assert_ne!(token, twin);
    let (a, b) = (verify(&token, &expected()).unwrap(), verify(&twin, &expected()).unwrap());
    assert_eq!((a.jkt(), a.jti()), (b.jkt(), b.jti()));
}

#[test]
fn duplicate_claims_are_refused() {
    let doubled = payload().to_string().replacen('{', r#"{"iat":1,"#, 1);
    let token = forge::token(&header().to_string(), &doubled, &key());
    assert!(matches!(verify(&token, &expected()), Err(DpopError::Token(JwsError::Json("payload", _)))));
    let doubled = header().to_string().replacen('{', r#"{"alg":"none","#, 1);
    let token = forge::token(&doubled, &payload().to_string(), &key());
    assert!(matches!(verify(&token, &expected()), Err(DpopError::Token(JwsError::Json("header", _)))));
}

#[test]
fn jti_is_1_to_128_bytes() {
    assert!(with_claim("jti", json!("x".repeat(128))).is_ok());
    assert_eq!(with_claim("jti", json!("x".repeat(129))), Err(DpopError::Jti));
    assert_eq!(with_claim("jti", json!("é".repeat(65))), Err(DpopError::Jti));
    assert_eq!(with_claim("jti", json!("")), Err(DpopError::Jti));
}

#[test]
fn the_method_must_be_equal() {
    for method in ["GET", "post", "POST ", ""] {
        assert_eq!(with_claim("htm", json!(method)), Err(DpopError::Htm("POST".into())), "{method}");
    }
}

#[test]
fn a_proof_is_60_s_old_or_5_s_ahead_at_most() {
    let dated = |iat: i64| with_claim("iat", json!(iat)).map(|proof| proof.iat());
    assert_eq!(dated(NOW - 60), Ok(NOW - 60));
    assert_eq!(dated(NOW - 61), Err(DpopError::TooOld { age_s: 61 }));
    assert_eq!(dated(NOW + 5), Ok(NOW + 5));
    assert_eq!(dated(NOW + 6), Err(DpopError::TooNew { ahead_s: 6 }));
    assert_eq!(dated(0), Err(DpopError::TooOld { age_s: NOW }));
    assert_eq!(dated(NOW * 1000), Err(DpopError::TooNew { ahead_s: NOW * 999 }));
    assert_eq!(with_claim("iat", json!(NOW as f64 + 0.5)).map(|proof| proof.iat()), Ok(NOW));
    assert!(with_claim("iat", json!(1e300)).is_err());
    assert!(with_claim("iat", json!(-1e300)).is_err());
    assert_eq!(
        dated(NOW - 75).unwrap_err().to_string(),
        "dpop proof is 75 s old, at most 60 s are accepted; compare the client's clock with the gate's"
    );
}

#[test]
fn ath_must_be_the_hash_of_the_lease_presented() {
    assert_eq!(with_claim("ath", json!(digest_text(b"another.lease.here"))), Err(DpopError::Ath));
    assert_eq!(with_claim("ath", json!("")), Err(DpopError::Ath));
    assert_eq!(with_claim("ath", json!(format!("{}=", digest_text(LEASE.as_bytes())))), Err(DpopError::Ath));
}

#[test]
fn a_body_hash_is_checked_whenever_present_and_demanded_where_required() {
    let absent = forge::token(&header().to_string(), &edit(payload(), "bh", Value::Null).to_string(), &key());
    let strict = Expected { require_bh: true, ..expected() };
    assert_eq!(verify(&absent, &expected()).map(|proof| proof.bh_checked()), Ok(false));
    assert_eq!(verify(&absent, &strict), Err(DpopError::BodyHashMissing));
    assert_eq!(verify(&forge_ordinary(), &strict).map(|proof| proof.bh_checked()), Ok(true));
    for body in [&b""[..], b"{ }", b"{}\n"] {
        let other = Expected { body, ..expected() };
        assert_eq!(verify(&forge_ordinary(), &other), Err(DpopError::BodyHash));
    }
    assert_eq!(with_claim("bh", json!(7)), Err(DpopError::Missing("bh")));
    assert_eq!(with_claim("bh", json!("")), Err(DpopError::BodyHash));
}

#[test]
fn urls_that_mean_the_same_are_the_same() {
    for htu in [
        "HTTP://LOCALHOST:3000/v1/actions/a/execute",
        "http://localhost:3000/v1/actions/a/execute?x=1",
        "http://localhost:3000/v1/actions/a/execute#f?",
    ] {
        assert!(with_claim("htu", json!(htu)).is_ok(), "{htu}");
    }
    for (a, b) in [
        ("http://localhost", "http://localhost:80/"),
        ("http://localhost:/x", "http://localhost/x"),
        ("https://Gate.Example:443/x", "https://gate.example/x"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ] {
        assert!(is_same_target(a, b) && is_same_target(b, a), "{a} {b}");
    }
}

#[test]
fn urls_that_only_look_alike_are_not_the_same() {
    for htu in [
        "https://localhost:3000/v1/actions/a/execute",
        "http://localhost/v1/actions/a/execute",
        "http://localhost:3001/v1/actions/a/execute",
        "http://localhost:03000/v1/actions/a/execute",
        "http://localhost:+3000/v1/actions/a/execute",
        "http://localhost.:3000/v1/actions/a/execute",
        "http://127.0.0.1:3000/v1/actions/a/execute",
        "http://localhost:3000/v1/actions/A/execute",
        "http://localhost:3000/v1/actions/%61/execute",
        "http://localhost:3000/v1/actions/b/../a/execute",
        "http://localhost:3000//v1/actions/a/execute",
        "http://localhost:3000/v1/actions/a/execute/",
        "http://localhost:3000/v1/actions/a",
        "http://user@localhost:3000/v1/actions/a/execute",
        "http://localhost:3000@evil.test/v1/actions/a/execute",
        "http:\\\\localhost:3000/v1/actions/a/execute",
        "http://localhost:3000\\@evil.test/v1/actions/a/execute",
        " http://localhost:3000/v1/actions/a/execute",
        "//localhost:3000/v1/actions/a/execute",
        "/v1/actions/a/execute",
        "file://localhost:3000/v1/actions/a/execute",
        "",
        "http://",
        "http://]:3000/",
    ] {
        assert_eq!(with_claim("htu", json!(htu)), Err(DpopError::Htu(URL.into())), "{htu}");
    }
    assert!(!is_same_target("https://gate.example:80/x", "https://gate.example/x"));
    assert!(!is_same_target("http://[::1]:81/x", "http://[::1]/x"));
}

#[test]
fn any_of_the_urls_given_will_do_and_the_first_is_named() {
    let uris = ["https://gate.example/x", "http://localhost/x"];
    let either = Expected { uris: &uris, ..expected() };
    for (url, ok) in [(uris[0], true), (uris[1], true), ("http://gate.example/x", false)] {
        let result = verify(&sign(&Request { url, ..request() }, &key()).unwrap(), &either);
        assert_eq!(result.is_ok(), ok, "{url}");
        if let Err(error) = result {
            assert_eq!(error.to_string(), "dpop proof: expected `htu` to be https://gate.example/x");
            assert_eq!(error.code(), Code::InvalidDpop);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_is_signed_verifies_for_that_request_and_no_other(
        jti in "[ -~]{1,128}", path in "(/[a-z0-9._~-]{1,8}){1,4}", query in "(\\?[a-z=&]{0,9})?",
        body in proptest::collection::vec(any::<u8>(), 0..64), skew in -AHEAD_S_MAX..=AGE_S_MAX,
    ) {
        let url = format!("http://localhost:3000{path}");
        let sent = format!("{url}{query}");
        let now = Timestamp::from_secs(NOW - skew);
        let token = sign(&Request { url: &sent, body: Some(&body), jti: &jti, now, ..request() }, &key()).unwrap();
        let right = Expected { uris: &[&url], body: &body, require_bh: true, ..expected() };
        prop_assert_eq!(verify(&token, &right).map(|proof| proof.jti), Ok(jti));
        let longer = [&body[..], b"x"].concat();
        prop_assert_eq!(verify(&token, &Expected { body: &longer, ..right }), Err(DpopError::BodyHash));
        let elsewhere = format!("{url}x");
        let misdirected = verify(&token, &Expected { uris: &[&elsewhere], ..right });
        prop_assert_eq!(misdirected, Err(DpopError::Htu(elsewhere)));
    }

    #[test]
    fn arbitrary_urls_never_panic(htu in "[a-z:/@\\[\\]?#0-9é\\\\]{0,24}") {
        let _ = is_same_target(&format!("http://{htu}"), URL);
        let _ = is_same_target(&htu, &htu);
    }
}
