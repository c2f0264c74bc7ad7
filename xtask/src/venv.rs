//! The Python environment of the compatibility tests, in `target/venv`, made again only when its requirements change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process;

const REQUIREMENTS: &str = "tests/compat/requirements.txt";
const STAMP: &str = "requirements.sha256";

/// Returns the directory of an environment that holds exactly what the requirements name.
///
/// # Errors
/// There is no `python3` with `venv`, or pip cannot install what is asked.
pub fn prepare(root: &Path, target: &Path) -> Result<PathBuf> {
    let venv = target.join("venv");
    let requirements = root.join(REQUIREMENTS);
    let wanted = digest(&requirements)?;
    if is_ready(&venv, &wanted) {
        return Ok(venv);
    }
    create(root, &venv)?;
    if requirements.exists() {
        install(root, &venv)?;
    }
    // Written last: an environment that was cut short has no stamp and is made again.
    fs::write(venv.join(STAMP), wanted).context("cannot write the stamp of the Python environment")?;
    Ok(venv)
}

fn is_ready(venv: &Path, wanted: &str) -> bool {
    let stamped = fs::read_to_string(venv.join(STAMP)).is_ok_and(|stamp| stamp == wanted);
    // The interpreter it was made from may have gone since.
    stamped && process::succeeds(process::program(python(venv), venv).args(["-c", "pass"]))
}

fn create(root: &Path, venv: &Path) -> Result<()> {
    if !process::succeeds(process::program("python3", root).args(["-c", "import venv, ensurepip"])) {
        bail!(
            "PYTHON3 WITH VENV IS MISSING: the compatibility tests run a Python client; \
             install python3 and python3-venv and run this again"
        );
    }
    process::run(process::program("python3", root).args(["-m", "venv", "--clear"]).arg(venv))
}

fn install(root: &Path, venv: &Path) -> Result<()> {
    let mut pip = process::program(python(venv), root);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]);
    process::run(&mut pip)
}

fn python(venv: &Path) -> PathBuf {
    venv.join("bin").join("python")
}

/// SHA-256 of the file in hex; of nothing where there is no file.
fn digest(requirements: &Path) -> Result<String> {
    let bytes = match fs::read(requirements) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {REQUIREMENTS}")),
    };
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_requirements_have_the_digest_of_nothing() {
        let digest = digest(Path::new("no-such-requirements.txt")).unwrap();
        assert_eq!(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn an_environment_without_a_stamp_is_not_ready() {
        assert!(!is_ready(Path::new("no-such-venv"), "any"));
    }
}
