//! Sets held to their tables of cases: `DIR/cases/*.yaml` beside the files of a set.

use std::path::{Path, PathBuf};

use latchgate_monitor::policy::Source;
use latchgate_monitor::policy::cases::{Tested, run};

use super::sets::{self, PolicyToolError};
use crate::home::places::Places;

/// One set and what became of its cases.
#[derive(Debug)]
pub struct TestedSet {
    pub dir: PathBuf,
    pub tables: usize,
    pub tested: Tested,
}

/// Tests the set in `dir`, and those in the directories right below it; a set is what has a directory `cases`.
///
/// # Errors
/// What cannot be read. Cases that fail are no error.
pub fn test(dir: &Path, places: &Places) -> Result<Vec<TestedSet>, PolicyToolError> {
    let actions = sets::actions(places)?;
    let io = |source| PolicyToolError::Io { path: dir.to_owned(), source };
    let mut dirs = vec![dir.to_owned()];
    for below in std::fs::read_dir(dir).map_err(io)? {
        dirs.push(below.map_err(io)?.path());
    }
    dirs[1..].sort();
    let mut found = Vec::new();
    for dir in dirs.into_iter().filter(|dir| dir.join("cases").is_dir()) {
        let policies = read(&sets::files(&dir)?)?;
        let tables = read(&sets::files(&dir.join("cases"))?)?;
        let tested = run(&policies, &tables, &actions);
        found.push(TestedSet { dir, tables: tables.len(), tested });
    }
    Ok(found)
}

fn read(files: &[PathBuf]) -> Result<Vec<Source>, PolicyToolError> {
    files.iter().map(|path| sets::source(path)).collect()
}
