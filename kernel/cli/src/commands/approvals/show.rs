//! `approvals show`: the whole held call.

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::ids::ApprovalId;

use super::detail;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::approval;
use crate::when;

/// Show who asks for what, to the last byte
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate approvals show appr_01JD3G0000000000000000000F")]
pub struct Show {
    /// The approval's id
    approval: ApprovalId,
}

impl Show {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let detail = detail(operator, self.approval).await?;
        if console.is_json() {
            console.json(&detail)?;
            return Ok(Exit::Done);
        }
        console.result(&approval::sheet(&detail, when::now(), console.width()))?;
        console.note(&approval::next_step(&detail.info));
        Ok(Exit::Done)
    }
}
