//! `approvals`: what waits for a person, and the person's word.

mod approve;
mod deny;
mod list;
mod show;
mod standing;
mod watch;
mod wider;

use clap::{Args, Subcommand};
use latchgate_client::OperatorClient;
use latchgate_wire::ids::ApprovalId;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate approvals list
  latchgate approvals show appr_01JD3G0000000000000000000F
  latchgate approvals approve appr_01JD3G0000000000000000000F
  latchgate approvals watch
  latchgate approvals standing";

/// See and decide the calls that wait
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Approvals {
    #[command(subcommand)]
    command: ApprovalsCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    List(list::List),
    Show(show::Show),
    Approve(approve::Approve),
    Deny(deny::Deny),
    Standing(standing::Standing),
    Watch(watch::Watch),
}

impl Approvals {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        match self.command {
            ApprovalsCommand::List(list) => list.run(&operator, console).await,
            ApprovalsCommand::Show(show) => show.run(&operator, console).await,
            ApprovalsCommand::Approve(approve) => approve.run(&operator, console).await,
            ApprovalsCommand::Deny(deny) => deny.run(&operator, console).await,
            ApprovalsCommand::Standing(standing) => standing.run(&operator, console).await,
            ApprovalsCommand::Watch(watch) => watch.run(operator, console).await,
        }
    }
}

/// The held call, with everything in it.
async fn detail(
    operator: &OperatorClient,
    id: ApprovalId,
) -> Result<latchgate_wire::api::ApprovalDetail, Failure> {
    operator.approval(id).await.map_err(|error| {
        let failure = Failure::from(error);
        if failure.remedy.is_some() {
            failure
        } else {
            failure.remedy("`latchgate approvals list` prints what waits")
        }
    })
}
