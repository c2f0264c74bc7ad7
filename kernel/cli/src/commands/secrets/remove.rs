//! `secrets remove`: a value that is given to nothing from here on.

use clap::Args;
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::{Global, value, way};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

/// Remove a secret; actions that need it fail until it is set again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate secrets remove github_token")]
pub struct Remove {
    /// The secret's name
    name: String,
}

impl Remove {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let name = value::name(&self.name)?;
        let (list, via) = way::remove(global, by, name.clone()).await?;
        if console.is_json() {
            console.json(&json!({ "removed": name, "gate": via == way::Via::Gate }))?;
            return Ok(Exit::Done);
        }
        console.result(&format!("{} secret {}", "removed".red(), styled(name.as_str())))?;
        if let Some(actions) = list.missing.get(name.as_str()) {
            console.note(&format!("still needed by {}", styled(&actions.join(", "))));
        }
        console.note("the service knows it still: revoke it there if it may be known to others");
        Ok(Exit::Done)
    }
}
