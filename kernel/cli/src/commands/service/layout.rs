//! Where a service's things lie, and the names of its user and group.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A name for `useradd` and `groupadd` (useradd(8)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountName(String);

impl AccountName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_start = |c: char| c.is_ascii_lowercase() || c == '_';
        let is_rest = |c: char| is_start(c) || c.is_ascii_digit() || c == '-';
        let fits = text.len() <= 31 && text.starts_with(is_start) && text.chars().all(is_rest);
        match (fits, text) {
            (true, "root") => {
                Err("root is nobody to keep anything from; expected a user or group of its own".into())
            }
            (true, _) => Ok(Self(text.to_owned())),
            (false, _) => Err("expected 1 to 31 of `a-z 0-9 _ -`, a letter or `_` first".into()),
        }
    }
}

/// Below the root of the file system, or below `--prefix`.
#[derive(Clone, Debug)]
pub struct Layout {
    prefix: Option<PathBuf>,
}

impl Layout {
    pub fn new(prefix: Option<PathBuf>) -> Self {
        Self { prefix }
    }

    /// The machine itself, so that users are made and services run.
    pub fn is_machine(&self) -> bool {
        self.prefix.is_none()
    }

    pub fn unit(&self) -> PathBuf {
        self.at("etc/systemd/system/latchgate.service")
    }

    pub fn config(&self) -> PathBuf {
        self.at("etc/latchgate")
    }

    pub fn state(&self) -> PathBuf {
        self.at("var/lib/latchgate")
    }

    /// What has a process of ours find this home: the directories above it.
    pub fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("XDG_CONFIG_HOME", self.at("etc")),
            ("XDG_STATE_HOME", self.at("var/lib")),
            // Nothing listens below a prefix, where a path may be too long for a socket.
            ("XDG_RUNTIME_DIR", if self.is_machine() { "/run" } else { "/nonexistent" }.into()),
        ]
    }

    /// A path as the machine will see it once the package is installed.
    pub fn installed(&self, path: &Path) -> PathBuf {
        let below = self.prefix.as_ref().and_then(|prefix| path.strip_prefix(prefix).ok());
        below.map_or_else(|| path.to_owned(), |path| Path::new("/").join(path))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.prefix.as_deref().unwrap_or(Path::new("/")).join(path)
    }
}

/// A line of /etc/passwd or /etc/group, split (passwd(5), group(5)).
pub fn account(file: &str, name: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(file).ok()?;
    let mut lines = text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>());
    lines.find(|fields| fields.first().is_some_and(|found| found == name))
}

/// The members of a group whose group it is not first.
pub fn members(group: &[String]) -> Vec<&str> {
    group.get(3).map_or("", String::as_str).split(',').filter(|member| !member.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_the_tools_take_and_never_options() {
        for name in ["latchgate", "_gate", "gate-1"] {
            assert!(name.parse::<AccountName>().is_ok(), "{name}");
        }
        for name in ["", "-x", "1a", "a b", "A", "a:b", "root", "a\nb", &"a".repeat(32)] {
            assert!(name.parse::<AccountName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_packages_files_are_named_as_the_machine_will_see_them() {
        let layout = Layout::new(Some("/tmp/p".into()));
        assert_eq!(layout.unit(), Path::new("/tmp/p/etc/systemd/system/latchgate.service"));
        assert_eq!(layout.installed(Path::new("/tmp/p/usr/bin/latchgate")), Path::new("/usr/bin/latchgate"));
        assert_eq!(layout.installed(Path::new("/usr/bin/latchgate")), Path::new("/usr/bin/latchgate"));
    }
}
