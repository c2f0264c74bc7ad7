//! `approvals list`: what waits, or everything of the last day.

use clap::Args;
use latchgate_client::OperatorClient;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::approval;
use crate::when;

/// List the calls that wait for a decision
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  latchgate approvals list\n  latchgate approvals list --all --json")]
pub struct List {
    /// Those decided within the last 24 hours, too
    #[arg(long)]
    all: bool,
}

impl List {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let status = if self.all { None } else { Some("pending") };
        let list = operator.approvals(status).await?;
        if console.is_json() {
            console.json(&list)?;
        } else if list.approvals.is_empty() {
            console.note("nothing waits");
        } else {
            console.result(&approval::table(&list.approvals, when::now(), console.width()))?;
            console.note("next: latchgate approvals show APPROVAL");
        }
        Ok(Exit::Done)
    }
}
