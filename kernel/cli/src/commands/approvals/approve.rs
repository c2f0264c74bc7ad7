//! `approvals approve`: shows the plan, asks, and approves exactly what was shown.

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::api::{ApproveRequest, Decided};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use latchgate_wire::receipt::ApprovalScope;
use owo_colors::OwoColorize as _;

use super::detail;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::approval;
use crate::{wait, when};

const EXAMPLES: &str = "\
Examples:
  latchgate approvals approve appr_01JD3G0000000000000000000F
  latchgate approvals approve appr_01JD3G0000000000000000000F --yes --note \"as agreed\"";

/// Approve one held call, once; the gate executes it at once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Approve {
    /// The approval's id
    approval: ApprovalId,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Approve only this plan, as `approvals show` printed it; neither shows nor asks
    #[arg(long, value_name = "DIGEST")]
    plan_digest: Option<Digest>,
    /// A line for the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

impl Approve {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        let plan_digest = match self.plan_digest {
            Some(digest) => digest,
            None => match self.shown(operator, console).await? {
                Some(digest) => digest,
                None => {
                    console.note("not approved; the call still waits");
                    return Ok(Exit::ApprovalPending);
                }
            },
        };
        let request =
            ApproveRequest { plan_digest, scope: ApprovalScope::Once, note: self.note, reach: None };
        let approve = operator.approve(self.approval, &request);
        show(console, wait::show(console, "executing", approve).await?)
    }

    /// The digest of the plan that a person has seen, or chose not to look at.
    async fn shown(&self, operator: &OperatorClient, console: &Console) -> Result<Option<Digest>, Failure> {
        if !self.yes && !console.is_interactive() {
            return Err(Failure::usage("there is no terminal to ask on").remedy(
                "say --yes, or --plan-digest with the digest that `latchgate approvals show` printed",
            ));
        }
        let detail = detail(operator, self.approval).await?;
        if detail.info.status != "pending" {
            let what = format!("{} is {} already", self.approval, detail.info.status);
            return Err(Failure::new(Exit::Failed, what)
                .remedy(format!("`{}` shows what became of it", approval::record(&detail.info))));
        }
        console.note(&approval::sheet(&detail, when::now(), console.width()));
        console.note("");
        if self.yes || console.confirm("approve this, once?").await? {
            return Ok(Some(detail.info.plan_digest));
        }
        Ok(None)
    }
}

/// Approved is not yet done: what the execution came to is the command's end.
fn show(console: &Console, decided: Decided) -> Result<Exit, Failure> {
    if console.is_json() {
        // One document, whatever became of it.
        console.json(&decided)?;
        return Ok(decided.problem.map_or(Exit::Done, |problem| Failure::from(problem).exit));
    }
    let receipt = decided.receipt_id.map(|receipt| format!("  receipt {receipt}")).unwrap_or_default();
    console.result(&format!("{} {}{receipt}", "approved".green(), decided.approval_id))?;
    if let Some(problem) = decided.problem {
        return Err(Failure::from(problem));
    }
    match decided.receipt_id {
        Some(receipt) => console.note(&format!("next: latchgate audit --id {receipt}")),
        None => console.note(&format!("next: latchgate approvals show {}", decided.approval_id)),
    }
    Ok(Exit::Done)
}
