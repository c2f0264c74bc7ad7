//! Jails: how strong one is, what the gate is asked about it, and what the ledger says of it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of the kernel a jail must be given before anything is started in it. Ordered: a later one holds all of an earlier
/// one. Whatever more the kernel has is used at every level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Namespaces alone: what the kernel's whole surface allows to a user without privileges, the agent may try. Weaker than
    /// the default, and so in force only where it was asked for by name.
    Namespaces,
    /// Namespaces and the seccomp filter.
    #[default]
    Standard,
    /// Namespaces, the seccomp filter and Landlock.
    Strict,
}

/// The text names no level.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected `strict`, `standard` or `namespaces`")]
pub struct LevelError;

/// Body of `POST /v1/jails`: a listener for the jail of this name, as long as the process that asks lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailRequest {
    /// As in the principal `jail:NAME`.
    pub name: String,
    pub level: Level,
    pub profile: String,
    /// Names of the hosts that may be reached from inside, past the gate's actions.
    pub hosts: Vec<String>,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailOpened {
    pub name: String,
    /// The listener's path, on the machine.
    pub socket: PathBuf,
    pub log_index: u64,
}

/// Body of `POST /v1/jails/{name}/connections`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailConnections {
    /// 1 to [`CONNECTIONS_MAX`].
    pub connections: Vec<Connection>,
}

/// The most that one request and one entry hold.
pub const CONNECTIONS_MAX: usize = 100;

/// One attempt to reach a host from inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// As it was asked for, cut to 255 bytes.
    pub host: String,
    pub port: u16,
    /// Why it was refused or failed; absent where it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// How many times the same was seen in a row.
    pub count: u64,
}

/// A listener was opened for a jail: calls from it are `jail:NAME`'s.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailStarted {
    pub jail: String,
    pub level: Level,
    pub profile: String,
    pub hosts: Vec<String>,
    pub operator: String,
}

/// What was reached, or was to be reached, past the gate's actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailConnected {
    pub jail: String,
    pub level: Level,
    pub connections: Vec<Connection>,
}

/// The listener was closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailEnded {
    pub jail: String,
    pub level: Level,
    pub reason: JailEnd,
}

/// Why a listener was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JailEnd {
    /// The process that had asked for it is gone.
    Ended,
    /// The gate was stopped.
    GateStopped,
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Standard => "standard",
            Self::Strict => "strict",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        match text {
            "namespaces" => Ok(Self::Namespaces),
            "standard" => Ok(Self::Standard),
            "strict" => Ok(Self::Strict),
            _ => Err(LevelError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_the_order_is_that_of_strength() {
        let levels = [Level::Namespaces, Level::Standard, Level::Strict];
        assert!(levels.is_sorted());
        for level in levels {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        assert_eq!("none".parse::<Level>(), Err(LevelError));
    }
}
