//! Programs from npm that tests run, in `target/npm`, installed again only when what is asked for changes.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{process, venv};

const WANTED: &str = "tests/npm";
const FILES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];
const STAMP: &str = "lock.sha256";

/// Returns the directory that holds exactly what the lock names. `None` where npm cannot be had or reached, which is said.
///
/// # Errors
/// The directory cannot be written.
pub fn prepare(root: &Path, target: &Path) -> Result<Option<PathBuf>> {
    let dir = target.join("npm");
    let wanted = venv::digest(&root.join(WANTED).join("package-lock.json"))?;
    if fs::read_to_string(dir.join(STAMP)).is_ok_and(|stamp| stamp == wanted) {
        return Ok(Some(dir));
    }
    if let Err(error) = install(root, &dir) {
        eprintln!(
            "LEFT OUT: MCP's conformance suite, its inspector and its TypeScript clients, since npm gives them not: {error:#}"
        );
        return Ok(None);
    }
    // Written last: an installation that was cut short has no stamp and is made again.
    fs::write(dir.join(STAMP), wanted).context("cannot write the stamp of the npm packages")?;
    Ok(Some(dir))
}

fn install(root: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for file in FILES {
        let from = root.join(WANTED).join(file);
        fs::copy(&from, dir.join(file)).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    if !process::succeeds(process::program("npm", dir).arg("--version")) {
        bail!("there is no npm");
    }
    // No package's own scripts run: what is needed comes built.
    let mut npm = process::program("npm", dir);
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    process::run(&mut npm)
}
