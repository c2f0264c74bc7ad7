//! A copy of a home that another machine can go on with: ledger, configuration and, unless left out, keys.
//!
//! ```text
//! latchgate-backup-TIME/
//!   backup.json   what it is a copy of, and how far the ledger goes
//!   entry.pub     the ledger's public key
//!   config/       latchgate.toml, manifests/, policies/, operators/, agents/
//!   ledger/       log/, payload/, policy/, keys/, checkpoint, checkpoints
//!   keys/         the gate's keys, its operators' of this machine, and what opens secrets.age
//!   secrets.age   the secrets of services, encrypted
//! ```
//!
//! Index, cache and `gate.log` are not part of it: the first two are rebuilt, the last is no evidence.

mod sink;
mod tar;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use latchgate_ledger::OpenError;
pub use latchgate_ledger::snapshot::Notes;
use latchgate_ledger::snapshot::Snapshot;
use latchgate_wire::time::Timestamp;
use serde::Serialize;

use crate::home::places::Places;
use sink::Sink;

/// The layout above.
const FORMAT: u32 = 1;

/// Where a backup goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A new directory in this one, which is made if it is not there.
    In(PathBuf),
    /// One file, a tar archive (POSIX.1-1988 ustar).
    Archive(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    Included,
    LeftOut,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    pub path: PathBuf,
    pub entries: u64,
    pub files: usize,
    pub bytes: u64,
    pub has_keys: bool,
    /// Links and other things among the configuration that are no files.
    pub left_out: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("there is no ledger at {0} to copy")]
    NoLedger(PathBuf),
    #[error("{path} has mode {mode:04o}: others could read the keys in a backup there")]
    Readable { path: PathBuf, mode: u32 },
    #[error("{path} has mode {mode:04o}: others could replace a backup there")]
    Replaceable { path: PathBuf, mode: u32 },
    #[error("{0} is there already, and no backup is overwritten")]
    Exists(PathBuf),
    #[error("{0} keeps no modes, so others could read the keys in a backup there")]
    NoModes(PathBuf),
    #[error("{0}")]
    Ledger(#[from] OpenError),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

impl BackupError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// The checkpoints of a home, to be read before its gate is asked how far it has synced.
///
/// # Errors
/// If there is no ledger.
pub fn notes(places: &Places) -> Result<Notes, BackupError> {
    let dir = places.ledger_dir();
    if !dir.join("log").is_dir() {
        return Err(BackupError::NoLedger(dir));
    }
    Ok(Notes::read(&dir, &places.last_checkpoint())?)
}

/// Writes a backup, whole or not at all. `synced` is what the running gate said, if one runs.
///
/// # Errors
/// With secrets included, a destination that others could read; anything that cannot be read or written.
pub fn write(
    places: &Places,
    notes: Notes,
    synced: Option<u64>,
    destination: &Destination,
    secrets: Secrets,
    now: Timestamp,
) -> Result<Backup, BackupError> {
    admit(destination, secrets)?;
    let snapshot = Snapshot::take(&places.ledger_dir(), notes, synced)?;
    let name = format!("latchgate-backup-{}", now.to_string().replace([':', '.'], "-"));
    let mut writer =
        Writer { sink: Sink::begin(destination, &name)?, files: 0, bytes: 0, left_out: Vec::new() };
    let path = writer.sink.path().to_owned();
    let filled = fill(&mut writer, places, &snapshot, secrets, now);
    match filled.and_then(|()| writer.sink.finish()) {
        Ok(()) => Ok(Backup {
            path,
            entries: snapshot.entries,
            files: writer.files,
            bytes: writer.bytes,
            has_keys: secrets == Secrets::Included,
            left_out: writer.left_out,
        }),
        Err(error) => {
            // What went wrong is worth more than what is left of it.
            let _left = writer.sink.abandon();
            Err(error)
        }
    }
}

/// Keys are secret: nobody else may read what lies there, or put something else in its place.
fn admit(destination: &Destination, secrets: Secrets) -> Result<(), BackupError> {
    let (dir, is_archive) = match destination {
        Destination::In(dir) => (dir.as_path(), false),
        Destination::Archive(file) => {
            (file.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new(".")), true)
        }
    };
    let mode = match fs::metadata(dir) {
        Ok(found) => found.permissions().mode() & 0o7777,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_archive => return Ok(()),
        Err(error) => return Err(BackupError::io(dir)(error)),
    };
    let path = dir.to_owned();
    // In a sticky directory such as /tmp nobody replaces another's files.
    if mode & 0o022 != 0 && mode & 0o1000 == 0 {
        return Err(BackupError::Replaceable { path, mode });
    }
    // An archive is one file of mode 0600, wherever it lies.
    if mode & 0o077 != 0 && secrets == Secrets::Included && !is_archive {
        return Err(BackupError::Readable { path, mode });
    }
    Ok(())
}

struct Writer {
    sink: Sink,
    files: usize,
    bytes: u64,
    left_out: Vec<PathBuf>,
}

fn fill(
    writer: &mut Writer,
    places: &Places,
    snapshot: &Snapshot,
    secrets: Secrets,
    now: Timestamp,
) -> Result<(), BackupError> {
    let about = serde_json::json!({
        "format": FORMAT,
        "version": env!("CARGO_PKG_VERSION"),
        "gate": fs::read_to_string(places.keys_dir().join("origin")).unwrap_or_default().trim(),
        "home": places.config_dir,
        "taken_at": now,
        "entries": snapshot.entries,
        "keys": secrets == Secrets::Included,
    });
    writer.text("backup.json", format!("{about:#}\n").as_bytes())?;
    writer.file(Path::new("entry.pub"), &places.entry_public_key())?;
    writer.folder("ledger")?;
    for name in ["log", "payload", "policy", "keys", "recovered"] {
        writer.folder(&format!("ledger/{name}"))?;
    }
    for part in &snapshot.parts {
        writer.copy(&Path::new("ledger").join(&part.name), &part.path, part.bytes)?;
    }
    if let Some(note) = &snapshot.checkpoint {
        writer.text("ledger/checkpoint", note)?;
    }
    writer.folder("config")?;
    writer.file(Path::new("config/latchgate.toml"), &places.config_file())?;
    for dir in [places.manifests_dir(), places.policies_dir(), places.operators_dir(), places.agents_dir()] {
        let name = dir.file_name().map(PathBuf::from).unwrap_or_default();
        writer.tree(&Path::new("config").join(name), &dir)?;
    }
    if secrets == Secrets::Included {
        writer.keys(places, snapshot)?;
    }
    Ok(())
}

impl Writer {
    fn keys(&mut self, places: &Places, snapshot: &Snapshot) -> Result<(), BackupError> {
        self.whole("secrets.age", &places.secrets_file())?;
        self.folder("keys")?;
        for path in files_in(&places.keys_dir())? {
            let name = path.file_name().map(PathBuf::from).unwrap_or_default();
            // As it was before the log was copied: a later one may have been signed over more.
            if path == places.last_checkpoint() {
                continue;
            }
            self.file(&Path::new("keys").join(name), &path)?;
        }
        match &snapshot.last_checkpoint {
            Some(note) => self.text("keys/last-checkpoint", note),
            None => Ok(()),
        }
    }

    /// A directory with everything in it.
    fn tree(&mut self, name: &Path, dir: &Path) -> Result<(), BackupError> {
        self.folder(&name.display().to_string())?;
        for path in files_in(dir)? {
            let name = name.join(path.file_name().map(PathBuf::from).unwrap_or_default());
            let found = fs::symlink_metadata(&path).map_err(BackupError::io(&path))?;
            if found.is_dir() {
                self.tree(&name, &path)?;
            } else if found.is_file() {
                self.file(&name, &path)?;
            } else {
                self.left_out.push(path);
            }
        }
        Ok(())
    }

    fn folder(&mut self, name: &str) -> Result<(), BackupError> {
        self.sink.folder(Path::new(name))
    }

    /// A whole file, if it is there.
    fn file(&mut self, name: &Path, path: &Path) -> Result<(), BackupError> {
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => self.copy(name, path, found.len()),
            Ok(_) => {
                self.left_out.push(path.to_owned());
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(BackupError::io(path)(error)),
        }
    }

    /// A file that may be replaced while it is copied, if it is there.
    fn whole(&mut self, name: &str, path: &Path) -> Result<(), BackupError> {
        match fs::read(path) {
            Ok(bytes) => self.text(name, &bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(BackupError::io(path)(error)),
        }
    }

    fn copy(&mut self, name: &Path, path: &Path, bytes: u64) -> Result<(), BackupError> {
        let file = fs::File::open(path).map_err(BackupError::io(path))?;
        self.sink.file(name, bytes, &mut io::Read::take(file, bytes))?;
        self.count(bytes);
        Ok(())
    }

    fn text(&mut self, name: &str, text: &[u8]) -> Result<(), BackupError> {
        self.sink.file(Path::new(name), text.len() as u64, &mut &*text)?;
        self.count(text.len() as u64);
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// In order; nothing if there is no such directory.
fn files_in(dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let items = match fs::read_dir(dir) {
        Ok(items) => items,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(BackupError::io(dir)(error)),
    };
    let paths: io::Result<Vec<PathBuf>> = items.map(|item| item.map(|item| item.path())).collect();
    let mut paths = paths.map_err(BackupError::io(dir))?;
    paths.sort();
    Ok(paths)
}
