//! A DPoP proof made by hand (RFC 9449): right as it is made, wrong in whatever way a test wants.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use latchgate_wire::digest::Digest;
use latchgate_wire::dpop;
use serde_json::Value;

use crate::key::Key;
use crate::token::Token;

#[derive(Clone)]
pub struct Proof {
    token: Token,
    key: Key,
    high_s: bool,
    signature: Option<Vec<u8>>,
}

impl Proof {
    /// A fresh and complete proof but for `ath` and `bh`.
    pub fn new(key: &Key, method: &str, url: &str) -> Self {
        let token = Token::new(dpop::TYP)
            .header("jwk", key.jwk())
            .claim("jti", random_text())
            .claim("htm", method)
            .claim("htu", url)
            .claim("iat", now_s());
        Self { token, key: key.clone(), high_s: false, signature: None }
    }

    /// Names the lease that goes along (`ath`).
    #[must_use]
    pub fn lease(self, lease: &str) -> Self {
        self.claim("ath", digest(lease.as_bytes()))
    }

    /// Covers the request body (`bh`).
    #[must_use]
    pub fn body(self, body: &[u8]) -> Self {
        self.claim("bh", digest(body))
    }

    #[must_use]
    pub fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        self.edit(|token| token.claim(name, value))
    }

    #[must_use]
    pub fn without(self, name: &str) -> Self {
        self.edit(|token| token.without(name))
    }

    #[must_use]
    pub fn header(self, name: &str, value: impl Into<Value>) -> Self {
        self.edit(|token| token.header(name, value))
    }

    #[must_use]
    pub fn without_header(self, name: &str) -> Self {
        self.edit(|token| token.without_header(name))
    }

    /// `iat` so many seconds from now; negative for the past.
    #[must_use]
    pub fn aged(self, seconds: i64) -> Self {
        self.claim("iat", now_s() + seconds)
    }

    /// Any other change of the token.
    #[must_use]
    pub fn edit(mut self, change: impl FnOnce(Token) -> Token) -> Self {
        self.token = change(self.token);
        self
    }

    /// Signed by another key than the header shows.
    #[must_use]
    pub fn signed_by(mut self, key: &Key) -> Self {
        self.key = key.clone();
        self
    }

    /// Signed in the second valid form.
    #[must_use]
    pub fn high_s(mut self) -> Self {
        self.high_s = true;
        self
    }

    /// These bytes as the signature.
    #[must_use]
    pub fn signature(mut self, bytes: &[u8]) -> Self {
        self.signature = Some(bytes.to_vec());
        self
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    pub fn sign(&self) -> String {
        match &self.signature {
            Some(bytes) => self.token.with_signature(bytes),
            None if self.high_s => self.token.sign_high_s(&self.key),
            None => self.token.sign(&self.key),
        }
    }
}

/// 22 characters from 128 random bits.
pub(crate) fn random_text() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    BASE64URL.encode(bytes)
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// base64url(SHA-256(bytes)), as `ath` and `bh` have it.
fn digest(bytes: &[u8]) -> String {
    BASE64URL.encode(Digest::of(bytes).0)
}
