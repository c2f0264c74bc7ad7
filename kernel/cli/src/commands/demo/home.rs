//! The demo's places: a home that is thrown away or kept, and a few files to act on.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use latchgate_daemon::Places;
use tempfile::TempDir;

use crate::exit::{Exit, Failure};

/// The file that may be read.
pub const NOTE: (&str, &str) = ("README.md", "Whoever reads this was allowed to.\n");
/// The file that the standard policy keeps from agents.
const SECRETS: (&str, &str) = (".env", "API_TOKEN=this-never-leaves\n");

/// Where the demo's gate lives. Dropped, everything goes but what is kept.
pub struct DemoHome {
    places: Places,
    files: PathBuf,
    kept: Option<PathBuf>,
    _thrown_away: TempDir,
}

impl DemoHome {
    /// # Errors
    /// If `keep` is in use, or nothing can be written.
    pub fn make(keep: Option<PathBuf>) -> Result<Self, Failure> {
        let temporary = tempfile::Builder::new().prefix("latchgate-demo-").tempdir()?;
        let kept = keep.map(|dir| kept_dir(&dir)).transpose()?;
        let home = kept.clone().unwrap_or_else(|| temporary.path().join("home"));
        let files = temporary.path().join("files");
        fs::create_dir(&files)?;
        for (name, text) in [NOTE, SECRETS] {
            fs::write(files.join(name), text)?;
        }
        Ok(Self { places: Places::at_home(&home), files, kept, _thrown_away: temporary })
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The root of the file actions.
    pub fn files(&self) -> &Path {
        &self.files
    }

    pub fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }
}

fn kept_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let failed =
        |error: std::io::Error| Failure::new(Exit::Failed, format!("--keep {}: {error}", dir.display()));
    if dir.exists() {
        let is_empty = fs::read_dir(dir).map_err(failed)?.next().is_none();
        if !is_empty {
            return Err(Failure::usage(format!("--keep {}: the directory is not empty", dir.display()))
                .remedy("name a new directory"));
        }
    } else {
        fs::DirBuilder::new().mode(0o700).create(dir).map_err(failed)?;
    }
    dir.canonicalize().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_use_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine"), "x").unwrap();
        let Err(failure) = DemoHome::make(Some(dir.path().to_owned())) else { panic!("taken") };
        assert_eq!(failure.exit, Exit::Usage);
    }

    #[test]
    fn files_and_home_lie_apart() {
        let home = DemoHome::make(None).unwrap();
        assert!(!home.files().starts_with(&home.places().config_dir));
        assert!(!home.places().config_dir.starts_with(home.files()));
    }
}
