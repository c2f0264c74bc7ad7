//! Files and directories that nobody else may read: what the gate demands of a home.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

/// # Panics
/// If it cannot be made.
pub fn private_dir(path: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}

/// Writes the file, and makes its directory if there is none.
///
/// # Panics
/// If it cannot be written.
pub fn private_file(path: &Path, content: impl AsRef<[u8]>) {
    private_dir(path.parent().unwrap());
    fs::write(path, content).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// The bits of a file's mode.
///
/// # Panics
/// If there is no such file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
