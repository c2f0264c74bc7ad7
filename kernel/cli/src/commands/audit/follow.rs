//! `audit --follow`: the last entries, then each new one, without a gap between them.

use std::time::Duration;

use latchgate_client::OperatorClient;
use latchgate_wire::api::AuditQuery;
use serde_json::Value;

use super::{Format, csv_lines};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::{audit, csv};

/// How long the gate lets a request wait for the next entry.
const WAIT: Duration = Duration::from_secs(25);
const PAGE_ENTRIES: usize = 1000;

/// Until Ctrl-C, which is how it ends well.
pub async fn run(
    operator: &OperatorClient,
    query: AuditQuery,
    format: Format,
    console: &Console,
) -> Result<Exit, Failure> {
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! {
        ended = follow(operator, query, format, console) => ended.map(|never| match never {}),
        heard = interrupted => { heard?; Ok(Exit::Done) }
    }
}

enum Never {}

async fn follow(
    operator: &OperatorClient,
    query: AuditQuery,
    format: Format,
    console: &Console,
) -> Result<Never, Failure> {
    if format == Format::Csv {
        csv_lines(std::iter::once(csv::head()))?;
    }
    let page = operator.audit(&query).await?;
    show(page.entries.iter().rev(), format, console)?;
    let mut from = page.next_from;
    loop {
        let next = AuditQuery { from: Some(from), limit: Some(PAGE_ENTRIES), ..query.clone() };
        let page = operator.audit_followed(&next, WAIT).await?;
        show(page.entries.iter(), format, console)?;
        from = page.next_from;
    }
}

fn show<'a>(
    mut entries: impl Iterator<Item = &'a Value>,
    format: Format,
    console: &Console,
) -> Result<(), Failure> {
    match format {
        Format::Table => entries.try_for_each(|entry| console.result(&audit::line(entry))),
        Format::Csv => csv_lines(entries.map(csv::row)),
        Format::Json => entries.try_for_each(|entry| console.json(entry)),
    }
}
