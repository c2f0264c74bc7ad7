//! Who asks: the principal that owns calls, approvals and receipts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A verified caller. Text form `uid:N`, `jail:NAME` or `agent:NAME`; a name is 1 to 64 of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// The peer credentials of the Unix socket.
    Uid(u32),
    /// A jail's own listener.
    Jail(String),
    /// An enrolled key that proved itself when the lease was issued.
    Agent(String),
}

/// The text names no principal.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `uid:N`, `jail:NAME` or `agent:NAME`")]
pub struct PrincipalError;

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uid(uid) => write!(f, "uid:{uid}"),
            Self::Jail(name) => write!(f, "jail:{name}"),
            Self::Agent(name) => write!(f, "agent:{name}"),
        }
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        let (kind, rest) = text.split_once(':').ok_or(PrincipalError)?;
        match kind {
            "uid" => {
                let uid: u32 = rest.parse().map_err(|_| PrincipalError)?;
                if uid.to_string() == rest { Ok(Self::Uid(uid)) } else { Err(PrincipalError) }
            }
            "jail" if is_name(rest) => Ok(Self::Jail(rest.to_owned())),
            "agent" if is_name(rest) => Ok(Self::Agent(rest.to_owned())),
            _ => Err(PrincipalError),
        }
    }
}

/// Whether `text` can be the name of an agent, jail or operator: 1 to 64 of `A-Z a-z 0-9 . _ -`.
pub fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-'))
}

impl Serialize for Principal {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips() {
        for text in ["uid:0", "uid:4294967295", "jail:claude-code", "agent:ci.1"] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_principal_is_refused() {
        for text in ["", "uid:", "uid:-1", "uid:+1", "uid:01", "root", "agent:", "agent:a/b", "Agent:x"] {
            assert_eq!(text.parse::<Principal>(), Err(PrincipalError), "{text}");
        }
    }
}
