//! The caller's key: signs a proof for each request (RFC 9449), always with the hash of the body.

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
pub(crate) const BASE_URL: &str = "http://localhost";

/// A private key that signs proofs. Has no `Debug`.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub fn new(key: SigningKey) -> Self {
        Self(key)
    }

    /// A key that exists in this process only.
    pub fn ephemeral() -> Result<Self, ClientError> {
        loop {
            let mut entropy = Zeroizing::new([0; 32]);
            random(entropy.as_mut())?;
            // All but 2^-32 of all byte strings are scalars of the curve: draw again.
            if let Ok(key) = SigningKey::from_entropy(&entropy) {
                return Ok(Self(key));
            }
        }
    }

    pub fn jwk(&self) -> Jwk {
        Jwk::from(self.0.verifying_key())
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
            url: &format!("{BASE_URL}{path}"),
            token,
            body: Some(body),
            jti: &URL_SAFE_NO_PAD.encode(unique),
            now: now(),
        };
        let proof =
            dpop::sign(&request, &self.0).map_err(|error| ClientError::Protocol(error.to_string()))?;
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
    use super::*;

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
