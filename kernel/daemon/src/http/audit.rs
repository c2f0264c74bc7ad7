//! The audit routes of the operator API: pages, the same as they grow, and counts.

use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use latchgate_monitor::denial::Denial;
use latchgate_wire::api::{AuditPage, AuditQuery};
use latchgate_wire::problem::Code;
use latchgate_wire::stats::{By, StatsQuery};

use super::respond::{self, Whole};
use crate::gate::Gate;

/// A page. With `from` and `wait`, one that has an entry, or an empty one when the time is over or the gate ends.
pub async fn page(gate: &Arc<Gate>, query: &str, wait: Duration) -> Result<Response<Whole>, Denial> {
    let query = audit_query(query)?;
    if query.from.is_some() && query.before.is_some() {
        return Err(Denial::new(Code::BadRequest, "audit: `from` and `before` exclude each other"));
    }
    let page = match query.from {
        Some(from) if !wait.is_zero() => followed(gate, query, from, wait).await?,
        Some(_) | None => read(gate, query).await?,
    };
    Ok(respond::json(200, &page))
}

pub async fn stats(gate: &Arc<Gate>, query: &str) -> Result<Response<Whole>, Denial> {
    let query = stats_query(query)?;
    let ledger = gate.world.ledger.clone();
    let stats = blocking(move || ledger.audit_stats(&query)).await?;
    let stats = stats.map_err(|error| Denial::fault(error.to_string()))?;
    Ok(respond::json(200, &stats))
}

/// Looks again whenever the log has grown.
async fn followed(
    gate: &Arc<Gate>,
    query: AuditQuery,
    from: u64,
    wait: Duration,
) -> Result<AuditPage, Denial> {
    let until = tokio::time::Instant::now() + wait;
    let mut changed = gate.world.ledger.changed();
    let mut from = from;
    loop {
        let page = read(gate, AuditQuery { from: Some(from), ..query.clone() }).await?;
        if !page.entries.is_empty() {
            return Ok(page);
        }
        from = page.next_from;
        let size = *changed.borrow_and_update();
        if from < size && query.until.is_none() {
            continue;
        }
        tokio::select! {
            grown = changed.changed() => if grown.is_err() { return Ok(page) },
            () = tokio::time::sleep_until(until) => return Ok(page),
            () = gate.shutdown.cancelled() => return Ok(page),
        }
    }
}

async fn read(gate: &Arc<Gate>, query: AuditQuery) -> Result<AuditPage, Denial> {
    let ledger = gate.world.ledger.clone();
    let page = blocking(move || ledger.query(&query)).await?;
    page.map_err(|error| Denial::fault(error.to_string()))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Denial> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Denial::fault(error.to_string()))
}

fn audit_query(text: &str) -> Result<AuditQuery, Denial> {
    let mut query = AuditQuery::default();
    for (name, value) in url_query(text) {
        let value = value.as_str();
        match name.as_str() {
            "kind" => query.kind = Some(value.into()),
            "action" => query.action = Some(value.into()),
            "principal" => query.principal = Some(value.into()),
            "id" => query.id = Some(value.into()),
            "since" => query.since = Some(value.parse().map_err(|_| bad("since"))?),
            "until" => query.until = Some(value.parse().map_err(|_| bad("until"))?),
            "before" => query.before = Some(value.parse().map_err(|_| bad("before"))?),
            "from" => query.from = Some(value.parse().map_err(|_| bad("from"))?),
            "limit" => query.limit = Some(value.parse().map_err(|_| bad("limit"))?),
            other => return Err(bad(other)),
        }
    }
    Ok(query)
}

fn stats_query(text: &str) -> Result<StatsQuery, Denial> {
    let mut query = StatsQuery::default();
    for (name, value) in url_query(text) {
        match name.as_str() {
            "by" => query.by = by(&value)?,
            "since" => query.since = Some(value.parse().map_err(|_| bad("since"))?),
            "until" => query.until = Some(value.parse().map_err(|_| bad("until"))?),
            other => return Err(bad(other)),
        }
    }
    Ok(query)
}

fn by(value: &str) -> Result<By, Denial> {
    match value {
        "action" => Ok(By::Action),
        "principal" => Ok(By::Principal),
        "decision" => Ok(By::Decision),
        "hour" => Ok(By::Hour),
        _ => Err(bad("by")),
    }
}

fn bad(name: &str) -> Denial {
    let name: String = name.chars().take(32).collect();
    Denial::new(Code::BadRequest, format!("audit: `{name}` cannot be read"))
}

/// `application/x-www-form-urlencoded` (WHATWG URL section 5.1).
pub(super) fn url_query(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}
