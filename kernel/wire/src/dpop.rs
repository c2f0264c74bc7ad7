//! Proofs of possession: each request signed with the key that its lease is bound to (RFC 9449).
//!
//! [`verify`] makes every check of [section 4.3](https://www.rfc-editor.org/rfc/rfc9449#section-4.3) that a single
//! proof allows. Two remain for whoever has the state: that there is exactly one `DPoP` header (check 1), and that
//! ([`Proof::jkt`], [`Proof::jti`]) was not seen before (section 11.1). Token bytes cannot serve for the latter, since
//! anyone can turn a signature into its second form. Nonces (section 8) are not used.

use serde::Serialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use crate::digest::Digest;
use crate::es256::SigningKey;
use crate::jwk::{self, Jwk, JwkError, Thumbprint};
use crate::jws::{self, JwsError, Unverified};
use crate::problem::Code;
use crate::time::Timestamp;

/// `typ` of a proof (section 4.2).
pub const TYP: &str = "dpop+jwt";

/// Oldest proof taken, in seconds by `iat`, inclusive.
pub const AGE_S_MAX: i64 = 60;

/// How far ahead of the gate a client's clock may be, in seconds, inclusive.
pub const AHEAD_S_MAX: i64 = 5;

/// Longest `jti` in bytes, inclusive.
pub const JTI_BYTES_MAX: usize = 128;

/// The request that a proof is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Request method, compared exactly (methods are case-sensitive, RFC 9110 section 9.1).
    pub method: &'a str,
    /// The request's URL in every spelling of the origin that is accepted here, without query. The first one is
    /// named in errors.
    pub uris: &'a [&'a str],
    /// The lease as presented, which `ath` must name; `None` where none is presented.
    pub ath: Option<&'a str>,
    /// The key that the lease is bound to (`cnf.jkt`, check 12); `None` where none is presented.
    pub jkt: Option<Thumbprint>,
    /// Request body as received; empty if there is none.
    pub body: &'a [u8],
    /// Whether `bh` must be present. If it is, it is checked either way.
    pub require_bh: bool,
    /// Gate time.
    pub now: Timestamp,
}

/// A proof that was verified against a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a proof must be burned: check that (jkt, jti) is new"]
pub struct Proof {
    key: Jwk,
    jkt: Thumbprint,
    jti: String,
    iat: i64,
    bh_checked: bool,
}

impl Proof {
    /// The key that signed it.
    pub fn key(&self) -> &Jwk {
        &self.key
    }

    /// The thumbprint of that key.
    pub fn jkt(&self) -> Thumbprint {
        self.jkt
    }

    /// The client's name for the proof, 1..=128 bytes, unique per key.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// When the client says it signed, in Unix seconds: at most 60 before and 5 after the gate's time.
    pub fn iat(&self) -> i64 {
        self.iat
    }

    /// Whether the proof covers the request body.
    pub fn bh_checked(&self) -> bool {
        self.bh_checked
    }
}

/// Checks a proof; the numbers are those of section 4.3.
///
/// # Errors
/// The first check that fails.
pub fn verify(proof: &str, expected: &Expected<'_>) -> Result<Proof, DpopError> {
    // 2: a well-formed JWT. 4: `typ`. 5: an asymmetric algorithm that we want, and not `none`.
    let unverified = Unverified::read(proof, TYP)?;
    // 3 for the header. 7: no private key in it.
    let key = Jwk::from_value(unverified.header().get("jwk").ok_or(DpopError::Missing("jwk"))?)?;
    let jkt = key.thumbprint();
    // 12, second half, before the expensive part.
    if expected.jkt.is_some_and(|bound| bound != jkt) {
        return Err(DpopError::OtherKey);
    }
    // 6: the signature is the key's in `jwk`.
    let claims = unverified.verify(key.verifying_key())?;
    // 3: all required claims. 8 to 11: what they say.
    let jti = text(&claims, "jti")?;
    if !(1..=JTI_BYTES_MAX).contains(&jti.len()) {
        return Err(DpopError::Jti);
    }
    if text(&claims, "htm")? != expected.method {
        return Err(DpopError::Htm(expected.method.to_owned()));
    }
    let htu = text(&claims, "htu")?;
    if !expected.uris.iter().any(|uri| is_same_target(htu, uri)) {
        return Err(DpopError::Htu(expected.uris.first().copied().unwrap_or_default().to_owned()));
    }
    let iat = numeric_date(claims.get("iat").ok_or(DpopError::Missing("iat"))?)?;
    check_time(iat, expected.now)?;
    // 12, first half.
    if let Some(token) = expected.ath
        && !is_digest_of(text(&claims, "ath")?, token.as_bytes())
    {
        return Err(DpopError::Ath);
    }
    let bh_checked = check_body(&claims, expected)?;
    Ok(Proof { key, jkt, jti: jti.to_owned(), iat, bh_checked })
}

/// What a client signs for one request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// As sent.
    pub method: &'a str,
    /// The request's URL; a query or fragment is left out of `htu`.
    pub url: &'a str,
    /// The lease that goes along.
    pub token: Option<&'a str>,
    /// The request body, empty if there is none; `None` leaves `bh` out.
    pub body: Option<&'a [u8]>,
    /// Never used before with this key: 1..=128 bytes, from at least 96 random bits.
    pub jti: &'a str,
    /// The client's time.
    pub now: Timestamp,
}

/// Signs a proof for one request (section 4.2).
///
/// # Errors
/// Only a fault of ours: [`JwsError::Signing`].
pub fn sign(request: &Request<'_>, key: &SigningKey) -> Result<String, JwsError> {
    let claims = Claims {
        jti: request.jti,
        htm: request.method,
        htu: without_query(request.url),
        iat: request.now.as_secs(),
        ath: request.token.map(|token| digest_text(token.as_bytes())),
        bh: request.body.map(digest_text),
    };
    jws::sign_with_jwk(TYP, &claims, key)
}

/// Why a proof is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    #[error("dpop proof: {0}")]
    Token(#[from] JwsError),
    #[error("dpop proof: {0}")]
    Key(#[from] JwkError),
    #[error("dpop proof: expected `{0}`, and in its proper type")]
    Missing(&'static str),
    #[error("dpop proof: expected the key that the lease is bound to")]
    OtherKey,
    #[error("dpop proof: expected `jti` to be 1 to {JTI_BYTES_MAX} bytes")]
    Jti,
    #[error("dpop proof: expected `htm` to be {0}")]
    Htm(String),
    #[error("dpop proof: expected `htu` to be {0}")]
    Htu(String),
    #[error(
        "dpop proof is {age_s} s old, at most {AGE_S_MAX} s are accepted; compare the client's clock with the gate's"
    )]
    TooOld { age_s: i64 },
    #[error(
        "dpop proof is {ahead_s} s ahead of the gate, at most {AHEAD_S_MAX} s are accepted; compare the clocks"
    )]
    TooNew { ahead_s: i64 },
    #[error("dpop proof: expected `ath` to be the hash of the lease presented")]
    Ath,
    #[error("dpop proof: expected `bh`, the hash of the request body, which this lease or gate requires")]
    BodyHashMissing,
    #[error("dpop proof: expected `bh` to be the hash of the request body")]
    BodyHash,
}

impl DpopError {
    /// The code that the caller is given.
    pub fn code(&self) -> Code {
        Code::InvalidDpop
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &'static str) -> Result<&'a str, DpopError> {
    claims.get(name).and_then(Value::as_str).ok_or(DpopError::Missing(name))
}

/// Whole seconds of a NumericDate, which may have a fraction (RFC 7519 section 2).
fn numeric_date(value: &Value) -> Result<i64, DpopError> {
    let whole = value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64));
    whole.ok_or(DpopError::Missing("iat"))
}

impl DpopError {
    /// Whether another time would have done.
    pub fn is_about_time(&self) -> bool {
        matches!(self, Self::TooOld { .. } | Self::TooNew { .. })
    }
}

fn check_time(iat: i64, now: Timestamp) -> Result<(), DpopError> {
    let age_s = now.as_secs().saturating_sub(iat);
    if age_s > AGE_S_MAX {
        return Err(DpopError::TooOld { age_s });
    }
    if age_s < -AHEAD_S_MAX {
        return Err(DpopError::TooNew { ahead_s: age_s.saturating_neg() });
    }
    Ok(())
}

fn check_body(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<bool, DpopError> {
    if !claims.contains_key("bh") {
        return if expected.require_bh { Err(DpopError::BodyHashMissing) } else { Ok(false) };
    }
    if is_digest_of(text(claims, "bh")?, expected.body) { Ok(true) } else { Err(DpopError::BodyHash) }
}

/// base64url(SHA-256(bytes)), as `ath` (section 4.2) and `bh` have it.
fn digest_text(bytes: &[u8]) -> String {
    jwk::encode(&Digest::of(bytes).0)
}

fn is_digest_of(claim: &str, bytes: &[u8]) -> bool {
    claim.as_bytes().ct_eq(digest_text(bytes).as_bytes()).into()
}

/// Check 9: the same URL, ignoring query and fragment, after the normalisation of RFC 3986 sections 6.2.2 and 6.2.3
/// that cannot change what a server does: case of scheme and host, the default port, the empty path. Escapes are not
/// decoded and dot segments not resolved; paths must be equal byte for byte.
fn is_same_target(htu: &str, expected: &str) -> bool {
    match (Target::of(htu), Target::of(expected)) {
        (Some(a), Some(b)) => {
            a.is_tls == b.is_tls
                && a.host.eq_ignore_ascii_case(b.host)
                && a.port == b.port
                && a.path == b.path
        }
        _ => false,
    }
}

struct Target<'a> {
    is_tls: bool,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Target<'a> {
    /// An absolute http(s) URL; none with user information or a port that is written oddly.
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = without_query(url).split_once("://")?;
        let is_tls = scheme.eq_ignore_ascii_case("https");
        if !is_tls && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        // The colons of an IPv6 literal are inside its brackets (RFC 3986 section 3.2.2).
        let host_from = authority.find(']').unwrap_or(0);
        let (host, port) = match authority[host_from..].find(':') {
            Some(at) => (&authority[..host_from + at], &authority[host_from + at + 1..]),
            None => (authority, ""),
        };
        if host.is_empty() || host.contains('@') || port.contains('@') {
            return None;
        }
        let port = match port {
            "" if is_tls => 443,
            "" => 80,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0') => {
                digits.parse().ok()?
            }
            _ => return None,
        };
        Some(Self { is_tls, host, port, path: if path.is_empty() { "/" } else { path } })
    }
}

fn without_query(url: &str) -> &str {
    &url[..url.find(['?', '#']).unwrap_or(url.len())]
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bh: Option<String>,
}

#[cfg(test)]
mod tests;
