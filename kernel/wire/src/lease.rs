//! Leases: what lets an agent ask, for minutes, bound to a key that never leaves its process (RFC 7519, RFC 7800).
//!
//! A lease is a JWT that the gate issues and takes back, so nothing in it is optional by accident: header and claims
//! are exactly the ones below, and the signature is in low-S form. A lease alone opens nothing; each request also
//! carries a proof by the key in `cnf.jkt` (see [`crate::dpop`]).

mod scope;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::entry::Budgets;
use crate::es256::{SigningKey, VerifyingKey};
use crate::ids::{LeaseId, SessionId};
use crate::jwk::Thumbprint;
use crate::jws::{self, JwsError, Unverified};
use crate::principal::Principal;
use crate::problem::Code;
use crate::time::Timestamp;

pub use scope::{Scope, ScopeError, Scopes};

/// `typ` of a lease (RFC 8725 section 3.11: so that no other token of ours can pass for one).
pub const TYP: &str = "lease+jwt";

/// A session ends after this, whatever is renewed.
const SESSION_MS: i64 = 24 * 3600 * 1000;

/// When a session ends: a day after it began, which its id tells.
pub fn session_end(session: SessionId) -> Timestamp {
    let began = i64::try_from(session.time_ms()).unwrap_or(0);
    Timestamp::from_ms(began).plus_ms(SESSION_MS)
}

/// Longest life of a lease in seconds, inclusive.
pub const TTL_S_MAX: i64 = 3600;

/// The claims of a lease. Times are NumericDates in whole seconds (RFC 7519 section 2). Unknown claims are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseClaims {
    /// The gate that issued it (RFC 7519 section 4.1.1).
    pub iss: String,
    /// The gate that takes it (section 4.1.3), one string.
    pub aud: String,
    /// The owner of every call made under it.
    pub sub: Principal,
    /// The first second in which it is no longer valid (section 4.1.4).
    pub exp: i64,
    /// The first second in which it is valid (section 4.1.5).
    pub nbf: i64,
    /// When it was issued (section 4.1.6); `exp - iat` is 1..=3600.
    pub iat: i64,
    pub jti: LeaseId,
    /// Shared by the leases that renew one another.
    pub session_id: SessionId,
    /// What may be asked for, space-delimited (RFC 8693 section 4.2).
    pub scope: Scopes,
    pub cnf: Confirmation,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<Budgets>,
    /// What the agent calls itself: a label, never authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Whether every proof under this lease must carry a body hash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bh: bool,
}

/// `cnf`: the key that the lease is bound to (RFC 7800 section 3.1, RFC 9449 section 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    pub jkt: Thumbprint,
}

/// Signs a lease with the key that the gate publishes under `kid`.
///
/// # Errors
/// Only a fault of ours: [`JwsError::Signing`].
pub fn sign(claims: &LeaseClaims, key: &SigningKey, kid: &str) -> Result<String, JwsError> {
    jws::sign_with_kid(TYP, kid, claims, key)
}

/// Checks a lease from its bytes to its times.
///
/// # Errors
/// [`LeaseError::Expired`] if it was valid once, [`LeaseError`] otherwise.
pub fn verify(token: &str, keys: &LeaseKeys, expected: &Expected<'_>) -> Result<Lease, LeaseError> {
    let unverified = Unverified::read(token, TYP)?;
    // Ours hold these three and nothing else, `jwk` above all.
    if !unverified.header().keys().all(|name| HEADER.contains(&name.as_str())) {
        return Err(LeaseError::Header);
    }
    let kid = unverified.header().get("kid").and_then(Value::as_str).ok_or(LeaseError::NoKid)?;
    let key = keys.find(kid).ok_or(LeaseError::UnknownKey)?;
    let claims = Value::Object(unverified.verify_low_s(key)?);
    let claims: LeaseClaims =
        serde_json::from_value(claims).map_err(|error| LeaseError::Claims(error.to_string()))?;
    if claims.iss != expected.issuer {
        return Err(LeaseError::Issuer(expected.issuer.to_owned()));
    }
    if claims.aud != expected.audience {
        return Err(LeaseError::Audience(expected.audience.to_owned()));
    }
    if !(1..=TTL_S_MAX).contains(&claims.exp.saturating_sub(claims.iat)) {
        return Err(LeaseError::Lifetime);
    }
    let lease = Lease { claims };
    lease.check_time(expected.now)?;
    Ok(lease)
}

/// What a lease is held to.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, exactly.
    pub issuer: &'a str,
    /// `aud`, exactly.
    pub audience: &'a str,
    /// Gate time.
    pub now: Timestamp,
}

/// A lease that was verified. It can be kept: only its times change, see [`Lease::check_time`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    claims: LeaseClaims,
}

impl Lease {
    /// What it says.
    pub fn claims(&self) -> &LeaseClaims {
        &self.claims
    }

    /// The first moment at which it is no longer valid.
    pub fn expires_at(&self) -> Timestamp {
        Timestamp::from_secs(self.claims.exp)
    }

    /// Whether a lease verified earlier is still valid: `nbf <= now < exp`, no leeway, since both clocks are ours.
    ///
    /// # Errors
    /// [`LeaseError::Expired`] or [`LeaseError::NotYetValid`].
    pub fn check_time(&self, now: Timestamp) -> Result<(), LeaseError> {
        let now_s = now.as_secs();
        if now_s >= self.claims.exp {
            return Err(LeaseError::Expired { ago_s: now_s.saturating_sub(self.claims.exp) });
        }
        if now_s < self.claims.nbf {
            return Err(LeaseError::NotYetValid { in_s: self.claims.nbf.saturating_sub(now_s) });
        }
        Ok(())
    }
}

/// The keys whose leases are taken, by `kid`: the present one and those rotated out less than a lease's life ago.
#[derive(Clone, Debug, Default)]
pub struct LeaseKeys(BTreeMap<String, VerifyingKey>);

impl LeaseKeys {
    /// Takes leases signed by `key` under `kid`.
    pub fn insert(&mut self, kid: impl Into<String>, key: VerifyingKey) {
        self.0.insert(kid.into(), key);
    }

    /// `kid` is compared with the names that were inserted and is used for nothing else.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.0.get(kid)
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &VerifyingKey)> {
        self.0.iter().map(|(kid, key)| (kid.as_str(), key))
    }
}

/// Why a lease is not taken. What was not signed by us is the caller's text and is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    #[error("lease expired {ago_s} s ago")]
    Expired { ago_s: i64 },
    #[error("lease is valid in {in_s} s only")]
    NotYetValid { in_s: i64 },
    #[error("lease: {0}")]
    Token(#[from] JwsError),
    #[error("lease header: expected `typ`, `alg` and `kid` only")]
    Header,
    #[error("lease header: expected a `kid`")]
    NoKid,
    #[error("lease: expected a key of this gate, `kid` names another or a retired one")]
    UnknownKey,
    #[error("lease claims: {0}")]
    Claims(String),
    #[error("lease: expected `iss` to be {0}")]
    Issuer(String),
    #[error("lease: expected `aud` to be {0}")]
    Audience(String),
    #[error("lease: expected a life of 1 to {TTL_S_MAX} s")]
    Lifetime,
}

impl LeaseError {
    /// The code that the caller is given.
    pub fn code(&self) -> Code {
        match self {
            Self::Expired { .. } => Code::LeaseExpired,
            Self::NotYetValid { .. }
            | Self::Token(_)
            | Self::Header
            | Self::NoKid
            | Self::UnknownKey
            | Self::Claims(_)
            | Self::Issuer(_)
            | Self::Audience(_)
            | Self::Lifetime => Code::InvalidLease,
        }
    }
}

const HEADER: [&str; 3] = ["typ", "alg", "kid"];

#[cfg(test)]
mod tests;
