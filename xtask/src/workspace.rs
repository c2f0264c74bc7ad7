//! What `cargo metadata` says about a workspace: where it is, its packages, what they depend on.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process;

/// The part of `cargo metadata --no-deps` that xtask reads.
#[derive(Debug, Deserialize)]
pub struct Workspace {
    #[serde(rename = "workspace_root")]
    pub root: PathBuf,
    #[serde(rename = "target_directory")]
    pub target: PathBuf,
    pub packages: Vec<Package>,
}

/// One member of the workspace.
#[derive(Debug, Clone, Deserialize)]
pub struct Package {
    pub name: String,
    pub manifest_path: PathBuf,
    pub dependencies: Vec<Dependency>,
}

/// One declared dependency; optional and platform-specific ones are listed like any other.
#[derive(Debug, Clone, Deserialize)]
pub struct Dependency {
    /// The package's own name, whatever it is renamed to.
    pub name: String,
    #[serde(default)]
    pub kind: Kind,
    /// Set for what lives in the same tree.
    pub path: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Option<String>")]
pub enum Kind {
    #[default]
    Normal,
    Build,
    Dev,
}

impl From<Option<String>> for Kind {
    fn from(kind: Option<String>) -> Self {
        match kind.as_deref() {
            Some("dev") => Self::Dev,
            Some("build") => Self::Build,
            _ => Self::Normal,
        }
    }
}

impl Workspace {
    /// The workspace xtask itself belongs to.
    ///
    /// # Errors
    /// `cargo metadata` fails or its answer is not understood.
    pub fn here() -> Result<Self> {
        let xtask =
            std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let manifest = Path::new(&xtask).join("Cargo.toml");
        Self::at(&manifest)
    }

    /// The workspace that the manifest belongs to.
    ///
    /// # Errors
    /// As [`Workspace::here`].
    pub fn at(manifest: &Path) -> Result<Self> {
        let directory = manifest.parent().context("a manifest lies in a directory")?;
        let mut command = process::cargo(directory);
        command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
        let text = process::output(&mut command)?;
        serde_json::from_str(&text).context("answer of `cargo metadata` not understood")
    }

    pub fn has(&self, package: &str) -> bool {
        self.packages.iter().any(|member| member.name == package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_found_is_the_one_that_holds_xtask() {
        let workspace = Workspace::here().unwrap();
        assert!(workspace.has("xtask"));
        assert!(!workspace.has("no-such-package"));
        assert!(workspace.root.join("xtask/Cargo.toml").exists());
    }

    #[test]
    fn kinds_of_dependencies_are_told_apart() {
        for (json, kind) in [
            (r#"{"name":"a","kind":null,"path":null}"#, Kind::Normal),
            (r#"{"name":"a","kind":"dev","path":null}"#, Kind::Dev),
            (r#"{"name":"a","kind":"build","path":null}"#, Kind::Build),
        ] {
            assert_eq!(serde_json::from_str::<Dependency>(json).unwrap().kind, kind, "{json}");
        }
    }
}
