//! `cargo xtask soak`: very many calls through one MCP adapter, each answer held to its own question.

use anyhow::{Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Make very many calls through one MCP adapter, 32 at once: no answer lost or crossed, no growth
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  cargo xtask soak\n  cargo xtask soak --calls 100000")]
pub struct Args {
    /// How many calls
    #[arg(long, default_value_t = 10_000)]
    calls: u32,
}

/// # Errors
/// The build fails, an answer is lost or crossed, or the adapter grows.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.calls >= 500, "--calls is {}, expected at least 500", args.calls);
    let workspace = Workspace::here()?;
    // As `cargo xtask test` builds, so that nothing is compiled twice.
    let build = ["build", "--workspace", "--bins", "--tests", "--examples"];
    process::run(process::cargo(&workspace.root).args(build))?;
    let built = workspace.target.join("debug");
    let mut test = process::cargo(&workspace.root);
    test.args(["test", "--workspace", "--test", "mcp", "soak", "--", "--nocapture"]);
    test.env("LATCHGATE_BIN", built.join("latchgate"));
    test.env("LATCHGATE_MCP_BIN", built.join("latchgate-mcp"));
    test.env("LATCHGATE_SOAK_CALLS", args.calls.to_string());
    process::run(&mut test)
}
