//! What taking a gate off a machine deletes: a list first, and then what stands in the list and nothing else.
//!
//! Links are deleted themselves and never followed. A directory goes when nothing is left in it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::Serialize;

use crate::home::places::Places;

/// Whether the ledger goes as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ledger {
    /// With what it is verified by: its public key and the newest checkpoint known.
    Kept,
    Deleted,
}

/// Something that is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `sockets`, `configuration`, `keys`, `secrets`, `index`, `cache`, `log` or `ledger`.
    pub what: &'static str,
    pub path: PathBuf,
    #[serde(skip)]
    is_dir: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    #[error("a gate runs on {0}")]
    Running(PathBuf),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl UninstallError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// A list, and the locks that keep a gate from starting on what it names.
#[derive(Debug)]
pub struct Plan {
    pub items: Vec<Item>,
    _locks: Vec<fs::File>,
}

/// What became of it.
#[derive(Debug, Default, Serialize)]
pub struct Deleted {
    pub deleted: Vec<PathBuf>,
    /// Directories that hold something which is not the gate's.
    pub left: Vec<PathBuf>,
}

/// Lists what there is.
///
/// # Errors
/// While a gate runs; if a directory cannot be read.
pub fn plan(places: &Places, ledger: Ledger) -> Result<Plan, UninstallError> {
    let locks = locks(places)?;
    let mut list = List { items: Vec::new() };
    for socket in [places.agent_socket(), places.admin_socket()] {
        list.tree("sockets", &socket)?;
        list.tree("sockets", &socket.with_extension("lock"))?;
    }
    list.dir("sockets", &places.admin_dir());
    list.dir("sockets", &places.run_dir);
    list.tree("configuration", &places.config_file())?;
    for dir in [places.manifests_dir(), places.policies_dir(), places.operators_dir(), places.agents_dir()] {
        list.tree("configuration", &dir)?;
    }
    list.tree("index", &places.index_dir())?;
    let mut broken = places.index_dir().into_os_string();
    broken.push(".broken");
    list.tree("index", Path::new(&broken))?;
    list.tree("cache", &places.cache_dir())?;
    list.tree("log", &places.log_file())?;
    list.tree("log", &places.log_file().with_extension("log.1"))?;
    list.tree("secrets", &places.secrets_file())?;
    list.keys(places, ledger)?;
    if ledger == Ledger::Deleted {
        list.tree("ledger", &places.ledger_dir())?;
    }
    list.dir("configuration", &places.state_dir);
    list.dir("configuration", &places.config_dir);
    Ok(Plan { items: list.items, _locks: locks })
}

impl Plan {
    /// Deletes the list, in its order.
    ///
    /// # Errors
    /// At the first thing that cannot be deleted; what was deleted before is gone.
    pub fn carry_out(&self) -> Result<Deleted, UninstallError> {
        let mut done = Deleted::default();
        for item in &self.items {
            let removed = if item.is_dir { fs::remove_dir(&item.path) } else { fs::remove_file(&item.path) };
            match removed {
                Ok(()) => done.deleted.push(item.path.clone()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if item.is_dir && error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                    done.left.push(item.path.clone());
                }
                Err(error) => return Err(UninstallError::io(&item.path)(error)),
            }
        }
        Ok(done)
    }
}

struct List {
    items: Vec<Item>,
}

impl List {
    /// A file, a link, or a directory behind everything in it; nothing if it is not there.
    fn tree(&mut self, what: &'static str, path: &Path) -> Result<(), UninstallError> {
        let found = match fs::symlink_metadata(path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(UninstallError::io(path)(error)),
        };
        if found.is_dir() {
            for path in sorted(path)? {
                self.tree(what, &path)?;
            }
        }
        self.items.push(Item { what, path: path.to_owned(), is_dir: found.is_dir() });
        Ok(())
    }

    /// A directory alone, if it is one: what is in it was listed, or is not the gate's.
    fn dir(&mut self, what: &'static str, path: &Path) {
        let is_dir = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        if is_dir && !self.items.iter().any(|item| item.path == path) {
            self.items.push(Item { what, path: path.to_owned(), is_dir });
        }
    }

    fn keys(&mut self, places: &Places, ledger: Ledger) -> Result<(), UninstallError> {
        let dir = places.keys_dir();
        let of_ledger = [places.entry_public_key(), places.last_checkpoint()];
        if !fs::symlink_metadata(&dir).is_ok_and(|found| found.is_dir()) {
            return self.tree("keys", &dir);
        }
        for path in sorted(&dir)? {
            match (of_ledger.contains(&path), ledger) {
                (false, _) => self.tree("keys", &path)?,
                (true, Ledger::Deleted) => self.tree("ledger", &path)?,
                (true, Ledger::Kept) => {}
            }
        }
        self.dir("keys", &dir);
        Ok(())
    }
}

fn sorted(dir: &Path) -> Result<Vec<PathBuf>, UninstallError> {
    let items = fs::read_dir(dir).map_err(UninstallError::io(dir))?;
    let paths: io::Result<Vec<PathBuf>> = items.map(|item| item.map(|item| item.path())).collect();
    let mut paths = paths.map_err(UninstallError::io(dir))?;
    paths.sort();
    Ok(paths)
}

/// What a running gate holds: the locks of its sockets and of its ledger.
fn locks(places: &Places) -> Result<Vec<fs::File>, UninstallError> {
    let sockets = [places.agent_socket(), places.admin_socket()].map(|socket| socket.with_extension("lock"));
    let mut locks = Vec::new();
    for path in sockets.into_iter().chain([places.ledger_dir().join("lock")]) {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(UninstallError::io(&path)(error)),
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => locks.push(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(UninstallError::Running(places.config_dir.clone()));
            }
            Err(error) => return Err(UninstallError::io(&path)(error.into())),
        }
    }
    Ok(locks)
}
