//! `approvals deny`: the call will not happen, and the agent is told why.

use std::time::Duration;

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::api::DenyRequest;
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;

use super::detail;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate approvals deny appr_01JD3G0000000000000000000F --reason \"write to notes/ instead\"
  latchgate approvals deny appr_01JD3G0000000000000000000F --cool-down 1h";

/// A week.
const COOL_DOWN_S_MAX: u64 = 7 * 86_400;

/// Deny one held call
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Deny {
    /// The approval's id
    approval: ApprovalId,
    /// What the agent is told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Deny identical calls without asking for so long, such as 1h; at most 7d
    #[arg(long, value_name = "TIME", value_parser = cool_down)]
    cool_down: Option<Duration>,
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
        let cool_down_s = self.cool_down.map(|time| time.as_secs());
        let request = DenyRequest { plan_digest, reason: self.reason, cool_down_s };
        let decided = operator.deny(self.approval, &request).await?;
        if console.is_json() {
            console.json(&decided)?;
        } else {
            console.result(&format!("{} {}", "denied".red(), decided.approval_id))?;
            if let Some(time) = self.cool_down {
                let span = when::span(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
                console.note(&format!("the same call is denied without asking for {span}"));
            }
            console.note(&format!("next: latchgate audit --id {}", decided.approval_id));
        }
        Ok(Exit::Done)
    }
}

fn cool_down(text: &str) -> Result<Duration, String> {
    let time = when::parse_duration(text)?;
    if (1..=COOL_DOWN_S_MAX).contains(&time.as_secs()) { Ok(time) } else { Err("expected 1s to 7d".into()) }
}
