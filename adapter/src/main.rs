//! The binary `latchgate-mcp`: chooses the door and turns its end into an exit code.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use latchgate_mcp::{install, operator, serve};

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
