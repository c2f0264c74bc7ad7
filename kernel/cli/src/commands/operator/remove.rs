//! `operator remove`: a key that decides nothing from here on.

use clap::Args;
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

/// Remove an operator; what they approved for longer stays until it is revoked
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate operator remove ana")]
pub struct Remove {
    /// The operator's name
    name: String,
}

impl Remove {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        connect::require_name(&self.name)?;
        connect::operator(global.socket(), by)?.remove_operator(&self.name).await?;
        if console.is_json() {
            console.json(&json!({ "removed": self.name }))?;
            return Ok(Exit::Done);
        }
        console.result(&format!("{} operator {}", "removed".red(), styled(&self.name)))?;
        let file = connect::operator_key(&self.name)?;
        if file.exists() {
            console
                .note(&format!("the key opens nothing any more: rm {}", styled(&file.display().to_string())));
        }
        Ok(Exit::Done)
    }
}
