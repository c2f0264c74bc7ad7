//! `actions`: what the gate can be asked for.

use clap::{Args, Subcommand};
use latchgate_wire::api::{ActionInfo, ActionList, Egress};
use owo_colors::OwoColorize as _;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::render::json;
use crate::table::{Rows, Tone};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate actions list
  latchgate actions show fs_read";

/// List what can be called, or show how
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Actions {
    #[command(subcommand)]
    command: ActionsCommand,
}

#[derive(Debug, Subcommand)]
enum ActionsCommand {
    /// List the gate's actions
    #[command(after_help = "Example:\n  latchgate actions list")]
    List,
    /// Show one action: what it does, what it takes, what it answers
    #[command(after_help = "Example:\n  latchgate actions show fs_write")]
    Show {
        /// The action's id
        action: String,
    },
}

impl Actions {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let client = connect::public(global.socket())?;
        match self.command {
            ActionsCommand::List => {
                let actions = client.actions().await?;
                if console.is_json() {
                    console.json(&ActionList { actions })?;
                } else {
                    console.result(&table(&actions, console.width()))?;
                    console.note("next: latchgate actions show ACTION");
                }
            }
            ActionsCommand::Show { action } => {
                let action = client.action(&action).await?;
                if console.is_json() {
                    console.json(&action)?;
                } else {
                    console.result(&sheet(&action, console.width()))?;
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn table(actions: &[ActionInfo], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["ACTION", "CLASS", "RISK", "WHAT IT DOES"], width);
    for action in actions {
        rows.add([
            (action.action_id.as_str(), Tone::Plain),
            (&action.class, Tone::Quiet),
            (&action.risk_level, Tone::Quiet),
            (&action.title, Tone::Plain),
        ]);
    }
    rows.render()
}

fn sheet(action: &ActionInfo, width: Option<usize>) -> String {
    let mut facts = Facts::default();
    facts
        .add("action", format!("{}: {}", styled(&action.action_id).bold(), styled(&action.title)))
        .add("version", styled(&action.version))
        .add("class", styled(&action.class))
        .add("risk", styled(&action.risk_level))
        .add("connects", egress(&action.egress));
    facts.line("").line(styled(action.description.trim()));
    facts.line("").line("arguments".dimmed().to_string()).line(json::numbered(&action.request_schema, width));
    facts.line("").line("output".dimmed().to_string()).line(json::numbered(&action.response_schema, width));
    facts.line("").add("next", format!("latchgate call {} '{{...}}'", action.action_id));
    facts.render()
}

fn egress(egress: &Egress) -> String {
    match egress {
        Egress::None => "nowhere".into(),
        Egress::ProxyAllowlist { allowed_domains } => styled(&allowed_domains.join(", ")),
    }
}
