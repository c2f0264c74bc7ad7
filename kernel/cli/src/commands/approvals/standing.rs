//! `approvals standing`: what was approved beyond one call, and taking it back.

use clap::{Args, Subcommand};
use latchgate_client::OperatorClient;
use latchgate_wire::api::StandingRevokeRequest;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::standing;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate approvals standing
  latchgate approvals standing revoke appr_01JD3G0000000000000000000F";

/// List the approvals that answer later calls too, or take one back
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Standing {
    #[command(subcommand)]
    command: Option<StandingCommand>,
}

#[derive(Debug, Subcommand)]
enum StandingCommand {
    Revoke(Revoke),
}

/// Take one back: the next call like it is asked about again
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate approvals standing revoke appr_01JD3G0000000000000000000F")]
struct Revoke {
    /// The id of the approval that it came from
    approval: ApprovalId,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Standing {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        match self.command {
            None => list(operator, console).await,
            Some(StandingCommand::Revoke(revoke)) => revoke.run(operator, console).await,
        }
    }
}

async fn list(operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
    let list = operator.standing().await?;
    if console.is_json() {
        console.json(&list)?;
    } else if list.standing.is_empty() {
        console.note("nothing stands: each call that policy asks about is asked about");
    } else {
        console.result(&standing::sheets(&list.standing, when::now(), console.width()))?;
        console.note("next: latchgate approvals standing revoke APPROVAL");
    }
    Ok(Exit::Done)
}

impl Revoke {
    async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let request = StandingRevokeRequest { reason: self.reason };
        let revoked = operator.revoke_standing(self.approval, &request).await.map_err(|error| {
            Failure::from(error).remedy("`latchgate approvals standing` prints what stands")
        })?;
        if console.is_json() {
            console.json(&revoked)?;
        } else {
            console.result(&format!("{} {}", "revoked".red(), self.approval))?;
            console.note(&format!("next: latchgate audit --id {}", self.approval));
        }
        Ok(Exit::Done)
    }
}
