//! The binary `latchgate-mcp`: a gate's actions as MCP tools.
//!
//! Three doors that share nothing but the wire: `serve` (an agent's session), `operator` (an operator's), and `install`
//! (which writes `serve` into a client's configuration).
#![forbid(unsafe_code)]

mod install;
mod operator;
mod serve;

use std::process::ExitCode;

use clap::Parser;

/// A gate's actions as MCP tools
#[derive(Parser)]
#[command(name = "latchgate-mcp", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Serve(serve::Args),
    Operator(operator::Args),
    Install(install::InstallArgs),
    Uninstall(install::UninstallArgs),
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Serve(args) => serve::run(args),
        Command::Operator(args) => operator::run(args),
        Command::Install(args) => install::install(args),
        Command::Uninstall(args) => install::uninstall(args),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("latchgate-mcp: {error:#}");
            ExitCode::FAILURE
        }
    }
}
