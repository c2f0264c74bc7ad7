//! `audit`: what the ledger says happened, newest first, as it happens, or counted.

mod follow;
mod stats;

use std::io::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use latchgate_wire::api::AuditQuery;
use latchgate_wire::principal::Principal;
use latchgate_wire::time::Timestamp;
use serde_json::Value;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::{audit, csv};
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate audit --limit 5
  latchgate audit --kind call.denied --since 2h
  latchgate audit --id rcpt_01JD3G0000000000000000000E --json
  latchgate audit --follow --action fs_write
  latchgate audit --since 7d --limit 1000 --format csv > week.csv
  latchgate audit stats --since 24h --by principal";

/// Query the ledger, follow it, or count what was decided
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Audit {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    filter: Filter,
    /// Entries before this number: where the last page ended
    #[arg(long, value_name = "SEQ")]
    before: Option<u64>,
    /// Go on with new entries as they come, oldest first, until interrupted
    #[arg(long, short, conflicts_with_all = ["before", "until"])]
    follow: bool,
    /// How entries are printed; csv is made for spreadsheets and runs no formula [default: table]
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "json")]
    format: Option<Format>,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    Stats(stats::Stats),
}

#[derive(Clone, Debug, Args)]
struct Filter {
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
    /// How many entries at most, 1 to 1000; with --follow, how many to begin with
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    /// RFC 4180, with a line of names first
    Csv,
    /// JSON lines, each entry as it stands in the ledger
    Json,
}

impl Audit {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        let format = match self.format {
            Some(format) => format,
            None if console.is_json() => Format::Json,
            None => Format::Table,
        };
        if let Some(AuditCommand::Stats(stats)) = self.command {
            return stats.run(&operator, console).await;
        }
        let query = AuditQuery { before: self.before, ..self.filter.query() };
        if self.follow {
            return follow::run(&operator, query, format, console).await;
        }
        let page = operator.audit(&query).await?;
        if page.entries.is_empty() && format == Format::Table {
            console.note("no entry fits");
        } else {
            print(&page.entries, format, console)?;
        }
        if let (Some(before), false) = (page.next_before, console.is_json()) {
            console.note(&format!("more: the same with --before {before}"));
        }
        Ok(Exit::Done)
    }
}

impl Filter {
    fn query(&self) -> AuditQuery {
        AuditQuery {
            kind: self.kind.clone(),
            action: self.action.clone(),
            principal: self.principal.as_ref().map(ToString::to_string),
            id: self.id.clone(),
            since: self.since,
            until: self.until,
            limit: Some(usize::from(self.limit)),
            ..AuditQuery::default()
        }
    }
}

fn print(entries: &[Value], format: Format, console: &Console) -> Result<(), Failure> {
    match format {
        Format::Table => console.result(&audit::table(entries, console.width())),
        Format::Csv => csv_lines(std::iter::once(csv::head()).chain(entries.iter().map(csv::row))),
        Format::Json => entries.iter().try_for_each(|entry| console.json(entry)),
    }
}

/// With their own line ends.
fn csv_lines(mut lines: impl Iterator<Item = String>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    lines.try_for_each(|line| out.write_all(line.as_bytes()))?;
    Ok(out.flush()?)
}

fn point(text: &str) -> Result<Timestamp, String> {
    when::parse_point(text, when::now())
}
