//! What operators say of secrets: names, kinds and values on their way to the gate; what the gate says of them holds no value.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::principal::is_name;
use crate::time::Timestamp;

/// A value this long at most. Tokens and keys are far shorter; a header could not carry more.
pub const VALUE_BYTES_MAX: usize = 32 * 1024;
/// What comes back is searched for each value: one that is shorter is found where it is not meant, and guessed.
pub const VALUE_BYTES_MIN: usize = 12;
/// Names in one request or entry: an entry is one line of at most 65,535 bytes.
pub const NAMES_PER_CHANGE_MAX: usize = 200;

/// The name of a secret: 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretName(String);

/// The text is no name. Does not repeat it: somebody may have typed a value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a secret: 1 to 64 of `A-Z a-z 0-9 . _ -`")]
pub struct SecretNameError;

impl SecretName {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = SecretNameError;

    fn from_str(text: &str) -> Result<Self, SecretNameError> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(SecretNameError) }
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for SecretName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for SecretName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A value. Wiped when dropped, shown by nothing, and written only where it was asked to go.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct SecretText(#[serde(with = "text")] Zeroizing<String>);

impl SecretText {
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub fn serialize<S: Serializer>(text: &Zeroizing<String>, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Zeroizing<String>, D::Error> {
        String::deserialize(d).map(Zeroizing::new)
    }
}

/// Where a secret's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// The value is what was set.
    Plain,
    /// An access token that the gate asks for with what was set (RFC 6749 section 4.4).
    Oauth2ClientCredentials,
    /// An access token that the gate renews with what was set (RFC 6749 section 6).
    Oauth2Refresh,
}

impl SecretKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Oauth2ClientCredentials => "oauth2_client_credentials",
            Self::Oauth2Refresh => "oauth2_refresh",
        }
    }
}

/// Whom to ask for access tokens, and as whom.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSource {
    /// The token endpoint.
    pub token_url: String,
    pub client_id: String,
    /// Of a client that renews; one that asks with its credentials alone has it as its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Id and secret go into the form, for endpoints that do not take them as Basic credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials_in_body: bool,
}

/// What is set under a name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSpec {
    pub kind: SecretKind,
    /// The value; the client's secret; the refresh token.
    pub value: SecretText,
    /// Of the two OAuth 2 kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<TokenSource>,
    /// The only hosts it may be sent to, whatever a manifest says; any that a manifest names if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// Take a value of less than [`VALUE_BYTES_MIN`] bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dangerous_short: bool,
}

/// Why a secret is not taken. Says nothing of the value but its length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    #[error("the value is empty")]
    Empty,
    #[error("the value has {0} bytes, expected {VALUE_BYTES_MAX} or fewer")]
    Long(usize),
    #[error(
        "the value has {0} bytes: one under {VALUE_BYTES_MIN} is guessed, and cannot be kept out of what services answer"
    )]
    Short(usize),
    #[error("the value holds a control character other than line break and tab")]
    Control,
    #[error("host {0}: expected a host name or address, without scheme, port or path")]
    Host(String),
    #[error("the token endpoint must be an https URL without user, query or fragment")]
    TokenUrl,
    #[error("the client id is empty or holds a control character")]
    ClientId,
    #[error("a {0} secret needs a token endpoint and a client id")]
    NoSource(&'static str),
    #[error("a plain secret has no token endpoint")]
    PlainSource,
}

impl SecretSpec {
    /// A value that is what was set.
    #[must_use]
    pub fn plain(value: SecretText) -> Self {
        Self { kind: SecretKind::Plain, value, source: None, hosts: BTreeSet::new(), dangerous_short: false }
    }

    /// # Errors
    /// The first rule it breaks.
    pub fn check(&self) -> Result<(), SpecError> {
        check_value(&self.value, self.dangerous_short)?;
        if let Some(host) = self.hosts.iter().find(|host| !is_host(host)) {
            return Err(SpecError::Host(host.chars().take(64).collect()));
        }
        match (self.kind, &self.source) {
            (SecretKind::Plain, None) => Ok(()),
            (SecretKind::Plain, Some(_)) => Err(SpecError::PlainSource),
            (kind, None) => Err(SpecError::NoSource(kind.as_str())),
            (SecretKind::Oauth2ClientCredentials | SecretKind::Oauth2Refresh, Some(source)) => source.check(),
        }
    }
}

impl TokenSource {
    fn check(&self) -> Result<(), SpecError> {
        let url = url::Url::parse(&self.token_url).map_err(|_| SpecError::TokenUrl)?;
        // Plain http is for loopback in development, which egress decides when it connects.
        let is_bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !is_bare || !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(SpecError::TokenUrl);
        }
        if self.client_id.is_empty() || self.client_id.chars().any(char::is_control) {
            return Err(SpecError::ClientId);
        }
        match &self.client_secret {
            // What a provider gave out is as long as it is.
            Some(secret) => check_value(secret, true),
            None => Ok(()),
        }
    }
}

fn check_value(value: &SecretText, is_short_taken: bool) -> Result<(), SpecError> {
    let text = value.expose();
    match text.len() {
        0 => return Err(SpecError::Empty),
        len if len > VALUE_BYTES_MAX => return Err(SpecError::Long(len)),
        len if len < VALUE_BYTES_MIN && !is_short_taken => return Err(SpecError::Short(len)),
        _ => {}
    }
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.chars().all(is_text) { Ok(()) } else { Err(SpecError::Control) }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b))
        && url::Host::parse(text).is_ok_and(|host| host.to_string() == text)
}

/// What the ledger says of one secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretNote {
    pub kind: SecretKind,
    /// Counts what was ever set in its store: another value has another number.
    pub revision: u64,
}

/// Body of `POST /v1/secrets`: all of it is taken or none.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsRequest {
    pub set: Vec<NamedSecret>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedSecret {
    pub name: SecretName,
    pub secret: SecretSpec,
}

/// `GET /v1/secrets`, and the answer to each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretList {
    pub secrets: Vec<SecretInfo>,
    /// What actions declare and nobody has set: by name, the actions that need it.
    #[serde(default)]
    pub missing: BTreeMap<String, Vec<String>>,
}

/// One secret, as anybody may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretInfo {
    pub name: SecretName,
    pub kind: SecretKind,
    pub set_at: Timestamp,
    /// Sixteen hex digits by a key of the store: equal for equal values, and of no use to anybody who would guess them.
    pub fingerprint: String,
    /// The only hosts it may be sent to; those that manifests name if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<String>,
    /// Where its access tokens come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dangerous_short: bool,
    /// The actions that declare it.
    #[serde(default)]
    pub needed_by: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: &str) -> SecretSpec {
        SecretSpec::plain(SecretText::new(value.into()))
    }

    #[test]
    fn eleven_bytes_are_refused_unless_said_and_twelve_are_taken() {
        assert_eq!(plain("eleven-byte").check(), Err(SpecError::Short(11)));
        assert_eq!(SecretSpec { dangerous_short: true, ..plain("eleven-byte") }.check(), Ok(()));
        assert_eq!(plain("twelve-bytes").check(), Ok(()));
        assert_eq!(SecretSpec { dangerous_short: true, ..plain("") }.check(), Err(SpecError::Empty));
    }

    #[test]
    fn the_longest_value_is_taken_and_one_byte_more_is_not() {
        assert_eq!(plain(&"x".repeat(VALUE_BYTES_MAX)).check(), Ok(()));
        let long = VALUE_BYTES_MAX + 1;
        assert_eq!(plain(&"x".repeat(long)).check(), Err(SpecError::Long(long)));
    }

    #[test]
    fn a_host_is_a_host_and_nothing_around_it() {
        let bound = |host: &str| SecretSpec { hosts: [host.to_owned()].into(), ..plain("twelve-bytes") };
        for host in ["api.github.com", "127.0.0.1", "localhost"] {
            assert_eq!(bound(host).check(), Ok(()), "{host}");
        }
        for host in
            ["https://api.github.com", "api.github.com:443", "a/b", "A.example", "", "u@h", "*.x", "0x7f.1"]
        {
            assert!(matches!(bound(host).check(), Err(SpecError::Host(_))), "{host}");
        }
    }

    #[test]
    fn a_token_endpoint_is_a_bare_url() {
        let of = |token_url: &str| SecretSpec {
            kind: SecretKind::Oauth2ClientCredentials,
            source: Some(TokenSource {
                token_url: token_url.into(),
                client_id: "app".into(),
                client_secret: None,
                scope: None,
                credentials_in_body: false,
            }),
            ..plain("twelve-bytes")
        };
        assert_eq!(of("https://id.example/oauth/token").check(), Ok(()));
        for url in
            ["https://u:p@id.example/", "https://id.example/?a=b", "ftp://id.example/", "id.example", ""]
        {
            assert_eq!(of(url).check(), Err(SpecError::TokenUrl), "{url}");
        }
        let SecretSpec { kind, .. } = of("https://id.example/");
        assert_eq!(
            SecretSpec { kind, ..plain("twelve-bytes") }.check(),
            Err(SpecError::NoSource(kind.as_str()))
        );
    }

    #[test]
    fn neither_debug_form_nor_error_holds_a_value() {
        let spec = plain("hunter2-hunter2");
        assert!(!format!("{spec:?}").contains("hunter2"));
        assert!(
            !format!("{:?}", NamedSecret { name: "a".parse().unwrap(), secret: spec }).contains("hunter2")
        );
        let typed = "hunter2 with space".parse::<SecretName>().unwrap_err();
        assert!(!typed.to_string().contains("hunter2"));
    }

    #[test]
    fn a_value_round_trips_to_the_byte() {
        let spec = plain("line\n\"quoted\" \\ \u{e4}\u{1F511}");
        let read: SecretSpec = serde_json::from_slice(&serde_json::to_vec(&spec).unwrap()).unwrap();
        assert_eq!(read.value.expose(), spec.value.expose());
    }
}
