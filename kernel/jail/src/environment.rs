//! The environment inside: a short list of what programs need from outside, and what the jail says itself.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// How text, time and the terminal are; nothing that points at a file, a socket or a secret.
const TAKEN_OVER: [&str; 14] = [
    "TERM",
    "COLORTERM",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "LANG",
    "LANGUAGE",
    "TZ",
    "NO_COLOR",
    "FORCE_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "LINES",
    "USER",
];
const TAKEN_OVER_PREFIX: &str = "LC_";

/// Names and values, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What is taken over of the caller's variables.
    pub fn taken_over(outside: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(outside.into_iter().filter(|(name, _)| is_taken_over(name)).collect())
    }

    /// The later value stands.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    pub fn into_pairs(self) -> Vec<(OsString, OsString)> {
        self.0.into_iter().collect()
    }
}

fn is_taken_over(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| TAKEN_OVER.contains(&name) || name.starts_with(TAKEN_OVER_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sockets_and_loaders_stay_outside() {
        let outside = [
            ("TERM", "xterm"),
            ("LC_ALL", "C.UTF-8"),
            ("ANTHROPIC_API_KEY", "k"),
            ("SSH_AUTH_SOCK", "/s"),
            ("LD_PRELOAD", "x"),
            ("LATCHGATE_HOME", "/h"),
            ("LATCHGATE_OPERATOR_PASSPHRASE_FILE", "/p"),
            ("DOCKER_HOST", "d"),
        ];
        let taken = Environment::taken_over(outside.map(|(name, value)| (name.into(), value.into())));
        let names: Vec<_> = taken.into_pairs().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["LC_ALL", "TERM"]);
    }
}
