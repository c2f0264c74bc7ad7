//! `cargo xtask clients`: MCP clients from npm read back what `latchgate-mcp install` wrote for them.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::workspace::Workspace;

/// Install MCP clients from npm and let them read back what `latchgate-mcp install` writes
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask clients")]
pub struct Args {}

/// Which clients, in exact versions.
const WANTED: &str = "tests/compat/clients.json";

/// # Errors
/// npm or the build fails, or a client read something else; the output says what each of them printed.
pub fn run(_: &Args) -> Result<()> {
    let workspace = Workspace::here()?;
    if !process::succeeds(process::program("npm", &workspace.root).arg("--version")) {
        bail!("NPM IS MISSING: install Node.js 20 or newer and run this again");
    }
    let clients = workspace.target.join("clients");
    fs::create_dir_all(&clients).with_context(|| format!("cannot make {}", clients.display()))?;
    fs::copy(workspace.root.join(WANTED), clients.join("package.json"))
        .with_context(|| format!("cannot copy {WANTED}"))?;
    process::run(process::program("npm", &clients).args([
        "install",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))?;
    process::run(process::cargo(&workspace.root).args(["build", "--workspace", "--bins", "--tests"]))?;
    let built = workspace.target.join("debug");
    let mut test = process::cargo(&workspace.root);
    test.args([
        "test",
        "--workspace",
        "--test",
        "compat",
        "--",
        "--nocapture",
        "--test-threads=2",
        "clients::",
    ]);
    test.env("LATCHGATE_BIN", built.join("latchgate")).env("LATCHGATE_MCP_BIN", built.join("latchgate-mcp"));
    process::run(test.env("LATCHGATE_CLIENTS", clients))
}
