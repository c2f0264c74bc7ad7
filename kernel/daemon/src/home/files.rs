//! Private files and directories: made 0600 and 0700, refused when somebody else could read or replace them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{path} belongs to uid {found}, not to uid {expected} who runs the gate; run: chown {expected} {path}"
    )]
    Owner { path: PathBuf, found: u32, expected: u32 },
    #[error("{path} has mode {found:04o}, which lets others in; run: chmod {expected:04o} {path}")]
    Mode { path: PathBuf, found: u32, expected: u32 },
    #[error(
        "{path} has mode {found:04o}, so the members of socket.group cannot pass through it; run: chmod 0711 {path}"
    )]
    Closed { path: PathBuf, found: u32 },
    #[error("{path} is not a {expected}; move it away")]
    Kind { path: PathBuf, expected: &'static str },
}

impl FileError {
    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// Makes the directory and its parents if need be, and refuses one that others could enter.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::io(path))?;
    }
    check(path, "directory", 0o700)
}

/// Makes a directory that others may enter and nobody else may change: a private one is opened.
pub fn open_dir(path: &Path) -> Result<(), FileError> {
    if !path.exists() {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::io(path))?;
    }
    check(path, "directory", 0o755)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(FileError::io(path))
}

/// Refuses a directory that others cannot pass through, or can list or change.
pub fn check_passage(path: &Path) -> Result<(), FileError> {
    check(path, "directory", 0o711)?;
    let found = fs::symlink_metadata(path).map_err(FileError::io(path))?.mode() & 0o7777;
    if found & 0o011 == 0o011 { Ok(()) } else { Err(FileError::Closed { path: path.to_owned(), found }) }
}

/// Refuses a file that others could read or replace.
pub fn check_private_file(path: &Path) -> Result<(), FileError> {
    check(path, "file", 0o600)
}

/// Refuses a file that others could replace or write: what it says rules the gate, but is no secret.
pub fn check_owned_file(path: &Path) -> Result<(), FileError> {
    check(path, "file", 0o755)
}

fn check(path: &Path, kind: &'static str, mode: u32) -> Result<(), FileError> {
    // A symbolic link would let whoever made it choose what is checked.
    let found = fs::symlink_metadata(path).map_err(FileError::io(path))?;
    let fits = if kind == "directory" { found.is_dir() } else { found.is_file() };
    if !fits {
        return Err(FileError::Kind { path: path.to_owned(), expected: kind });
    }
    let uid = rustix::process::geteuid().as_raw();
    if found.uid() != uid {
        return Err(FileError::Owner { path: path.to_owned(), found: found.uid(), expected: uid });
    }
    let bits = found.mode() & 0o7777;
    if bits & !mode != 0 {
        return Err(FileError::Mode { path: path.to_owned(), found: bits, expected: mode });
    }
    Ok(())
}

/// Reads a private file.
pub fn read_private(path: &Path) -> Result<Vec<u8>, FileError> {
    check_private_file(path)?;
    fs::read(path).map_err(FileError::io(path))
}

/// Reads a file that anybody may read, as long as not everybody may write it. Links are followed, as certificates often are some.
pub fn read_unless_world_writable(path: &Path) -> Result<Vec<u8>, FileError> {
    let found = fs::metadata(path).map_err(FileError::io(path))?;
    if !found.is_file() {
        return Err(FileError::Kind { path: path.to_owned(), expected: "file" });
    }
    let bits = found.mode() & 0o7777;
    if bits & 0o002 != 0 {
        return Err(FileError::Mode { path: path.to_owned(), found: bits, expected: bits & !0o002 });
    }
    fs::read(path).map_err(FileError::io(path))
}

/// Writes a new private file, whole or not at all, durable before this returns: a full disk or a power cut leaves no half of a
/// key. An existing file is left alone and is an error.
pub fn create_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut aside = path.as_os_str().to_owned();
    // Of this process alone: two first starts at once must not write each other's keys.
    aside.push(format!(".{}.new", std::process::id()));
    let aside = PathBuf::from(aside);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        // Unlike a rename, a link never takes the place of a file.
        fs::hard_link(&aside, path)
    };
    let written = write();
    // Also after a failure: what was written of it is of use to nobody.
    let removed = fs::remove_file(&aside);
    written
        .and(removed)
        .and_then(|()| path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()))
        .map_err(FileError::io(path))
}

/// Puts a private file in the place of another, or where there was none: whole or not at all.
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    // Left by one who died in between; nobody reads it.
    let _absent = fs::remove_file(&beside);
    create_private(&beside, bytes)?;
    fs::rename(&beside, path).map_err(FileError::io(path))?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()).map_err(FileError::io(path))
}

/// Removes a file, durably; one that is gone already is as it should be.
pub fn remove_private(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(FileError::io(path)(error)),
        _ => {}
    }
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all()).map_err(FileError::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create_private(&path, b"x").unwrap();
        assert_eq!(read_private(&path).unwrap(), b"x");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = read_private(&path).unwrap_err().to_string();
        assert!(error.ends_with(&format!("run: chmod 0600 {}", path.display())), "{error}");
    }

    #[test]
    fn a_link_in_place_of_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("key"), dir.path().join("link"));
        create_private(&path, b"x").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read_private(&link), Err(FileError::Kind { .. })));
    }

    #[test]
    fn an_existing_file_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        create_private(&path, b"first").unwrap();
        assert!(create_private(&path, b"second").is_err());
        assert_eq!(read_private(&path).unwrap(), b"first");
    }
}
