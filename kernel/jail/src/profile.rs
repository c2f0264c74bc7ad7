//! What an agent of a kind needs inside: its program, its hosts, what it keeps. Data, bundled and of the user's own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use latchgate_wire::principal::is_name;
use serde::Deserialize;

use crate::exits::{HostError, Hosts};

/// Without a name: nothing but the system.
pub const GENERIC: &str = "generic";
const BUNDLED: &str = include_str!("profile/bundled.toml");

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    /// Empty where the user gives a command.
    pub command: Vec<String>,
    pub hosts: Vec<String>,
    /// Relative to the home inside.
    pub state: Vec<PathBuf>,
    pub env: BTreeMap<String, String>,
}

/// All that there are, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Profile>);

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{file}: {reason}")]
    Form { file: String, reason: String },
    #[error("{file}, profile {profile}: {source}")]
    Host { file: String, profile: String, source: HostError },
    #[error("{file}, profile {profile}: {path} is no path below the home")]
    State { file: String, profile: String, path: PathBuf },
}

impl Profiles {
    /// Those that are bundled, and those of `*.toml` in `dir`, which stand in for bundled ones of their names.
    ///
    /// # Errors
    /// The first that is none.
    pub fn load(dir: &Path) -> Result<Self, ProfileError> {
        let mut profiles = read("bundled", BUNDLED)?;
        for path in files(dir).map_err(|source| ProfileError::Io { path: dir.to_owned(), source })? {
            let text = fs::read_to_string(&path)
                .map_err(|source| ProfileError::Io { path: path.clone(), source })?;
            profiles.extend(read(&path.display().to_string(), &text)?);
        }
        Ok(Self(profiles))
    }

    pub fn named(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    pub fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

fn read(file: &str, text: &str) -> Result<BTreeMap<String, Profile>, ProfileError> {
    let form = |reason: String| ProfileError::Form { file: file.to_owned(), reason };
    let profiles: BTreeMap<String, Profile> =
        toml::from_str(text).map_err(|error| form(error.to_string()))?;
    for (name, profile) in &profiles {
        if !is_name(name) {
            return Err(form(format!("{name}: expected a name of 1 to 64 of `A-Z a-z 0-9 . _ -`")));
        }
        Hosts::parse(profile.hosts.iter().map(String::as_str)).map_err(|source| ProfileError::Host {
            file: file.to_owned(),
            profile: name.clone(),
            source,
        })?;
        if let Some(path) = profile.state.iter().find(|path| !is_below(path)) {
            let path = path.clone();
            return Err(ProfileError::State { file: file.to_owned(), profile: name.clone(), path });
        }
    }
    Ok(profiles)
}

fn is_below(path: &Path) -> bool {
    path.components().count() > 0 && path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_ones_are_sound_and_the_users_stand_in_for_them() {
        let dir = tempfile::tempdir().unwrap();
        let bundled = Profiles::load(&dir.path().join("none")).unwrap();
        let expected =
            ["aider", "claude-code", "codex", "cursor-agent", "gemini-cli", "generic", "goose", "opencode"];
        assert_eq!(bundled.names(), expected);
        fs::write(
            dir.path().join("own.toml"),
            "[codex]\nhosts = [\"llm.test\"]\n[mine]\ncommand = [\"x\"]\n",
        )
        .unwrap();
        let own = Profiles::load(dir.path()).unwrap();
        assert_eq!(own.named("codex").unwrap().hosts, ["llm.test"]);
        assert_eq!(own.named("mine").unwrap().command, ["x"]);
    }

    #[test]
    fn what_is_no_profile_is_refused_with_its_file() {
        for text in [
            "[a]\nhost = []",
            "[a]\nhosts = [\"https://x\"]",
            "[a]\nstate = [\"../x\"]",
            "[a]\nstate = [\"/x\"]",
            "['a/b']",
        ] {
            let error = read("own.toml", text).unwrap_err().to_string();
            assert!(error.starts_with("own.toml"), "{error}");
        }
    }
}
