//! `audit`: what the ledger says happened, newest first.

use clap::Args;
use latchgate_wire::api::AuditQuery;
use latchgate_wire::principal::Principal;
use latchgate_wire::time::Timestamp;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::audit;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate audit --limit 5
  latchgate audit --kind call.denied --since 2h
  latchgate audit --id rcpt_01JD3G0000000000000000000E --json";

/// Query the ledger
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Audit {
    /// Entries of this kind, such as call.outcome, call.denied, call.held, approval.decided
    #[arg(long)]
    kind: Option<String>,
    /// Entries about this action
    #[arg(long)]
    action: Option<String>,
    /// Entries about this principal, such as uid:1000
    #[arg(long)]
    principal: Option<Principal>,
    /// Entries that name this receipt, approval, grant, trace, session or lease
    #[arg(long)]
    id: Option<String>,
    /// Entries at or after this time (2026-11-20T09:30:00Z), or since so long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME", value_parser = point)]
    since: Option<Timestamp>,
    /// Entries before this time
    #[arg(long, value_name = "TIME", value_parser = point)]
    until: Option<Timestamp>,
    /// Entries before this number: where the last page ended
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// How many entries at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    operator: AsOperator,
}

impl Audit {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let page = operator.audit(&self.query()).await?;
        if console.is_json() {
            for entry in &page.entries {
                console.json(entry)?;
            }
        } else if page.entries.is_empty() {
            console.note("no entry fits");
        } else {
            console.result(&audit::table(&page.entries, console.width()))?;
        }
        match page.next_before {
            Some(before) if !console.is_json() => {
                console.note(&format!("more: the same with --before {before}"))
            }
            Some(_) | None => {}
        }
        Ok(Exit::Done)
    }

    fn query(&self) -> AuditQuery {
        AuditQuery {
            kind: self.kind.clone(),
            action: self.action.clone(),
            principal: self.principal.as_ref().map(ToString::to_string),
            id: self.id.clone(),
            since: self.since,
            until: self.until,
            before: self.before,
            limit: Some(usize::from(self.limit)),
        }
    }
}

fn point(text: &str) -> Result<Timestamp, String> {
    when::parse_point(text, when::now())
}
