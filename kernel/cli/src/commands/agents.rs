//! `agents`: programs with a key of their own, so that the gate knows who they are and not only as whom they run.

mod add;
mod list;
mod remove;
mod rotate;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use latchgate_wire::jwk::Jwk;
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate agents add ci --out ci.pem
  latchgate call fs_read '{\"path\":\"README.md\"}' --agent-key ci.pem
  latchgate agents list
  latchgate agents remove ci";

/// Enrol, list, remove and re-key agents that have a name of their own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Agents {
    #[command(subcommand)]
    command: AgentsCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum AgentsCommand {
    Add(add::Add),
    List(list::List),
    Remove(remove::Remove),
    Rotate(rotate::Rotate),
}

impl Agents {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let by = self.operator.name;
        match self.command {
            AgentsCommand::Add(add) => add.run(global, &by, console).await,
            AgentsCommand::List(list) => list.run(global, &by, console).await,
            AgentsCommand::Remove(remove) => remove.run(global, &by, console).await,
            AgentsCommand::Rotate(rotate) => rotate.run(global, &by, console).await,
        }
    }
}

/// Where an agent's private key lies unless somebody says otherwise.
fn own_place(name: &str) -> Result<PathBuf, Failure> {
    connect::require_name(name)?;
    Ok(connect::places()?.agent_key(name))
}

fn show_key(
    console: &Console,
    done: &str,
    name: &str,
    jwk: &Jwk,
    file: Option<PathBuf>,
) -> Result<Exit, Failure> {
    if console.is_json() {
        let jkt = jwk.thumbprint().to_string();
        let document =
            json!({ "name": name, "principal": format!("agent:{name}"), "jkt": jkt, "key_file": file });
        console.json(&document)?;
        return Ok(Exit::Done);
    }
    console.result(&format!("{} agent {}", done.green(), styled(name)))?;
    if let Some(file) = file {
        let file = styled(&file.display().to_string());
        console.note(&format!("private key: {file}"));
        console.note(&format!("next: latchgate call ACTION --agent-key {file}"));
    }
    Ok(Exit::Done)
}
