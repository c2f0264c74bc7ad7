//! Public P-256 keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.2) and their thumbprints (RFC 7638).

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::digest::Digest;
use crate::es256::VerifyingKey;

/// Why a JSON value is no key of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not a JSON object.
    #[error("jwk: expected a json object")]
    NotAnObject,
    /// `kty` is not `EC` or `crv` not `P-256`.
    #[error("jwk: expected `{0}` to be \"{1}\"")]
    Kind(&'static str, &'static str),
    /// `x` or `y` is missing or not 32 bytes of base64url.
    #[error("jwk: expected `{0}` to be 32 bytes in base64url without padding")]
    Coordinate(&'static str),
    /// The coordinates name no point of the curve.
    #[error("jwk: expected a point on p-256")]
    NotOnCurve,
    /// A member that only private or symmetric keys have. Whoever sent it must consider the key lost.
    #[error("jwk: expected a public key, found the private member `{0}`")]
    Private(&'static str),
}

/// A public P-256 key: `{"kty":"EC","crv":"P-256","x":..,"y":..}`, x and y being 32 bytes in base64url.
///
/// Reading tolerates members we do not know (`kid`, `use`, `alg`, RFC 7517 section 4); writing produces these four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Jwk(VerifyingKey);

impl Jwk {
    /// Reads a key that arrived as (strictly parsed) JSON.
    ///
    /// # Errors
    /// Anything but one public P-256 key. A private key is refused, not stripped (RFC 9449 section 4.3, check 7).
    pub fn from_value(value: &Value) -> Result<Self, JwkError> {
        let members = value.as_object().ok_or(JwkError::NotAnObject)?;
        if let Some(name) = PRIVATE_MEMBERS.into_iter().find(|name| members.contains_key(*name)) {
            return Err(JwkError::Private(name));
        }
        for (name, expected) in [("kty", "EC"), ("crv", "P-256")] {
            if members.get(name).and_then(Value::as_str) != Some(expected) {
                return Err(JwkError::Kind(name, expected));
            }
        }
        let coordinate = |name| {
            let text = members.get(name).and_then(Value::as_str);
            text.and_then(decode_32).ok_or(JwkError::Coordinate(name))
        };
        let (x, y) = (coordinate("x")?, coordinate("y")?);
        VerifyingKey::from_coordinates(&x, &y).map(Self).map_err(|_| JwkError::NotOnCurve)
    }

    /// The key to verify with.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.0
    }

    /// The name of this key: RFC 7638 with SHA-256.
    pub fn thumbprint(&self) -> Thumbprint {
        let (x, y) = (encode(self.0.x()), encode(self.0.y()));
        // RFC 7638 section 3.2: the required members in lexicographic order, no white space.
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Thumbprint(Digest::of(canonical.as_bytes()).0)
    }
}

impl From<VerifyingKey> for Jwk {
    fn from(key: VerifyingKey) -> Self {
        Self(key)
    }
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_struct("Jwk", 4)?;
        members.serialize_field("kty", "EC")?;
        members.serialize_field("crv", "P-256")?;
        members.serialize_field("x", &encode(self.0.x()))?;
        members.serialize_field("y", &encode(self.0.y()))?;
        members.end()
    }
}

impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The RFC 7638 SHA-256 thumbprint of a public key (`jkt`). Text form: 43 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

/// The text is no thumbprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a key thumbprint of 43 base64url characters")]
pub struct ThumbprintError;

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Thumbprint {
    type Err = ThumbprintError;

    fn from_str(text: &str) -> Result<Self, ThumbprintError> {
        decode_32(text).map(Self).ok_or(ThumbprintError)
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Members of private and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Base64url without padding (RFC 7515 section 2).
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The inverse of [`encode`] and of nothing else: padding, white space and stray trailing bits are refused.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn decode_32(text: &str) -> Option<[u8; 32]> {
    if text.len() != 43 {
        return None;
    }
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // RFC 9449 figures 2 and 4 (section 6.1): the key of all its examples and that key's thumbprint.
    const X: &str = "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs";
    const Y: &str = "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA";
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

    fn printed() -> Value {
        json!({"kty": "EC", "crv": "P-256", "x": X, "y": Y})
    }

    fn with(name: &str, value: Value) -> Value {
        let mut jwk = printed();
        jwk[name] = value;
        jwk
    }

    #[test]
    fn thumbprint_matches_rfc_9449() {
        let jwk = Jwk::from_value(&printed()).unwrap();
        assert_eq!(jwk.thumbprint().to_string(), JKT);
        assert_eq!(JKT.parse(), Ok(jwk.thumbprint()));
        assert_eq!(serde_json::to_value(jwk).unwrap(), printed());
    }

    #[test]
    fn members_that_name_nothing_secret_change_nothing() {
        let plain = Jwk::from_value(&printed());
        for name in ["kid", "use", "alg", "key_ops", "whatever"] {
            assert_eq!(Jwk::from_value(&with(name, json!("../../etc/passwd"))), plain, "{name}");
        }
    }

    #[test]
    fn private_members_are_refused() {
        for name in PRIVATE_MEMBERS {
            assert_eq!(Jwk::from_value(&with(name, json!(null))), Err(JwkError::Private(name)));
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let padded = format!("{X}=");
        let trailing_bits = format!("{}t", &X[..42]);
        let standard_alphabet = X.replace('-', "+");
        let with_zero = format!("AA{X}");
        let cases = [
            (with("kty", json!("RSA")), JwkError::Kind("kty", "EC")),
            (with("kty", json!(["EC"])), JwkError::Kind("kty", "EC")),
            (with("crv", json!("P-384")), JwkError::Kind("crv", "P-256")),
            (with("crv", json!("secp256k1")), JwkError::Kind("crv", "P-256")),
            (with("x", json!(padded)), JwkError::Coordinate("x")),
            (with("x", json!(trailing_bits)), JwkError::Coordinate("x")),
            (with("x", json!(standard_alphabet)), JwkError::Coordinate("x")),
            (with("x", json!(with_zero)), JwkError::Coordinate("x")),
            (with("y", json!(null)), JwkError::Coordinate("y")),
            (with("y", json!(X)), JwkError::NotOnCurve),
            (json!([X, Y]), JwkError::NotAnObject),
        ];
        for (value, error) in cases {
            assert_eq!(Jwk::from_value(&value), Err(error), "{value}");
        }
    }

    #[test]
    fn thumbprints_have_one_spelling() {
        for text in ["", &JKT[1..], &format!("{JKT}="), &format!("{}J", &JKT[..42])] {
            assert_eq!(text.parse::<Thumbprint>(), Err(ThumbprintError), "{text}");
        }
    }
}
