//! `service`: a gate as a user of its own, run by systemd.

mod install;
mod layout;
mod prepare;
mod remove;
mod step;
mod unit;

use clap::{Args, Subcommand};

use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  sudo latchgate service install
  latchgate service install --dry-run
  latchgate service install --prefix ./package
  sudo latchgate service remove";

/// Install or remove the gate as a service with a user of its own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Service {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, Subcommand)]
enum ServiceCommand {
    Install(install::Install),
    Remove(remove::Remove),
    #[command(hide = true)]
    Prepare(prepare::Prepare),
}

impl Service {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        match self.command {
            ServiceCommand::Install(install) => install.run(console),
            ServiceCommand::Remove(remove) => remove.run(console),
            ServiceCommand::Prepare(prepare) => prepare.run(),
        }
    }
}
