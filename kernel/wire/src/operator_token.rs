//! An operator's token: `lgop_` and 43 characters, sent beside the proof of the operator's key and worth nothing without it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::digest::Digest;

/// The header of a request on the admin socket that carries it.
pub const HEADER: &str = "x-latchgate-operator-token";

const PREFIX: &str = "lgop_";

/// 32 random bytes, written as `lgop_` and base64url without padding. Has no plain `Debug`, and is wiped when it goes.
#[derive(Clone)]
pub struct OperatorToken(Zeroizing<String>);

/// What a gate keeps of a token: SHA-256 of its text. 256 random bits need no salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TokenDigest(Digest);

/// The text is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an operator token: `lgop_` and 43 characters of base64url")]
pub struct TokenError;

impl OperatorToken {
    /// `entropy`: 32 bytes from a cryptographic source, used for nothing else.
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let encoded = Zeroizing::new(URL_SAFE_NO_PAD.encode(entropy));
        Self(Zeroizing::new([PREFIX, encoded.as_str()].concat()))
    }

    /// The secret itself, for a header or a private file.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Digest::of(self.0.as_bytes()))
    }
}

impl FromStr for OperatorToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(TokenError)?;
        let mut bytes = Zeroizing::new([0; 33]);
        match URL_SAFE_NO_PAD.decode_slice(encoded, bytes.as_mut()) {
            Ok(32) => Ok(Self(Zeroizing::new(text.to_owned()))),
            _ => Err(TokenError),
        }
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(..)")
    }
}

impl TokenDigest {
    /// Whether this is the token that it was made of. Takes as long whatever the answer.
    pub fn is_of(&self, token: &OperatorToken) -> bool {
        self.0.0.ct_eq(&token.digest().0.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written_and_known_by_its_digest_alone() {
        let (token, other) = (OperatorToken::from_entropy(&[7; 32]), OperatorToken::from_entropy(&[8; 32]));
        assert_eq!(token.expose(), "lgop_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc");
        let read: OperatorToken = token.expose().parse().unwrap();
        assert!(token.digest().is_of(&read));
        assert!(!token.digest().is_of(&other));
        let written = serde_json::to_string(&token.digest()).unwrap();
        assert!(written.starts_with("\"sha256:"), "{written}");
        assert_eq!(serde_json::from_str::<TokenDigest>(&written).unwrap(), token.digest());
    }

    #[test]
    fn other_spellings_are_no_tokens() {
        let good = OperatorToken::from_entropy(&[7; 32]).expose().to_owned();
        let long = format!("{good}AA");
        let unclean = good.replace("Bwc", "Bw+");
        // The last character has two bits beyond the 32 bytes, which must be zero.
        let slack = format!("{}d", &good[..good.len() - 1]);
        for text in ["", "lgop_", &good[5..], &good[..good.len() - 1], &long, &unclean, &slack, "lgop_é"] {
            assert_eq!(text.parse::<OperatorToken>().err(), Some(TokenError), "{text}");
        }
    }

    #[test]
    fn the_token_is_not_in_its_debug_form() {
        assert_eq!(format!("{:?}", OperatorToken::from_entropy(&[7; 32])), "OperatorToken(..)");
    }
}
