//! A jail's surroundings in a test: a program inside, with a home and a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use latchgate_tests::{Ran, binary};
use tempfile::TempDir;

/// Home and workspace, gone with the test. Short: sockets lie below.
pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn create() -> Self {
        let dir = tempfile::Builder::new().prefix("jail-").tempdir_in("/tmp").unwrap();
        for name in ["home", "work"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// `latchgate sandbox` with these arguments, in the workspace.
    pub fn sandbox(&self, arguments: &[&str]) -> Command {
        sandbox(Command::new(binary()), &self.dir.path().join("home"), &self.work(), arguments)
    }
}

pub fn sandbox(mut command: Command, home: &Path, work: &Path, arguments: &[&str]) -> Command {
    command.arg("sandbox").args(arguments).current_dir(work);
    command.env("HOME", home).env("LATCHGATE_HOME", home.join("gate"));
    command
}

/// Whether the kernel gives this user what every jail needs; prints why a test is left out.
pub fn has_jails(test: &str) -> bool {
    let place = Place::create();
    let tried = Ran::of(&mut place.sandbox(&["--no-gate", "--", "true"]));
    if tried.code != 0 {
        println!("LEFT OUT: {test}: {}", tried.stderr.trim());
    }
    tried.code == 0
}
