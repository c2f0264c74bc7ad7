//! `latchgate-mcp install` and `uninstall`: `serve` in the configuration of an MCP client.

use std::process::ExitCode;

/// Write `latchgate-mcp serve` into an MCP client's configuration
#[derive(clap::Args)]
#[command(after_help = "Example:\n  latchgate-mcp install --ide cursor")]
pub struct InstallArgs {}

/// Take `latchgate-mcp serve` out of an MCP client's configuration
#[derive(clap::Args)]
#[command(after_help = "Example:\n  latchgate-mcp uninstall --ide cursor")]
pub struct UninstallArgs {}

pub fn install(_: InstallArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}

pub fn uninstall(_: UninstallArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not there yet")
}
