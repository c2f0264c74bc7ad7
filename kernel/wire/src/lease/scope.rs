//! What a lease lets its holder ask for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing a lease lets its holder ask for. Narrows policy, never widens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `tools:call`: every action.
    AllCalls,
    /// `action:<id>`; the id is 1 to 128 of `A-Z a-z 0-9 . _ -`.
    Action(String),
    /// `class:<c>`: actions of one class.
    Class(String),
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a scope: `tools:call`, `action:<id>` or `class:<class>`")]
pub struct ScopeError;

impl Scope {
    /// Whether it lets its holder ask for this action.
    pub fn covers(&self, action_id: &str, class: &str) -> bool {
        match self {
            Self::AllCalls => true,
            Self::Action(id) => id == action_id,
            Self::Class(name) => name == class,
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllCalls => f.write_str("tools:call"),
            Self::Action(id) => write!(f, "action:{id}"),
            Self::Class(class) => write!(f, "class:{class}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        match text.split_once(':') {
            Some(("tools", "call")) => Ok(Self::AllCalls),
            Some(("action", id)) if is_action_id(id) => Ok(Self::Action(id.to_owned())),
            Some(("class", class)) if CLASSES.contains(&class) => Ok(Self::Class(class.to_owned())),
            _ => Err(ScopeError),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// At least one scope, sorted, none twice. Text form: separated by one space each (RFC 6749 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// What a lease gets that did not ask for less.
    pub fn all_calls() -> Self {
        Self(vec![Scope::AllCalls])
    }

    /// # Errors
    /// [`ScopeError`] if there is none: an empty list would read as "nothing" to one and as "no limit" to another.
    pub fn new(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, ScopeError> {
        let mut scopes: Vec<Scope> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() { Err(ScopeError) } else { Ok(Self(scopes)) }
    }

    /// Whether the holder may ask for this action.
    pub fn cover(&self, action_id: &str, class: &str) -> bool {
        self.0.iter().any(|scope| scope.covers(action_id, class))
    }

    /// Whether these are the same as `other` or less, as a renewal must be. `action:x` counts as less than
    /// `class:read` only if it stands there too: what class an action has may change between two leases.
    pub fn within(&self, other: &Scopes) -> bool {
        other.0.contains(&Scope::AllCalls) || self.0.iter().all(|scope| other.0.contains(scope))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            write!(f, "{}{scope}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        Self::new(text.split(' ').map(Scope::from_str).collect::<Result<Vec<_>, _>>()?)
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn is_action_id(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// The classes that a manifest can give an action.
const CLASSES: [&str; 6] = ["read", "write", "send", "execute", "submit", "transfer_value"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_cover_what_they_name() {
        let scopes: Scopes = "class:read action:github_issue_create".parse().unwrap();
        assert_eq!(scopes.to_string(), "action:github_issue_create class:read");
        assert!(scopes.cover("github_issue_create", "write"));
        assert!(scopes.cover("http_fetch", "read"));
        assert!(!scopes.cover("http_fetch", "write"));
        assert!(!scopes.cover("github_issue", "write"));
        assert!(Scopes::all_calls().cover("anything", "transfer_value"));
    }

    #[test]
    fn scopes_only_narrow_on_renewal() {
        let scopes = |text: &str| text.parse::<Scopes>().unwrap();
        for (new, old, fine) in [
            ("tools:call", "tools:call", true),
            ("action:a", "tools:call", true),
            ("class:read", "class:read class:write", true),
            ("tools:call", "class:read", false),
            ("class:write", "class:read", false),
            ("action:a class:read", "action:a", false),
            ("action:a", "class:read", false),
        ] {
            assert_eq!(scopes(new).within(&scopes(old)), fine, "{new} within {old}");
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for text in [
            "",
            "*",
            "tools:*",
            "tools:call:x",
            "action:",
            "action:a/b",
            "action:a b",
            "class:Read",
            "class:all",
        ] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeError), "{text}");
        }
        assert_eq!(Scopes::new([]), Err(ScopeError));
    }
}
