//! `policy`: what the gate is told to allow, ask and deny, and what can be said of it before it is in force.

mod allowlist;
mod compare;
mod explain;
mod show;
mod simulate;
mod test;

use clap::{Args, Subcommand};
use latchgate_daemon::policy::sets::PolicyToolError;
use latchgate_wire::receipt::Verdict;

use allowlist::{Allow, Allowed, Disallow};

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::Tone;

const EXAMPLES: &str = "\
Examples:
  latchgate policy show
  latchgate policy test policies
  latchgate policy explain --action fs_write --args '{\"path\":\"a.txt\",\"content\":\"x\"}'
  latchgate policy simulate --since 7d
  latchgate policy compare home ./next
  latchgate policy allow http_fetch docs.example.com --for uid:1000
  latchgate policy allowed

A set of policy is named by its directory or file, as preset:NAME, or as home:
the files of the local gate's home, whether or not they are in force yet.";

/// See, test, explain, replay and compare policy, and allow single hosts
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Policy {
    #[command(subcommand)]
    command: PolicyCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum PolicyCommand {
    /// Print every policy file as Cedar, plain rules (*.yaml) as what they become
    #[command(after_help = "Example:\n  latchgate policy show > policy.cedar")]
    Show,
    Test(test::Test),
    Explain(explain::Explain),
    Simulate(simulate::Simulate),
    Compare(compare::Compare),
    Allow(Allow),
    Allowed(Allowed),
    Disallow(Disallow),
}

impl Policy {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = || connect::operator(global.socket(), &self.operator.name);
        match self.command {
            PolicyCommand::Show => show::run(global, &self.operator.name, console).await,
            PolicyCommand::Test(test) => test.run(console),
            PolicyCommand::Explain(explain) => explain.run(console),
            PolicyCommand::Simulate(simulate) => simulate.run(console),
            PolicyCommand::Compare(compare) => compare.run(console),
            PolicyCommand::Allow(allow) => allow.run(&operator()?, console).await,
            PolicyCommand::Allowed(allowed) => allowed.run(&operator()?, console).await,
            PolicyCommand::Disallow(disallow) => disallow.run(&operator()?, console).await,
        }
    }
}

/// What is wrong, whose fault it is, and what helps.
fn failure(error: &PolicyToolError) -> Failure {
    match error {
        PolicyToolError::NoPolicy(path) => {
            Failure::usage(format!("{}: there is no policy here (*.cedar, *.yaml)", path.display()))
                .remedy("name a directory or a file with policy, preset:NAME, or home")
        }
        PolicyToolError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::usage(error.to_string())
                .remedy("name what is there; a first `latchgate up` makes a home with a policy and a ledger")
        }
        PolicyToolError::Io { .. } => {
            Failure::new(Exit::Failed, error.to_string()).remedy("run this as the user whose gate it is")
        }
        PolicyToolError::Problems(_) => {
            Failure::usage(error.to_string()).remedy("mend the files; each line says what and where")
        }
        PolicyToolError::NoAction { .. } | PolicyToolError::Arguments(_) => Failure::usage(error.to_string())
            .remedy("`latchgate actions show ACTION` prints the arguments it takes"),
        PolicyToolError::NotRecorded(_) => Failure::usage(error.to_string())
            .remedy("`latchgate audit` prints the ids of what was recorded: trace, receipt or approval"),
        PolicyToolError::Home(_) => {
            Failure::usage(error.to_string()).remedy("`latchgate config check` looks at the home")
        }
    }
}

fn toned(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Allow => ("allow", Tone::Good),
        Verdict::Ask => ("ask", Tone::Warn),
        Verdict::Deny => ("deny", Tone::Bad),
    }
}
