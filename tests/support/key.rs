//! A P-256 key of a caller, which hands out what an honest one would not.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use latchgate_wire::es256::{Signature, SigningKey};
use latchgate_wire::jwk::Jwk;
use serde_json::{Value, json};

#[derive(Clone)]
pub struct Key {
    signing: SigningKey,
    /// Known of keys that were made here.
    scalar: Option<[u8; 32]>,
}

impl Key {
    /// A new key.
    ///
    /// # Panics
    /// If the system gives no randomness.
    pub fn generate() -> Self {
        loop {
            let mut scalar = [0; 32];
            getrandom::fill(&mut scalar).unwrap();
            // All but 2^-32 of all byte strings are scalars of the curve: draw again.
            if let Ok(signing) = SigningKey::from_entropy(&scalar) {
                return Self { signing, scalar: Some(scalar) };
            }
        }
    }

    /// PKCS#8 PEM, as the gate writes it.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(path: &Path) -> Self {
        let pem = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { signing: SigningKey::from_pkcs8_pem(&pem).unwrap(), scalar: None }
    }

    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The public JWK.
    ///
    /// # Panics
    /// Never.
    pub fn jwk(&self) -> Value {
        serde_json::to_value(Jwk::from(self.signing.verifying_key())).unwrap()
    }

    /// The JWK with its private member: what must be refused wherever it is shown.
    ///
    /// # Panics
    /// For a key that was read.
    pub fn private_jwk(&self) -> Value {
        let mut jwk = self.jwk();
        jwk["d"] = json!(BASE64URL.encode(self.scalar.expect("a key made here")));
        jwk
    }

    /// RFC 7638 thumbprint.
    pub fn jkt(&self) -> String {
        Jwk::from(self.signing.verifying_key()).thumbprint().to_string()
    }

    /// Low-S.
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.signing.sign(message)
    }

    /// The other valid form of the same signature: (r, n - s).
    ///
    /// # Panics
    /// Never.
    pub fn sign_high_s(&self, message: &[u8]) -> Signature {
        malleate(&self.sign(message))
    }
}

/// The second form of a signature.
///
/// # Panics
/// If it is none.
pub fn malleate(signature: &Signature) -> Signature {
    let parsed = p256::ecdsa::Signature::from_slice(signature).unwrap();
    p256::ecdsa::Signature::from_scalars(parsed.r(), -parsed.s()).unwrap().to_bytes().into()
}
