//! `secrets`: the values that services want, kept where neither an agent nor a guest can read them.

mod get;
mod import;
mod init;
mod list;
mod remove;
mod set;
mod value;
mod way;

use clap::{Args, Subcommand};

use super::{AsOperator, Global};
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate secrets list
  latchgate secrets set github_token
  printf %s \"$TOKEN\" | latchgate secrets set github_token --host api.github.com
  latchgate secrets import --sops secrets.enc.yaml
  latchgate secrets remove github_token

Values are asked for without showing them, or read from stdin; never from the
command line, which every user of the machine can read. A gate that runs uses a
new value for its next request. Values lie in secrets.age, encrypted to the
identity state/keys/secrets.identity; `secrets init --passphrase` protects that.";

/// Keep the tokens and keys that actions need, out of reach of agents
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SecretsCommand {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Set(set::Set),
    Get(get::Get),
    List(list::List),
    Remove(remove::Remove),
    Import(import::Import),
}

impl SecretsCommand {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let by = self.operator.name;
        match self.command {
            Command::Init(init) => init.run(console),
            Command::Set(set) => set.run(global, &by, console).await,
            Command::Get(get) => get.run(global, &by, console).await,
            Command::List(list) => list.run(global, &by, console).await,
            Command::Remove(remove) => remove.run(global, &by, console).await,
            Command::Import(import) => import.run(global, &by, console).await,
        }
    }
}
