//! `revoke`: stops leases, from their next call and commit on.

use clap::Args;
use latchgate_wire::api::RevokeRequest;
use latchgate_wire::entry::{Everything, RevocationTarget};
use latchgate_wire::ids::{LeaseId, SessionId};
use latchgate_wire::principal::Principal;
use owo_colors::OwoColorize as _;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate revoke --session sess_01JD3G0000000000000000000C --reason \"runs in circles\"
  latchgate revoke --principal uid:1000
  latchgate revoke --all

Who may take a lease can take a new one. To keep somebody out, change the policy.";

/// Stop leases: one, a session's, a principal's, those of an agent label, or all
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Revoke {
    #[command(flatten)]
    target: Target,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    operator: AsOperator,
}

/// Exactly one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// This lease
    #[arg(long, value_name = "ID")]
    lease: Option<LeaseId>,
    /// The leases of this session, renewals included
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
    /// Every lease of this principal, such as uid:1000
    #[arg(long, value_name = "P")]
    principal: Option<Principal>,
    /// Every lease with this agent label: what an agent claims, not who it is
    #[arg(long, value_name = "LABEL")]
    agent: Option<String>,
    /// Every lease issued until now
    #[arg(long)]
    all: bool,
}

impl Revoke {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let target = self.target.read()?;
        let what = described(&target);
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let revoked = operator.revoke(&RevokeRequest { target, reason: self.reason }).await?;
        if console.is_json() {
            console.json(&revoked)?;
        } else {
            console.result(&format!("{} {what}", "revoked".red()))?;
            console.note("next: latchgate audit --kind lease.revoked --limit 1");
        }
        Ok(Exit::Done)
    }
}

impl Target {
    fn read(self) -> Result<RevocationTarget, Failure> {
        let Self { lease, session, principal, agent, all } = self;
        let given = [
            lease.map(RevocationTarget::Lease),
            session.map(RevocationTarget::Session),
            principal.map(RevocationTarget::Principal),
            agent.map(RevocationTarget::Agent),
            all.then_some(RevocationTarget::All(Everything::Everything)),
        ];
        given.into_iter().flatten().next().ok_or_else(|| {
            Failure::usage("nothing to revoke: expected --lease, --session, --principal, --agent or --all")
        })
    }
}

fn described(target: &RevocationTarget) -> String {
    match target {
        RevocationTarget::Lease(id) => format!("lease {id}"),
        RevocationTarget::Session(id) => format!("the leases of session {id}"),
        RevocationTarget::Principal(principal) => format!("the leases of {principal}"),
        RevocationTarget::Agent(label) => format!("the leases labelled {}", styled(label)),
        RevocationTarget::All(_) => "every lease issued until now".into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Cli, Command};

    fn target(args: &[&str]) -> Result<String, clap::Error> {
        let cli = Cli::try_parse_from(["latchgate", "revoke"].iter().chain(args))?;
        let Command::Revoke(revoke) = cli.command else { panic!("another command") };
        Ok(serde_json::to_string(&revoke.target.read().unwrap()).unwrap())
    }

    #[test]
    fn each_flag_names_its_target() {
        let id = "01JD3G0000000000000000000C";
        assert_eq!(target(&["--lease", &format!("lse_{id}")]).unwrap(), format!(r#"{{"lease":"lse_{id}"}}"#));
        assert_eq!(
            target(&["--session", &format!("sess_{id}")]).unwrap(),
            format!(r#"{{"session":"sess_{id}"}}"#)
        );
        assert_eq!(target(&["--principal", "uid:7"]).unwrap(), r#"{"principal":"uid:7"}"#);
        assert_eq!(target(&["--agent", "bot"]).unwrap(), r#"{"agent":"bot"}"#);
        assert_eq!(target(&["--all", "--reason", "x"]).unwrap(), r#"{"all":"everything"}"#);
    }

    #[test]
    fn nothing_or_two_things_are_wrong_usage() {
        for args in [&[][..], &["--all", "--agent", "bot"], &["--lease", "sess_x"], &["--principal", "me"]] {
            assert_eq!(target(args).unwrap_err().exit_code(), 2, "{args:?}");
        }
    }
}
