//! Sockets: made in a directory of our own, with the mode of their surface; a live one is never taken over.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use tokio::net::UnixListener;

use crate::home::files::{FileError, open_dir, private_dir};
use crate::home::group::Gid;

#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(transparent)]
    Dir(#[from] FileError),
    #[error(
        "another gate{} listens on {path}; stop it with `latchgate down`, or give this one another LATCHGATE_HOME",
        named(*pid)
    )]
    Taken { path: PathBuf, pid: Option<u32> },
    #[error("another program listens on {0}; end it, or give this gate another LATCHGATE_HOME")]
    Foreign(PathBuf),
    #[error("{0} is in the way and is no socket; move it away")]
    InTheWay(PathBuf),
    #[error(
        "{path} cannot be given to group {gid}: {source}; make the gate's user a member of the group that socket.group names"
    )]
    Group { path: PathBuf, gid: Gid, source: io::Error },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Who may connect to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The gate's own user: 0600 in a 0700 directory.
    Private,
    /// The members of a group too: 0660 in a 0755 directory.
    Group(Gid),
}

fn named(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
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

/// Binds a socket for those who may connect. A socket left by a gate that died is replaced: whether it is dead is
/// told by the lock beside it, which the kernel drops with its holder.
pub fn bind(path: &Path, access: Access) -> Result<Socket, ListenError> {
    let io = |source| ListenError::Io { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        match access {
            Access::Private => private_dir(dir)?,
            Access::Group(_) => open_dir(dir)?,
        }
    }
    let lock = lock(path)?;
    match fs::symlink_metadata(path) {
        // One that listens without the lock is no gate of ours.
        Ok(found) if found.file_type().is_socket() && UnixStream::connect(path).is_ok() => {
            return Err(ListenError::Foreign(path.to_owned()));
        }
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(io)?,
        Ok(_) => return Err(ListenError::InTheWay(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io(error)),
    }
    let listener = UnixListener::bind(path).map_err(io)?;
    // Made under a umask that keeps everybody else out.
    let mode = match access {
        Access::Private => 0o600,
        Access::Group(gid) => {
            rustix::fs::chown(path, None, Some(gid.raw())).map_err(|error| ListenError::Group {
                path: path.to_owned(),
                gid,
                source: error.into(),
            })?;
            0o660
        }
    };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(io)?;
    Ok(Socket { listener, path: path.to_owned(), _lock: lock })
}

/// The lock beside a socket, which names its holder for whoever does not get it.
pub fn lock(socket: &Path) -> Result<fs::File, ListenError> {
    let io = |source| ListenError::Io { path: socket.to_owned(), source };
    let path = socket.with_extension("lock");
    let mut options = fs::OpenOptions::new();
    let mut lock = options.create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut text = String::new();
        // The pid is a courtesy: without it the refusal stands just as well.
        let _unread = lock.read_to_string(&mut text);
        return Err(ListenError::Taken { path: socket.to_owned(), pid: text.trim().parse().ok() });
    }
    let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.map_err(io)?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_live_socket_is_not_taken_over_and_a_dead_one_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("gate.sock");
        let first = bind(&path, Access::Private).unwrap();
        assert!(matches!(bind(&path, Access::Private), Err(ListenError::Taken { pid: Some(_), .. })));
        std::mem::drop(first);
        std::os::unix::net::UnixListener::bind(&path).unwrap();
        let second = bind(&path, Access::Private).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::mem::drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_directory_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let bound = bind(&dir.path().join("gate.sock"), Access::Private);
        assert!(matches!(bound, Err(ListenError::Dir(FileError::Mode { .. }))));
    }

    #[tokio::test]
    async fn a_groups_socket_lies_in_a_directory_that_others_enter_and_do_not_change() {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path().join("run");
        let own = Gid::own();
        let socket = bind(&run.join("gate.sock"), Access::Group(own)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&run), mode(&run.join("gate.sock"))), (0o755, 0o660));
        std::mem::drop(socket);
        fs::set_permissions(&run, fs::Permissions::from_mode(0o775)).unwrap();
        let bound = bind(&run.join("gate.sock"), Access::Group(own));
        assert!(matches!(bound, Err(ListenError::Dir(FileError::Mode { .. }))));
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let path = dir.path().join("gate.sock");
        fs::write(&path, b"mine").unwrap();
        assert!(matches!(bind(&path, Access::Private), Err(ListenError::InTheWay(_))));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
