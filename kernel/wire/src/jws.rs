//! Compact JWS signed with ES256 (RFC 7515), the frame of leases and proofs.
//!
//! `jsonwebtoken` issues and verifies, over a crypto provider of ours (p256 signs, ring verifies). Headers and claims
//! are read and decided here, because it takes unknown `crit`, another `typ` and duplicate names without complaint.
//! Claims can only be had from a token whose signature was verified.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result as CryptoResult};
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::signature::{Error as RefusedError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::es256::{self, SigningKey, VerifyingKey};
use crate::json::{self, JsonError, Limits};
use crate::jwk::{self, Jwk};

/// Longest token accepted, in bytes, inclusive.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Why a token is not taken. Never carries a piece of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsError {
    /// See [`TOKEN_BYTES_MAX`].
    #[error("expected a token of at most {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts.
    #[error("expected a compact jws: header, payload and signature with dots between")]
    NotCompact,
    /// A part is not base64url without padding.
    #[error("{0}: expected base64url without padding")]
    Base64(&'static str),
    /// A part is not I-JSON.
    #[error("{0}: {1}")]
    Json(&'static str, JsonError),
    /// A part is JSON but no object.
    #[error("{0}: expected a json object")]
    NotAnObject(&'static str),
    /// `typ` is missing or another.
    #[error("header: expected `typ` to be \"{0}\"")]
    Typ(&'static str),
    /// `alg` is missing or another, `none` included.
    #[error("header: expected `alg` to be \"ES256\"")]
    Alg,
    /// A header parameter that changes what is verified or points at keys elsewhere.
    #[error("header: expected no `{0}`")]
    Forbidden(&'static str),
    /// The signature does not verify.
    #[error("expected a signature by this key over this token")]
    Signature,
    /// The signature verifies in its other form only, and we issue low-S ones.
    #[error("expected the low-s form of the signature")]
    HighS,
    /// Our own fault: what was to be signed does not serialise.
    #[error("token could not be signed")]
    Signing,
}

/// Makes `jsonwebtoken` use our cryptography. Idempotent; call it first in `main`, before anything else can ask
/// `jsonwebtoken` for its default. Signing and verifying here call it too, so a forgotten call is no panic.
pub fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if another provider was installed before, which no dependency of ours does.
        let _already_installed = PROVIDER.install_default();
    });
}

/// Signs claims under `{"typ":typ,"alg":"ES256","kid":kid}`.
///
/// # Errors
/// [`JwsError::Signing`] if the claims do not serialise.
pub fn sign_with_kid(
    typ: &str,
    kid: &str,
    claims: &impl Serialize,
    key: &SigningKey,
) -> Result<String, JwsError> {
    install_crypto();
    let header = Header { typ: Some(typ.into()), kid: Some(kid.into()), ..Header::new(Algorithm::ES256) };
    let key = EncodingKey::from_ec_der(key.scalar().as_slice());
    jsonwebtoken::encode(&header, claims, &key).map_err(|_| JwsError::Signing)
}

/// Signs claims under `{"typ":typ,"alg":"ES256","jwk":<the public half of key>}`.
///
/// Made for every request of a client. `jsonwebtoken` keeps keys as bytes and would derive the public point anew
/// each time, which costs as much as the signature; so this one is put together here.
///
/// # Errors
/// [`JwsError::Signing`] if the claims do not serialise.
pub fn sign_with_jwk(typ: &str, claims: &impl Serialize, key: &SigningKey) -> Result<String, JwsError> {
    #[derive(Serialize)]
    struct JwkHeader<'a> {
        typ: &'a str,
        alg: &'a str,
        jwk: Jwk,
    }
    let header = JwkHeader { typ, alg: ALG, jwk: Jwk::from(key.verifying_key()) };
    let header = serde_json::to_vec(&header).map_err(|_| JwsError::Signing)?;
    let claims = serde_json::to_vec(claims).map_err(|_| JwsError::Signing)?;
    let mut token = format!("{}.{}", jwk::encode(&header), jwk::encode(&claims));
    let signature = jwk::encode(&key.sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    Ok(token)
}

/// A token whose header is acceptable and whose signature is not looked at yet.
pub struct Unverified<'a> {
    header: Map<String, Value>,
    message: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads the header of `token` and holds it to `typ` (exactly) and ES256.
    ///
    /// # Errors
    /// The first thing that is wrong with the form or the header.
    pub fn read(token: &'a str, typ: &'static str) -> Result<Self, JwsError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwsError::TooLong);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JwsError::NotCompact)?;
        let (header, payload) = message.split_once('.').ok_or(JwsError::NotCompact)?;
        if payload.contains('.') {
            return Err(JwsError::NotCompact);
        }
        let header = object("header", header)?;
        if let Some(name) = FORBIDDEN.into_iter().find(|name| header.contains_key(*name)) {
            return Err(JwsError::Forbidden(name));
        }
        if header.get("typ").and_then(Value::as_str) != Some(typ) {
            return Err(JwsError::Typ(typ));
        }
        if header.get("alg").and_then(Value::as_str) != Some(ALG) {
            return Err(JwsError::Alg);
        }
        Ok(Self { header, message, payload, signature })
    }

    /// The header, which may name the key to verify with and proves nothing.
    pub fn header(&self) -> &Map<String, Value> {
        &self.header
    }

    /// The claims, if the signature (in either form) is `key`'s.
    ///
    /// # Errors
    /// [`JwsError::Signature`], or a payload that is no JSON object.
    pub fn verify(self, key: &VerifyingKey) -> Result<Map<String, Value>, JwsError> {
        install_crypto();
        let key = DecodingKey::from_ec_der(key.as_point());
        match jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), &key, Algorithm::ES256) {
            Ok(true) => object("payload", self.payload),
            Ok(false) => Err(JwsError::Signature),
            Err(_) => Err(JwsError::Base64("signature")),
        }
    }

    /// As [`Self::verify`], for tokens that we issued ourselves: the second form of the signature is refused.
    ///
    /// # Errors
    /// [`JwsError::HighS`] as well.
    pub fn verify_low_s(self, key: &VerifyingKey) -> Result<Map<String, Value>, JwsError> {
        let bytes = jwk::decode(self.signature).ok_or(JwsError::Base64("signature"))?;
        let signature = bytes.try_into().map_err(|_| JwsError::Signature)?;
        es256::require_low_s(&signature).map_err(|_| JwsError::HighS)?;
        self.verify(key)
    }
}

fn object(part: &'static str, text: &str) -> Result<Map<String, Value>, JwsError> {
    let bytes = jwk::decode(text).ok_or(JwsError::Base64(part))?;
    match json::parse(&bytes, LIMITS).map_err(|error| JwsError::Json(part, error))? {
        Value::Object(members) => Ok(members),
        _ => Err(JwsError::NotAnObject(part)),
    }
}

const ALG: &str = "ES256";

const LIMITS: Limits = Limits { bytes_max: TOKEN_BYTES_MAX, depth_max: 8 };

/// `crit` and `b64` change what is verified (RFC 7515 section 4.1.11, RFC 7797); we understand no extension, so the
/// former can only be refused. The others point at keys that we would have to fetch or trust.
const FORBIDDEN: [&str; 7] = ["crit", "b64", "jku", "x5u", "x5c", "x5t", "x5t#S256"];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::ES256 => Ok(Box::new(Es256Signer(signing_key(key)?))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::ES256 => Ok(Box::new(Es256Verifier(public_point(key)?))),
        _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
    },
    // Our own keys and thumbprints are in `jwk`; whoever reaches these gets an error, never a panic.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        rsa_pub_components_from_public_key: |_| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ec_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        ed_pub_components_from_private_key: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
        compute_digest: |bytes, hash| match hash {
            ThumbprintHash::SHA256 => Ok(Digest::of(bytes).0.to_vec()),
            _ => Err(ErrorKind::UnsupportedAlgorithm.into()),
        },
    },
};

/// The key material is the scalar; see [`SigningKey::scalar`].
fn signing_key(key: &EncodingKey) -> CryptoResult<SigningKey> {
    let scalar = key.as_bytes().try_into().map_err(|_| ErrorKind::InvalidEcdsaKey)?;
    SigningKey::from_entropy(scalar).map_err(|_| ErrorKind::InvalidEcdsaKey.into())
}

fn public_point(key: &DecodingKey) -> CryptoResult<[u8; 65]> {
    key.try_get_as_bytes()?.try_into().map_err(|_| ErrorKind::InvalidEcdsaKey.into())
}

struct Es256Signer(SigningKey);

impl Signer<Vec<u8>> for Es256Signer {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, RefusedError> {
        Ok(self.0.sign(message).to_vec())
    }
}

impl JwtSigner for Es256Signer {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

struct Es256Verifier([u8; 65]);

impl Verifier<Vec<u8>> for Es256Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), RefusedError> {
        es256::verify_point(&self.0, message, signature).map_err(|_| RefusedError::new())
    }
}

impl JwtVerifier for Es256Verifier {
    fn algorithm(&self) -> Algorithm {
        Algorithm::ES256
    }
}

/// Tokens that nothing above would make, for the attack tables here and in `lease` and `dpop`.
#[cfg(test)]
pub(crate) mod forge {
    use super::*;

    pub(crate) fn token(header: &str, payload: &str, key: &SigningKey) -> String {
        let message = format!("{}.{}", jwk::encode(header.as_bytes()), jwk::encode(payload.as_bytes()));
        format!("{message}.{}", jwk::encode(&key.sign(message.as_bytes())))
    }

    /// The same token under the other form of its signature.
    pub(crate) fn malleated(token: &str) -> String {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = jwk::decode(signature).unwrap().try_into().unwrap();
        format!("{message}.{}", jwk::encode(&es256::malleate(&signature)))
    }
}

#[cfg(test)]
mod tests;
