//! `latchgate-mcp operator`: an operator's session over stdio.

use std::process::ExitCode;

/// Serve approvals to an operator's MCP client over stdio
#[derive(clap::Args)]
#[command(after_help = "Example:\n  latchgate-mcp operator")]
pub struct Args {}

pub fn run(_: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
