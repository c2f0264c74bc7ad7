//! `cargo xtask`: build, check and measure the project with one entry point.
#![forbid(unsafe_code)]

mod actions;
mod bench;
mod ci;
mod clients;
mod conformance;
mod crash;
mod load;
mod npm;
mod process;
mod races;
mod soak;
mod test;
mod tidy;
mod tools;
mod venv;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Build, check and measure the project")]
#[command(max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Test(test::Args),
    Ci(ci::Args),
    Tidy(tidy::Args),
    Crash(crash::Args),
    Load(load::Args),
    Races(races::Args),
    Clients(clients::Args),
    Conformance(conformance::Args),
    Soak(soak::Args),
    Actions(ActionsArgs),
    Bench(bench::Args),
}

/// Build the guest components and pin their digests in the manifests
#[derive(clap::Args)]
#[command(after_help = "Example:\n  cargo xtask actions --check")]
struct ActionsArgs {
    /// Rebuild and compare with what is committed; write nothing
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Test(args) => test::run(&args),
        Command::Ci(args) => ci::run(&args),
        Command::Tidy(args) => tidy::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Races(args) => races::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::Actions(args) => actions::run(args.check),
        Command::Bench(args) => bench::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no description");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains(&format!("cargo xtask {name}")), "{name} has no example");
        }
    }
}
