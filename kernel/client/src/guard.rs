//! Who could have put the socket there: checked before anything is sent to it.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::endpoint::SERVICE_DIR;
use crate::error::ClientError;

const ROOT: u32 = 0;
const WORLD_WRITABLE: u32 = 0o002;

/// Refuses a socket whose directory somebody else made or can write to: what listens there may be anyone.
///
/// # Errors
/// [`ClientError::Untrusted`]; [`ClientError::Unreachable`] if there is no such directory.
pub(crate) fn check_directory(socket: &Path) -> Result<(), ClientError> {
    let own = rustix::process::getuid().as_raw();
    let dir = match socket.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    // A link decides what is reached, so its maker is asked for as well as the owner of what it leads to.
    for read in [fs::symlink_metadata, fs::metadata] {
        let found = read(dir).map_err(|error| ClientError::unreachable(socket, &error))?;
        judge(dir, &found, own)?;
    }
    Ok(())
}

fn judge(dir: &Path, found: &Metadata, own: u32) -> Result<(), ClientError> {
    // Only root can make an entry of /run, so whose the service's directory is was root's choice.
    let is_owner_trusted = [own, ROOT].contains(&found.uid()) || dir == Path::new(SERVICE_DIR);
    if !is_owner_trusted {
        return Err(ClientError::Untrusted {
            dir: dir.to_owned(),
            why: format!("belongs to uid {}, expected {own} or root", found.uid()),
            remedy: "set LATCHGATE_HOME to a directory of your own, or name the gate with --socket".into(),
        });
    }
    if found.is_dir() && found.mode() & WORLD_WRITABLE != 0 {
        return Err(ClientError::Untrusted {
            dir: dir.to_owned(),
            why: format!("has mode {:04o}, so anyone could replace the socket", found.mode() & 0o7777),
            remedy: format!("run: chmod 0700 {}", dir.display()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn with_mode(mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        dir
    }

    #[test]
    fn a_private_directory_is_trusted_through_an_own_link_too() {
        let dir = with_mode(0o700);
        check_directory(&dir.path().join("gate.sock")).unwrap();
        let links = with_mode(0o700);
        symlink(dir.path(), links.path().join("run")).unwrap();
        check_directory(&links.path().join("run/gate.sock")).unwrap();
    }

    #[test]
    fn a_world_writable_directory_is_refused_with_the_command_that_mends_it() {
        let dir = with_mode(0o1777);
        let error = check_directory(&dir.path().join("gate.sock")).unwrap_err();
        assert!(error.to_string().contains("has mode 1777"), "{error}");
        assert_eq!(error.remedy(), Some(format!("run: chmod 0700 {}", dir.path().display())));
    }

    #[test]
    fn a_directory_of_another_user_is_refused_unless_it_is_roots() {
        let dir = with_mode(0o700);
        let found = fs::metadata(dir.path()).unwrap();
        let other = found.uid() + 1;
        let root = fs::metadata("/").unwrap();
        assert!(judge(Path::new("/"), &root, other).is_ok());
        assert!(judge(dir.path(), &found, found.uid()).is_ok());
        if found.uid() != ROOT {
            assert!(judge(dir.path(), &found, other).is_err());
        }
    }

    #[test]
    fn a_missing_directory_is_a_gate_that_does_not_run() {
        let dir = with_mode(0o700);
        let error = check_directory(&dir.path().join("none/gate.sock")).unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
    }
}
