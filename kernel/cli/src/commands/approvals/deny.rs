//! `approvals deny`: the call will not happen, and the agent is told why.

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::api::DenyRequest;
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;

use super::detail;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Example:
  latchgate approvals deny appr_01JD3G0000000000000000000F --reason \"write to notes/ instead\"";

/// Deny one held call
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Deny {
    /// The approval's id
    approval: ApprovalId,
    /// What the agent is told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Deny only this plan, as `approvals show` printed it
    #[arg(long, value_name = "DIGEST")]
    plan_digest: Option<Digest>,
}

impl Deny {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let plan_digest = match self.plan_digest {
            Some(digest) => digest,
            None => detail(operator, self.approval).await?.info.plan_digest,
        };
        let decided = operator
            .deny(self.approval, &DenyRequest { plan_digest, reason: self.reason, cool_down_s: None })
            .await?;
        if console.is_json() {
            console.json(&decided)?;
        } else {
            console.result(&format!("{} {}", "denied".red(), decided.approval_id))?;
            console.note(&format!("next: latchgate audit --id {}", decided.approval_id));
        }
        Ok(Exit::Done)
    }
}
