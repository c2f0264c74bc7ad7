//! What a value may be: read from what somebody wrote, shown again, described in words.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use latchgate_wire::notify::Event;
use latchgate_wire::principal::is_name;
use serde_json::{Value, json};

/// A value as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    Text(String),
    Whole(i64),
    Flag(bool),
    /// Letters that stand for any of these, as in the environment and on the command line.
    Spelled(String),
    /// Several texts.
    List(Vec<String>),
    /// A type that no setting has, by its name.
    Other(&'static str),
}

impl Raw {
    /// For an error. What looks like a URL with credentials is not repeated.
    pub fn told(&self) -> String {
        match self {
            Self::Text(text) | Self::Spelled(text) if text.contains('@') => "not shown here".into(),
            Self::Text(text) | Self::Spelled(text) => format!("`{}`", text.escape_debug()),
            Self::Whole(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(texts) => format!("`{}`", texts.join(", ").escape_debug()),
            Self::Other(kind) => format!("of type {kind}"),
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Spelled(text) => Some(text),
            Self::Whole(_) | Self::Flag(_) | Self::List(_) | Self::Other(_) => None,
        }
    }
}

/// A kind of value.
pub trait Kind {
    type Value;

    fn read(&self, raw: &Raw) -> Option<Self::Value>;
    fn shown(&self, value: &Self::Value) -> Value;
    fn expects(&self) -> String;

    fn example(&self) -> Option<Value> {
        None
    }

    fn absent(&self) -> Option<&'static str> {
        None
    }

    /// What is written here by mistake may be a secret: an error does not repeat it.
    fn hides(&self) -> bool {
        false
    }
}

/// A whole number, both bounds included.
pub struct Whole(pub u32, pub u32);

impl Kind for Whole {
    type Value = u32;

    fn read(&self, raw: &Raw) -> Option<u32> {
        let number = match raw {
            Raw::Whole(number) => u32::try_from(*number).ok()?,
            Raw::Spelled(text) => text.parse().ok()?,
            Raw::Text(_) | Raw::Flag(_) | Raw::List(_) | Raw::Other(_) => return None,
        };
        (self.0..=self.1).contains(&number).then_some(number)
    }

    fn shown(&self, value: &u32) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        format!("a whole number from {} to {}", self.0, self.1)
    }
}

pub struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, raw: &Raw) -> Option<bool> {
        match raw {
            Raw::Flag(flag) => Some(*flag),
            Raw::Spelled(text) => text.parse().ok(),
            Raw::Text(_) | Raw::Whole(_) | Raw::List(_) | Raw::Other(_) => None,
        }
    }

    fn shown(&self, value: &bool) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "true or false".into()
    }
}

/// Scheme and authority of a URL.
pub struct BaseUrl;

impl Kind for BaseUrl {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let url = raw.text()?;
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
        is_authority(rest).then(|| url.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "scheme and authority only, such as http://localhost:3000".into()
    }
}

/// An HTTP proxy, without credentials: a configuration file is no place for a secret.
pub struct Proxy;

impl Kind for Proxy {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let url = raw.text()?;
        let authority = url.strip_prefix("http://")?;
        let (host, port) = authority.rsplit_once(':')?;
        let is_whole =
            is_authority(authority) && !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
        is_whole.then(|| url.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "http://host:port, without user or path".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!("http://proxy.example:3128"))
    }
}

fn is_authority(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(['/', '?', '#', '@'])
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// With an example.
pub struct AbsolutePath(pub &'static str);

impl Kind for AbsolutePath {
    type Value = PathBuf;

    fn read(&self, raw: &Raw) -> Option<PathBuf> {
        raw.text().map(Path::new).filter(|path| path.is_absolute()).map(Path::to_owned)
    }

    fn shown(&self, value: &PathBuf) -> Value {
        json!(value.display().to_string())
    }

    fn expects(&self) -> String {
        "an absolute path".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!(self.0))
    }
}

/// Address and port of this machine alone.
pub struct Loopback;

impl Kind for Loopback {
    type Value = SocketAddr;

    fn read(&self, raw: &Raw) -> Option<SocketAddr> {
        raw.text()?.parse().ok().filter(|address: &SocketAddr| address.ip().is_loopback())
    }

    fn shown(&self, value: &SocketAddr) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "a loopback address and port (beyond this machine put TLS in front)".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!("127.0.0.1:3000"))
    }
}

/// The name of a group, or its number.
pub struct Group;

impl Kind for Group {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let name = raw.text()?;
        let is_name = (1..=GROUP_BYTES_MAX).contains(&name.len())
            && !name.starts_with('-')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        is_name.then(|| name.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "the name of a group, or its number".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!("latchgate-agents"))
    }
}

/// As useradd(8) takes them.
const GROUP_BYTES_MAX: usize = 32;

/// What a receiver is called.
pub struct ReceiverName;

impl Kind for ReceiverName {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let name = raw.text()?;
        let is_name = (1..=RECEIVER_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        is_name.then(|| name.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        if value.is_empty() { Value::Null } else { json!(value) }
    }

    fn expects(&self) -> String {
        "1 to 32 of a-z, 0-9 and -".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!("team"))
    }
}

const RECEIVER_BYTES_MAX: usize = 32;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    Webhook,
    Slack,
    Teams,
    Telegram,
    Ntfy,
}

impl Service {
    const ALL: [Self; 5] = [Self::Webhook, Self::Slack, Self::Teams, Self::Telegram, Self::Ntfy];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
        }
    }

    /// Whoever knows the URL may post there.
    pub fn is_secret_url(self) -> bool {
        matches!(self, Self::Slack | Self::Teams)
    }

    pub fn needs_secret(self) -> bool {
        matches!(self, Self::Webhook | Self::Telegram)
    }
}

pub struct ServiceKind;

impl Kind for ServiceKind {
    type Value = Service;

    fn read(&self, raw: &Raw) -> Option<Service> {
        let name = raw.text()?;
        Service::ALL.into_iter().find(|service| service.as_str() == name)
    }

    fn shown(&self, value: &Service) -> Value {
        json!(value.as_str())
    }

    fn expects(&self) -> String {
        Service::ALL.map(Service::as_str).join(", ")
    }
}

/// Which events somebody wants: a list of their names.
pub struct Events;

impl Kind for Events {
    type Value = BTreeSet<Event>;

    fn read(&self, raw: &Raw) -> Option<Self::Value> {
        let Raw::List(names) = raw else { return None };
        let event = |name: &String| Event::ALL.into_iter().find(|event| event.as_str() == name);
        names.iter().map(event).collect()
    }

    fn shown(&self, value: &Self::Value) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        format!("a list of {}", Event::ALL.map(Event::as_str).join(", "))
    }
}

/// Where a service is, without credentials.
pub struct HttpUrl;

impl Kind for HttpUrl {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let url = raw.text()?;
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
        let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic()) && !rest.contains('@');
        (is_plain && !rest.starts_with('/') && !rest.is_empty()).then(|| url.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "an https URL without user".into()
    }

    fn example(&self) -> Option<Value> {
        Some(json!("https://hooks.example/latchgate"))
    }
}

/// What a secret is called; never the secret.
pub struct SecretName(pub &'static str);

impl Kind for SecretName {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        raw.text().filter(|name| is_name(name)).map(str::to_owned)
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        "the name of a secret, never its value".into()
    }

    fn hides(&self) -> bool {
        true
    }

    fn example(&self) -> Option<Value> {
        Some(json!(self.0))
    }
}

/// One line of text, with an example.
pub struct Text(pub &'static str);

impl Kind for Text {
    type Value = String;

    fn read(&self, raw: &Raw) -> Option<String> {
        let text = raw.text()?;
        let is_line = (1..=TEXT_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        is_line.then(|| text.to_owned())
    }

    fn shown(&self, value: &String) -> Value {
        json!(value)
    }

    fn expects(&self) -> String {
        format!("one line of at most {TEXT_BYTES_MAX} bytes")
    }

    fn example(&self) -> Option<Value> {
        Some(json!(self.0))
    }
}

const TEXT_BYTES_MAX: usize = 200;

/// Another kind that may be left out, and what goes then.
pub struct Optional<K>(pub K, pub &'static str);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn read(&self, raw: &Raw) -> Option<Self::Value> {
        self.0.read(raw).map(Some)
    }

    fn shown(&self, value: &Self::Value) -> Value {
        value.as_ref().map_or(Value::Null, |value| self.0.shown(value))
    }

    fn expects(&self) -> String {
        self.0.expects()
    }

    fn example(&self) -> Option<Value> {
        self.0.example()
    }

    fn absent(&self) -> Option<&'static str> {
        Some(self.1)
    }

    fn hides(&self) -> bool {
        self.0.hides()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(text: &str) -> Raw {
        Raw::Spelled(text.into())
    }

    #[test]
    fn a_number_is_taken_up_to_its_bounds_and_no_further() {
        let kind = Whole(1, 3600);
        for (raw, expected) in [
            (Raw::Whole(1), Some(1)),
            (Raw::Whole(3600), Some(3600)),
            (spelled("3600"), Some(3600)),
            (Raw::Whole(0), None),
            (Raw::Whole(3601), None),
            (Raw::Whole(-1), None),
            (spelled("60s"), None),
            (Raw::Text("60".into()), None),
        ] {
            assert_eq!(kind.read(&raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn a_base_url_is_scheme_and_authority() {
        for url in ["http://localhost:3000", "https://gate.example", "http://[::1]:80"] {
            assert!(BaseUrl.read(&spelled(url)).is_some(), "{url}");
        }
        for url in [
            "localhost",
            "http://",
            "http://a/",
            "http://a?b",
            "http://u@a",
            "ftp://a",
            "http://a b",
            "http://a\n",
        ] {
            assert!(BaseUrl.read(&spelled(url)).is_none(), "{url}");
        }
    }

    #[test]
    fn a_proxy_has_host_and_port_and_no_credentials() {
        assert!(Proxy.read(&spelled("http://proxy.example:3128")).is_some());
        for url in [
            "proxy:3128",
            "http://proxy",
            "http://proxy:0",
            "http://:1",
            "https://proxy:1",
            "http://proxy:1/",
            "http://u:p@proxy:1",
        ] {
            assert!(Proxy.read(&spelled(url)).is_none(), "{url}");
        }
    }

    #[test]
    fn a_value_that_may_hold_credentials_is_not_repeated() {
        assert!(!spelled("http://user:secret@proxy:1").told().contains("secret"));
        assert_eq!(Raw::Text("a\u{1b}b".into()).told(), "`a\\u{1b}b`");
    }

    #[test]
    fn a_port_of_another_machine_is_refused() {
        assert!(Loopback.read(&spelled("127.0.0.1:0")).is_some());
        assert!(Loopback.read(&spelled("[::1]:3000")).is_some());
        assert!(Loopback.read(&spelled("0.0.0.0:3000")).is_none());
        assert!(Loopback.read(&spelled("localhost:3000")).is_none());
    }
}
