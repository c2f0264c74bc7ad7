//! `agents remove`: the name is gone, and its leases with it.

use clap::Args;
use owo_colors::OwoColorize as _;
use serde_json::json;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

/// Remove an agent; its leases end at once
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate agents remove ci")]
pub struct Remove {
    /// The agent's name
    name: String,
}

impl Remove {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let file = super::own_place(&self.name)?;
        connect::operator(global.socket(), by)?.remove_agent(&self.name).await?;
        if console.is_json() {
            console.json(&json!({ "removed": self.name }))?;
            return Ok(Exit::Done);
        }
        console.result(&format!("{} agent {}, and its leases", "removed".red(), styled(&self.name)))?;
        if file.exists() {
            console.note(&format!(
                "the key proves nothing any more: rm {}",
                styled(&file.display().to_string())
            ));
        }
        Ok(Exit::Done)
    }
}
