//! `latchgate-mcp serve`: an agent's session over stdio.

use std::process::ExitCode;

/// Serve the gate's actions as MCP tools over stdio
#[derive(clap::Args)]
#[command(after_help = "Example:\n  latchgate-mcp serve")]
pub struct Args {}

pub fn run(_: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
