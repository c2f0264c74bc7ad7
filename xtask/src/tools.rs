//! The cargo subcommands xtask needs: there, or installed once with a word about it.

use std::path::Path;

use anyhow::Result;

use crate::process;

/// Makes sure that `cargo SUBCOMMAND` works; installs `cargo-SUBCOMMAND` from crates.io when it does not.
///
/// # Errors
/// The installation fails.
pub fn ensure(subcommand: &str, root: &Path) -> Result<()> {
    if is_present(subcommand, root) {
        return Ok(());
    }
    let package = format!("cargo-{subcommand}");
    eprintln!("{package} is missing: installing it from crates.io, once (some minutes)");
    process::run(process::cargo(root).args(["install", &package, "--locked"]))
}

fn is_present(subcommand: &str, root: &Path) -> bool {
    process::succeeds(process::cargo(root).args([subcommand, "--version"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subcommand_is_present_when_cargo_can_run_it() {
        assert!(is_present("fmt", Path::new(".")));
        assert!(!is_present("no-such-subcommand", Path::new(".")));
    }
}
