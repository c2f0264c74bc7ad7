//! A compact JWS made by hand: every header and claim can be set, left out or written twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde_json::{Map, Value};

use crate::key::Key;

#[derive(Clone, Debug, Default)]
pub struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    raw_header: Option<String>,
    raw_claims: Option<String>,
}

impl Token {
    /// With `alg` ES256 and nothing else.
    pub fn new(typ: &str) -> Self {
        Self::default().header("typ", typ).header("alg", "ES256")
    }

    /// Header and claims of an existing token.
    ///
    /// # Panics
    /// If it is none.
    pub fn read(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| BASE64URL.decode(part).expect("base64url"));
        let mut object = || serde_json::from_slice(&parts.next().expect("a part")).expect("a json object");
        Self { header: object(), claims: object(), raw_header: None, raw_claims: None }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.into(), value.into());
        self
    }

    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// The header's text as it stands, for what no JSON value can say: duplicate names, white space.
    #[must_use]
    pub fn raw_header(mut self, text: impl Into<String>) -> Self {
        self.raw_header = Some(text.into());
        self
    }

    /// The payload's text as it stands.
    #[must_use]
    pub fn raw_claims(mut self, text: impl Into<String>) -> Self {
        self.raw_claims = Some(text.into());
        self
    }

    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub fn sign(&self, key: &Key) -> String {
        self.with_signature(&key.sign(self.message().as_bytes()))
    }

    /// Valid as well, and a different string.
    pub fn sign_high_s(&self, key: &Key) -> String {
        self.with_signature(&key.sign_high_s(self.message().as_bytes()))
    }

    /// With these bytes where the signature stands; empty for an unsigned token.
    pub fn with_signature(&self, signature: &[u8]) -> String {
        format!("{}.{}", self.message(), BASE64URL.encode(signature))
    }

    /// What is signed: header and payload.
    pub fn message(&self) -> String {
        let text = |raw: &Option<String>, members: &Map<String, Value>| match raw {
            Some(text) => text.clone(),
            None => Value::Object(members.clone()).to_string(),
        };
        let header = BASE64URL.encode(text(&self.raw_header, &self.header));
        let claims = BASE64URL.encode(text(&self.raw_claims, &self.claims));
        format!("{header}.{claims}")
    }
}
