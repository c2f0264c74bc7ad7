//! The built binary: where it lies, and what a run of it gave.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// `LATCHGATE_BIN`, else the debug build of this work tree.
///
/// # Panics
/// If there is none, with the command that builds it.
pub fn binary() -> PathBuf {
    let built = || workspace().join("target/debug/latchgate");
    let path = std::env::var_os("LATCHGATE_BIN").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} is missing; run: cargo build -p latchgate", path.display());
    path
}

/// `LATCHGATE_MCP_BIN`, else the debug build of this work tree.
///
/// # Panics
/// If there is none, with the command that builds it.
pub fn mcp_binary() -> PathBuf {
    let built = || workspace().join("target/debug/latchgate-mcp");
    let path = std::env::var_os("LATCHGATE_MCP_BIN").map_or_else(built, PathBuf::from);
    assert!(path.is_file(), "{} is missing; run: cargo build -p latchgate-mcp", path.display());
    path
}

/// `nobody` on most systems; nothing depends on the name.
pub const OTHER_UID: u32 = 65534;

/// The binary where any user can run it, since the build directory may be closed to others. Needs root, who alone can
/// become somebody else; without it nothing of this kind can be tried.
///
/// # Panics
/// If it cannot be put there.
pub fn binary_for_others() -> Option<(TempDir, PathBuf)> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: another uid can only be had by root");
        return None;
    }
    let dir = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = dir.path().join("latchgate");
    if fs::hard_link(binary(), &copy).is_err() {
        fs::copy(binary(), &copy).unwrap();
    }
    Some((dir, copy))
}

/// The top directory of this work tree.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies in the workspace").to_owned()
}

/// What a finished command gave.
#[derive(Debug)]
pub struct Ran {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// # Panics
    /// If it cannot be started.
    pub fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the command starts");
        Self {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Standard output as one JSON document.
    ///
    /// # Panics
    /// If it is anything else, or anything more.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("stdout is not one json document: {error}\n{self:#?}"))
    }

    /// Standard output as JSON lines.
    ///
    /// # Panics
    /// If a line is anything else.
    pub fn json_lines(&self) -> Vec<Value> {
        let read = |line| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("a line of stdout is not json: {error}\n{self:#?}"))
        };
        self.stdout.lines().map(read).collect()
    }

    /// Self, if the exit code is `code`.
    ///
    /// # Panics
    /// With everything that was printed, if it is another.
    #[track_caller]
    pub fn exited(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
