//! Sockets: made in a directory of our own, with the mode of their surface; a live one is never taken over.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;

use crate::home::files::{FileError, private_dir};

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(transparent)]
    Dir(#[from] FileError),
    #[error(
        "another gate listens on {0}; stop it with `latchgate down`, or give this one another LATCHGATE_HOME"
    )]
    Taken(PathBuf),
    #[error("{0} is in the way and is no socket; move it away")]
    InTheWay(PathBuf),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// A socket, and the lock that says whose it is. Dropping it removes the socket.
pub struct Socket {
    pub listener: UnixListener,
    path: PathBuf,
    _lock: fs::File,
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _removed = fs::remove_file(&self.path);
    }
}

/// Binds a socket of mode 0600 in a private directory. A socket left by a gate that died is replaced: whether it is dead is
/// told by the lock beside it, which the kernel drops with its holder.
pub fn bind(path: &Path) -> Result<Socket, ListenError> {
    let io = |source| ListenError::Io { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        private_dir(dir)?;
    }
    let lock_path = path.with_extension("lock");
    let lock =
        fs::OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(io)?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| ListenError::Taken(path.to_owned()))?;
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(io)?,
        Ok(_) => return Err(ListenError::InTheWay(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    let listener = UnixListener::bind(path).map_err(io)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(io)?;
    Ok(Socket { listener, path: path.to_owned(), _lock: lock })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_live_socket_is_not_taken_over_and_a_dead_one_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("gate.sock");
        let first = bind(&path).unwrap();
        assert!(matches!(bind(&path), Err(ListenError::Taken(_))));
        std::mem::drop(first);
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        let second = bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::mem::drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(bind(&dir.path().join("gate.sock")), Err(ListenError::Dir(FileError::Mode { .. }))));
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("gate.sock");
        fs::write(&path, b"mine").unwrap();
        assert!(matches!(bind(&path), Err(ListenError::InTheWay(_))));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
