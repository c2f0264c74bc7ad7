//! Policy sets by the names that a user gives them, and the actions they are judged with.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchgate_monitor::catalog::{Action, Catalog};
use latchgate_monitor::policy::Source;

use crate::home::places::Places;
use crate::setup::builtin::{self, Preset};
use crate::setup::loading;
use crate::setup::start::StartError;

/// Where policy is to be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetName {
    /// `home`: the files of the local gate's home, in force or not yet.
    Home,
    /// `preset:NAME`.
    Preset(Preset),
    /// A directory of `*.cedar` and `*.yaml`, or one such file.
    Path(PathBuf),
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum PolicyToolError {
    #[error("{path}: {source}", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{}", .0.display())]
    NoPolicy(PathBuf),
    /// Each with file, line and remedy.
    #[error("{}", .0.join("\n"))]
    Problems(Vec<String>),
    #[error("there is no action `{action}`; expected one of {known}")]
    NoAction { action: String, known: String },
    #[error("{0}")]
    Arguments(String),
    #[error("nothing in the ledger has the id {0}")]
    NotRecorded(String),
    #[error(transparent)]
    Home(#[from] StartError),
}

impl std::str::FromStr for SetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("preset:") {
            Some(name) => Preset::named(name).map(Self::Preset).ok_or_else(|| {
                let names: Vec<_> = builtin::PRESETS.iter().map(|preset| preset.name).collect();
                format!("expected preset: and one of {}", names.join(", "))
            }),
            None if text == "home" => Ok(Self::Home),
            None => Ok(Self::Path(text.into())),
        }
    }
}

impl std::fmt::Display for SetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Home => f.write_str("home"),
            Self::Preset(preset) => write!(f, "preset:{}", preset.name),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// The files of a set.
///
/// # Errors
/// A directory without any policy: an empty set denies everything, and is hardly what was meant.
pub fn sources(name: &SetName, places: &Places) -> Result<Vec<Source>, PolicyToolError> {
    match name {
        SetName::Home => Ok(loading::policies(places)?),
        SetName::Preset(preset) => Ok(vec![preset.source()]),
        SetName::Path(path) => {
            let files = if path.is_dir() { files(path)? } else { vec![path.clone()] };
            if files.is_empty() {
                return Err(PolicyToolError::NoPolicy(path.clone()));
            }
            files.iter().map(|path| source(path)).collect()
        }
    }
}

/// The actions of the local home, or those that ship where there is no home.
pub fn actions(places: &Places) -> Result<BTreeMap<String, Arc<Action>>, PolicyToolError> {
    let manifests =
        if places.manifests_dir().is_dir() { loading::manifests(places)? } else { builtin::manifests() };
    let catalog = Catalog::load(&manifests, &[]).map_err(PolicyToolError::Problems)?;
    Ok(catalog.actions)
}

/// A set over actions.
pub fn catalog(
    actions: &BTreeMap<String, Arc<Action>>,
    sources: &[Source],
) -> Result<Catalog, PolicyToolError> {
    let manifests: Vec<_> = actions.values().map(|action| &action.manifest).collect();
    let policy = latchgate_monitor::policy::Policy::load(sources, &manifests)
        .map_err(|errors| PolicyToolError::Problems(errors.iter().map(ToString::to_string).collect()))?;
    Ok(Catalog { actions: actions.clone(), policy })
}

/// Policy files of a directory, by name. What lies in directories below is none.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>, PolicyToolError> {
    let io = |source| PolicyToolError::Io { path: dir.to_owned(), source };
    let mut paths = Vec::new();
    for file in std::fs::read_dir(dir).map_err(io)? {
        let path = file.map_err(io)?.path();
        let is_policy = path.extension().is_some_and(|found| found == "cedar" || found == "yaml");
        if is_policy && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn source(path: &Path) -> Result<Source, PolicyToolError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| PolicyToolError::Io { path: path.to_owned(), source })?;
    Ok(Source { name: path.display().to_string(), text })
}
