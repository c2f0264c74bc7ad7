//! The caller's key: signs a proof for each request (RFC 9449), always with the hash of the body.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use latchgate_wire::dpop;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::jwk::Jwk;
use latchgate_wire::time::Timestamp;
use zeroize::Zeroizing;

use crate::error::ClientError;

/// Over a Unix socket the URL has no host to speak of; both sides take this one.
const BASE_URL: &str = "http://localhost";

/// A private key that signs proofs by the gate's clock, as far as that is known. Has no `Debug`.
pub(crate) struct Signer {
    key: SigningKey,
    /// Origin of the URLs signed for.
    base_url: String,
    /// How far the gate's clock is ahead of this machine's: nothing until the gate says otherwise.
    ahead_ms: AtomicI64,
}

/// Nearer than this the gate's window takes what is signed here.
const SKEW_MS_MAX: i64 = 2_000;

impl Signer {
    pub fn new(key: SigningKey) -> Self {
        Self { key, base_url: BASE_URL.to_owned(), ahead_ms: AtomicI64::new(0) }
    }

    /// Signs for the gate's canonical URL, which has no path.
    pub fn signing_for(mut self, base_url: Option<String>) -> Self {
        if let Some(base_url) = base_url {
            self.base_url = base_url.trim_end_matches('/').to_owned();
        }
        self
    }

    /// A key that exists in this process only.
    pub fn ephemeral() -> Result<Self, ClientError> {
        loop {
            let mut entropy = Zeroizing::new([0; 32]);
            random(entropy.as_mut())?;
            // All but 2^-32 of all byte strings are scalars of the curve: draw again.
            if let Ok(key) = SigningKey::from_entropy(&entropy) {
                return Ok(Self::new(key));
            }
        }
    }

    pub fn jwk(&self) -> Jwk {
        Jwk::from(self.key.verifying_key())
    }

    /// Goes by the gate's clock from here on, if this is a refusal that names it: this machine's clock was stepped, and the
    /// gate's never is. True if a new proof will do.
    pub fn learns(&self, refusal: &ClientError) -> bool {
        let ClientError::Problem(problem) = refusal else { return false };
        let Some(gate_time) = problem.gate_time else { return false };
        let ahead_ms = gate_time.since(now());
        let before_ms = self.ahead_ms.swap(ahead_ms, Ordering::Relaxed);
        (ahead_ms - before_ms).abs() > SKEW_MS_MAX
    }

    /// The `DPoP` header of one request. `path` may have a query, which the proof leaves out (section 4.2).
    pub fn proof(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Result<HeaderValue, ClientError> {
        let mut unique = [0; 16];
        random(&mut unique)?;
        let request = dpop::Request {
            method,
            url: &format!("{}{path}", self.base_url),
            token,
            body: Some(body),
            jti: &URL_SAFE_NO_PAD.encode(unique),
            now: now().plus_ms(self.ahead_ms.load(Ordering::Relaxed)),
        };
        let proof =
            dpop::sign(&request, &self.key).map_err(|error| ClientError::Protocol(error.to_string()))?;
        HeaderValue::try_from(proof).map_err(|error| ClientError::Protocol(error.to_string()))
    }
}

/// The clock of this machine.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn random(bytes: &mut [u8]) -> Result<(), ClientError> {
    getrandom::fill(bytes)
        .map_err(|error| ClientError::Protocol(format!("the system gives no randomness: {error}")))
}

#[cfg(test)]
mod tests {
    use latchgate_wire::problem::{Code, Problem};

    use super::*;

    #[test]
    fn a_refusal_that_names_the_gates_clock_is_learnt_from_once() {
        let signer = Signer::ephemeral().unwrap();
        let refusal = |gate_time| {
            let mut problem = Problem::new(Code::InvalidDpop, "too old");
            problem.gate_time = gate_time;
            ClientError::Problem(Box::new(problem))
        };
        assert!(!signer.learns(&refusal(None)));
        let ahead = now().plus_ms(3_600_000);
        assert!(signer.learns(&refusal(Some(ahead))));
        let expected = dpop::Expected {
            method: "GET",
            uris: &["http://localhost/"],
            ath: None,
            jkt: None,
            body: b"",
            require_bh: true,
            now: ahead,
        };
        let proof = signer.proof("GET", "/", None, b"").unwrap();
        assert!(dpop::verify(proof.to_str().unwrap(), &expected).is_ok());
        assert!(!signer.learns(&refusal(Some(ahead))), "nothing new: what was refused stays refused");
    }

    #[test]
    fn a_proof_is_verified_for_its_request_and_two_are_never_the_same() {
        let signer = Signer::ephemeral().unwrap();
        let proof = signer.proof("POST", "/v1/x?q=1", Some("lease"), b"{}").unwrap();
        let expected = dpop::Expected {
            method: "POST",
            uris: &["http://localhost/v1/x"],
            ath: Some("lease"),
            jkt: Some(signer.jwk().thumbprint()),
            body: b"{}",
            require_bh: true,
            now: now(),
        };
        let first = dpop::verify(proof.to_str().unwrap(), &expected).unwrap();
        let proof = signer.proof("POST", "/v1/x", Some("lease"), b"{}").unwrap();
        let second = dpop::verify(proof.to_str().unwrap(), &expected).unwrap();
        assert_ne!(first.jti(), second.jti());
    }
}
