//! `approvals show`: the whole held call.

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::ids::ApprovalId;

use super::detail;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::approval;
use crate::render::view::{Extent, View};
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate approvals show appr_01JD3G0000000000000000000F
  latchgate approvals show appr_01JD3G0000000000000000000F --all";

/// Show who asks for what, to the last byte
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Show {
    /// The approval's id
    approval: ApprovalId,
    /// Fold nothing, and show lines that stay as they are
    #[arg(long)]
    all: bool,
}

impl Show {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let detail = detail(operator, self.approval).await?;
        if console.is_json() {
            console.json(&detail)?;
            return Ok(Exit::Done);
        }
        let extent = match (self.all, console.width()) {
            (true, _) => Extent::Whole,
            (false, Some(_)) => Extent::Folded,
            // Nobody scrolls back in a file or pipe.
            (false, None) => Extent::Changes,
        };
        let view = View { width: console.width(), extent };
        console.result(&approval::sheet(&detail, when::now(), view))?;
        console.note(&approval::next_step(&detail.info));
        Ok(Exit::Done)
    }
}
