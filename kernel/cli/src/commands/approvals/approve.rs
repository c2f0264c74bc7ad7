//! `approvals approve`: shows the plan, asks, and approves exactly what was shown.

use clap::Args;
use latchgate_client::OperatorClient;
use latchgate_wire::api::{ApprovalDetail, ApproveRequest, Decided, ReachRequest};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::ApprovalId;
use owo_colors::OwoColorize as _;

use super::detail;
use super::wider::{self, Scope, Wider};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::view::{Extent, View};
use crate::render::{approval, reach};
use crate::{wait, when};

const EXAMPLES: &str = "\
Examples:
  latchgate approvals approve appr_01JD3G0000000000000000000F
  latchgate approvals approve appr_01JD3G0000000000000000000F --yes --note \"as agreed\"
  latchgate approvals approve appr_01JD3G0000000000000000000F --scope session --any content --uses 20";

/// Approve a held call, once or with later ones like it; the gate executes it at once
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Approve {
    /// The approval's id
    approval: ApprovalId,
    #[command(flatten)]
    wider: Wider,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Approve only this plan, as `approvals show` printed it: it is not shown again, and approving it once asks nothing
    #[arg(long, value_name = "DIGEST")]
    plan_digest: Option<Digest>,
    /// A line for the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
}

/// What a person agreed to.
struct Agreed {
    plan_digest: Digest,
    reach: Option<ReachRequest>,
}

impl Approve {
    pub async fn run(self, operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
        self.wider.check()?;
        let agreed = match (self.wider.scope, self.plan_digest) {
            (Scope::Once, Some(plan_digest)) => Some(Agreed { plan_digest, reach: None }),
            _ => self.agreed(operator, console).await?,
        };
        let Some(Agreed { plan_digest, reach }) = agreed else {
            console.note("not approved; the call still waits");
            return Ok(Exit::ApprovalPending);
        };
        let scope = self.wider.scope.into();
        let request = ApproveRequest { plan_digest, scope, note: self.note, reach };
        let approve = operator.approve(self.approval, &request);
        show(console, self.wider.scope, wait::show(console, "executing", approve).await?)
    }

    /// What a person has seen and agreed to, or chose not to look at.
    async fn agreed(&self, operator: &OperatorClient, console: &Console) -> Result<Option<Agreed>, Failure> {
        if !self.yes && !console.is_interactive() {
            let remedy = match self.wider.scope {
                Scope::Once => {
                    "say --yes, or --plan-digest with the digest that `latchgate approvals show` printed"
                }
                Scope::Session | Scope::Always => "say --yes",
            };
            return Err(Failure::usage("there is no terminal to ask on").remedy(remedy));
        }
        let detail = detail(operator, self.approval).await?;
        self.check(&detail)?;
        let reach = self.wider.reach(&detail)?;
        if self.plan_digest.is_none() {
            let view = View { width: console.width(), extent: Extent::Changes };
            console.note(&approval::sheet(&detail, when::now(), view));
            console.note("");
        }
        let plan_digest = detail.info.plan_digest;
        match reach {
            Some(reach) => {
                let reach = self.agreed_reach(console, &detail, reach).await?;
                Ok(reach.map(|reach| Agreed { plan_digest, reach: Some(reach) }))
            }
            None if self.yes || console.confirm("approve this, once?").await? => {
                Ok(Some(Agreed { plan_digest, reach: None }))
            }
            None => Ok(None),
        }
    }

    /// Shows the rule that comes of it, until a person agrees, or does not.
    async fn agreed_reach(
        &self,
        console: &Console,
        detail: &ApprovalDetail,
        mut reach: ReachRequest,
    ) -> Result<Option<ReachRequest>, Failure> {
        loop {
            let scope = self.wider.scope.into();
            console.note(&reach::words(detail, scope, &reach, when::now(), console.width()));
            console.note("");
            if self.yes {
                return Ok(Some(reach));
            }
            let answer =
                console.ask("approve this call, and later ones as described? [y/N, e to edit]").await?;
            match answer.to_lowercase().as_str() {
                "y" | "yes" => return Ok(Some(reach)),
                "e" => match wider::edit(console, detail, reach.clone()).await {
                    Ok(edited) => reach = edited,
                    Err(failure) => console.failure(&failure),
                },
                _ => return Ok(None),
            }
        }
    }

    /// It waits, and it is what was named.
    fn check(&self, detail: &ApprovalDetail) -> Result<(), Failure> {
        let info = &detail.info;
        if info.status != "pending" {
            let what = format!("{} is {} already", self.approval, info.status);
            return Err(Failure::new(Exit::Failed, what)
                .remedy(format!("`{}` shows what became of it", approval::record(info))));
        }
        if self.plan_digest.is_some_and(|named| named != info.plan_digest) {
            let what = format!("the plan of {} is {}, not the one named", self.approval, info.plan_digest);
            return Err(Failure::new(Exit::Failed, what)
                .remedy(format!("`latchgate approvals show {}` shows it", self.approval)));
        }
        Ok(())
    }
}

/// Approved is not yet done: what the execution came to is the command's end.
fn show(console: &Console, scope: Scope, decided: Decided) -> Result<Exit, Failure> {
    let is_undecided = decided.status == "pending";
    if console.is_json() {
        // One document, whatever became of it.
        console.json(&decided)?;
        let done = if is_undecided { Exit::ApprovalPending } else { Exit::Done };
        return Ok(decided.problem.map_or(done, |problem| Failure::from(problem).exit));
    }
    if is_undecided {
        console.result(&format!(
            "{} {}: yours is recorded",
            "approved by you".green(),
            decided.approval_id
        ))?;
        console.note("more operators have to approve it before it is executed");
        return Ok(Exit::ApprovalPending);
    }
    let receipt = decided.receipt_id.map(|receipt| format!("  receipt {receipt}")).unwrap_or_default();
    console.result(&format!("{} {}{receipt}", "approved".green(), decided.approval_id))?;
    if let Some(problem) = decided.problem {
        return Err(Failure::from(problem));
    }
    match (scope, decided.receipt_id) {
        (Scope::Session | Scope::Always, _) => console.note("next: latchgate approvals standing"),
        (Scope::Once, Some(receipt)) => console.note(&format!("next: latchgate audit --id {receipt}")),
        (Scope::Once, None) => {
            console.note(&format!("next: latchgate approvals show {}", decided.approval_id))
        }
    }
    Ok(Exit::Done)
}
