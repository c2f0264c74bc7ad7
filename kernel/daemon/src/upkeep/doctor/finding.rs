//! One finding: what was seen, what it means, and the command that mends it.

use std::path::Path;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// The gate works; somebody should know.
    Warning,
    /// The gate does not start, refuses calls, or is not safe.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in one word.
    pub check: &'static str,
    pub level: Level,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<String>,
    /// A command to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, what)
    }

    pub fn warning(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Level::Warning, what)
    }

    pub fn problem(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Level::Problem, what)
    }

    #[must_use]
    pub fn means(self, means: impl Into<String>) -> Self {
        Self { means: Some(means.into()), ..self }
    }

    #[must_use]
    pub fn run(self, command: impl Into<String>) -> Self {
        Self { remedy: Some(command.into()), ..self }
    }

    fn new(check: &'static str, level: Level, what: impl Into<String>) -> Self {
        Self { check, level, what: what.into(), means: None, remedy: None }
    }
}

/// A path as a word of a shell's command line (POSIX shell, section 2.2.2).
pub fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_one_word_whatever_it_holds() {
        for (path, expected) in [("/a/b.c", "/a/b.c"), ("/a b", "'/a b'"), ("/it's;$x", "'/it'\\''s;$x'")] {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
