//! `cargo xtask test`: every test of the project on a fresh clone, with all they need built first.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{npm, process, tools, venv};

/// Run every test, or those whose names contain a filter
#[derive(clap::Args, Default)]
#[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test replayed_proof")]
pub struct Args {
    /// Run only tests whose name contains one of these
    filters: Vec<String>,
}

/// The binaries black-box tests run, and the variable that tells them where each lies.
const BINARIES: [(&str, &str); 2] = [("latchgate", "LATCHGATE_BIN"), ("latchgate-mcp", "LATCHGATE_MCP_BIN")];

/// # Errors
/// A tool, a binary or the Python environment cannot be had, or a test fails.
pub fn run(args: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    tools::ensure("nextest", &workspace.root)?;
    let prepare = |venv| venv::prepare(&workspace.root, &workspace.target, venv);
    let (public, [mcp_1, mcp_2]) = (prepare(&venv::PUBLIC)?, venv::MCP.each_ref().map(prepare));
    let npm = npm::prepare(&workspace.root, &workspace.target)?;
    let mut variables = build_binaries(&workspace)?;
    variables.push(("LATCHGATE_VENV", public.into_os_string()));
    variables.push(("LATCHGATE_VENV_MCP_1", mcp_1?.into_os_string()));
    variables.push(("LATCHGATE_VENV_MCP_2", mcp_2?.into_os_string()));
    variables.extend(npm.map(|npm| ("LATCHGATE_NPM", npm.into_os_string())));
    variables.extend(SEEDS.map(|variable| (variable, seed(variable))));

    let mut nextest = process::cargo(&workspace.root);
    nextest
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .args(&args.filters)
        .envs(variables.clone());
    process::run(&mut nextest)?;

    // nextest runs no doc tests, and the misuse that must not compile lives in those.
    let mut doc = process::cargo(&workspace.root);
    doc.args(["test", "--workspace", "--doc", "--quiet", "--"]).args(&args.filters).envs(variables);
    process::run(&mut doc)
}

/// What property tests and campaigns draw from.
const SEEDS: [&str; 3] = ["PROPTEST_RNG_SEED", "LATCHGATE_CRASH_SEED", "LATCHGATE_RACES_SEED"];

/// One and the same seed unless the caller names another, so that a failure is the change's own and comes again; searching
/// with fresh seeds is `PROPTEST_RNG_SEED=$RANDOM cargo xtask test`, `cargo xtask crash` and `cargo xtask races`.
fn seed(variable: &str) -> OsString {
    let seed = std::env::var_os(variable).unwrap_or_else(|| "20261120".into());
    eprintln!("drawn from: {variable}={}", seed.display());
    seed
}

/// Builds binaries and tests in one go and returns where each binary lies.
///
/// One build for the whole workspace, because a build of a single package would choose other features for shared
/// dependencies and compile them twice.
fn build_binaries(workspace: &Workspace) -> Result<Vec<(&'static str, OsString)>> {
    let mut build = process::cargo(&workspace.root);
    build.args(["build", "--workspace", "--bins", "--tests", "--examples"]);
    build.arg("--message-format=json-render-diagnostics");
    eprintln!("$ cargo build --workspace --bins --tests --examples");
    let messages = process::output(&mut build)?;
    let mut variables = Vec::new();
    for (name, variable) in BINARIES.iter().filter(|(name, _)| workspace.has(name)) {
        let path = executable(&messages, name).with_context(|| format!("the build made no binary {name}"))?;
        variables.push((*variable, path.into_os_string()));
    }
    Ok(variables)
}

/// One line of cargo's JSON messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    target: Target,
    profile: Profile,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// The path of the binary (not of its unit tests, which carry the same name).
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .find(|message| {
            message.target.name == name
                && message.target.kind.iter().any(|kind| kind == "bin")
                && !message.profile.test
        })
        .and_then(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
{"reason":"compiler-artifact","target":{"name":"gate","kind":["lib"]},"profile":{"test":false},"executable":null}
{"reason":"compiler-artifact","target":{"name":"gate","kind":["bin"]},"profile":{"test":true},"executable":"/t/gate-1f"}
{"reason":"compiler-artifact","target":{"name":"gate","kind":["bin"]},"profile":{"test":false},"executable":"/t/gate"}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn the_binary_is_told_apart_from_its_unit_tests() {
        assert_eq!(executable(MESSAGES, "gate"), Some(PathBuf::from("/t/gate")));
    }

    #[test]
    fn a_binary_that_was_not_built_has_no_path() {
        assert_eq!(executable(MESSAGES, "door"), None);
    }
}
