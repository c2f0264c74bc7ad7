//! The Python environments of the compatibility tests, in `target`, each made again only when its requirements change.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::process;

/// An environment, and what it holds.
pub struct Venv {
    name: &'static str,
    requirements: &'static str,
}

/// With the gate's public client.
pub const PUBLIC: Venv = Venv { name: "venv", requirements: "tests/compat/requirements.txt" };
/// With MCP's public client, the one that begins with a handshake and the one that does not.
pub const MCP: [Venv; 2] = [
    Venv { name: "venv-mcp-1", requirements: "tests/compat/mcp/python-1.txt" },
    Venv { name: "venv-mcp-2", requirements: "tests/compat/mcp/python-2.txt" },
];
const STAMP: &str = "requirements.sha256";

/// Returns the directory of an environment that holds exactly what the requirements name.
///
/// # Errors
/// There is no `python3` with `venv`, or pip cannot install what is asked.
pub fn prepare(root: &Path, target: &Path, wants: &Venv) -> Result<PathBuf> {
    let venv = target.join(wants.name);
    let requirements = root.join(wants.requirements);
    let wanted = digest(&requirements)?;
    if is_ready(&venv, &wanted) {
        return Ok(venv);
    }
    create(root, &venv)?;
    if requirements.exists() {
        install(root, &venv, wants.requirements)?;
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

fn install(root: &Path, venv: &Path, requirements: &str) -> Result<()> {
    let mut pip = process::program(python(venv), root);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]);
    process::run(&mut pip)
}

fn python(venv: &Path) -> PathBuf {
    venv.join("bin").join("python")
}

/// SHA-256 of the file in hex; of nothing where there is no file.
pub fn digest(requirements: &Path) -> Result<String> {
    let bytes = match fs::read(requirements) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", requirements.display())),
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
