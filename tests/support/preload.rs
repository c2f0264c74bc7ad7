//! A few C functions that are loaded into a gate in front of the C library.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::Ran;

/// Compiles `source` in `dir`; `None` where there is no C compiler, and that is said.
pub(crate) fn compile(dir: &Path, source: &str, for_what: &str) -> Option<PathBuf> {
    if Command::new("cc").arg("--version").output().is_err() {
        eprintln!("LEFT OUT: {for_what} only with a C compiler");
        return None;
    }
    let (text, library) = (dir.join("preload.c"), dir.join("preload.so"));
    fs::write(&text, source).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&text);
    Ran::of(&mut compile).exited(0);
    Some(library)
}
