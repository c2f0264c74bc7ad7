//! The list of hosts that may be reached: exact names, and names below a domain.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What is on the list, in text and for the ledger. Empty: nothing is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(BTreeSet<Pattern>);

/// A name in lower case without a trailing dot; `*.` in front of one stands for every name below it, and not for itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern(String);

/// The text names no host.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}: expected a host name such as api.example.com or *.example.com, without scheme, port or path")]
pub struct HostError(String);

impl Hosts {
    /// # Errors
    /// The first that is no host name.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, HostError> {
        texts.into_iter().map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        is_name(&host) && self.0.iter().any(|pattern| pattern.covers(&host))
    }

    pub fn to_strings(&self) -> Vec<String> {
        self.0.iter().map(|pattern| pattern.0.clone()).collect()
    }
}

impl Pattern {
    fn covers(&self, host: &str) -> bool {
        match self.0.strip_prefix("*.") {
            Some(domain) => {
                host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            None => self.0 == host,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let lower = text.to_ascii_lowercase();
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        // `*.com` is the whole of it.
        let is_wide = lower.starts_with("*.") && !name.contains('.');
        if is_name(name) && !is_wide { Ok(Self(lower)) } else { Err(HostError(text.to_owned())) }
    }
}

/// Letters, digits and hyphens in labels of 1 to 63 (RFC 1123 section 2.1), with a last one that is no number: what could be
/// read as an address is none.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    let last_is_number = |last: &str| last.starts_with(|c: char| c.is_ascii_digit());
    text.len() <= 253 && text.split('.').all(is_label) && !text.rsplit('.').next().is_some_and(last_is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_and_names_below_a_domain_are_covered() {
        let hosts = Hosts::parse(["api.one.test", "*.two.test"]).unwrap();
        for host in ["api.one.test", "API.One.Test", "a.two.test", "a.b.two.test"] {
            assert!(hosts.contains(host), "{host}");
        }
        for host in [
            "one.test",
            "x.api.one.test",
            "two.test",
            ".two.test",
            "eviltwo.test",
            "api.one.test.",
            "api.one.test.evil.test",
            "api.one.test\0",
            "",
            "127.0.0.1",
            "[::1]",
            "a..two.test",
            "api.one.test:443",
            "a@two.test",
            "*.two.test",
        ] {
            assert!(!hosts.contains(host), "{host}");
        }
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for text in [
            "",
            "*",
            "*.",
            "*.test",
            "https://a.test",
            "a.test:443",
            "a.test/x",
            "1.2.3.4",
            "::1",
            "a b.test",
            "é.test",
        ] {
            assert!(Hosts::parse([text]).is_err(), "{text}");
        }
    }
}
