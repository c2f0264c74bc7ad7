//! Routes about the ledger itself: C2SP tlog-tiles below `/v1/ledger`, proofs, and what operators do about its entries.

use std::sync::Arc;

use hyper::Response;
use latchgate_monitor::denial::Denial;
use latchgate_wire::api::{ForgetRequest, ResolveRequest};
use latchgate_wire::entry::Role;
use latchgate_wire::ids::{IdError, ReceiptId, TraceId};
use latchgate_wire::problem::Code;
use latchgate_wire::tile::Tile;
use serde_json::json;

use super::admin::operator;
use super::agent::body;
use super::audit::url_query;
use super::incoming::Received;
use super::respond::{self, Whole};
use crate::evidence::bundle::Payloads;
use crate::evidence::{blocking, bundle, forget, rotation, unknown};
use crate::gate::Gate;

/// Of the history of checkpoints in one answer.
const HISTORY_BYTES_MAX: usize = 256 << 10;

/// `None` for a route that is none of these.
pub async fn routed(
    gate: &Arc<Gate>,
    received: &Received,
    segments: &[&str],
    trace_id: TraceId,
) -> Result<Option<Response<Whole>>, Denial> {
    let ["v1", "ledger", segments @ ..] = segments else { return Ok(None) };
    let by = |role| operator(gate, received, role);
    let response = match (received.method.as_str(), segments) {
        ("GET", ["checkpoint"]) => {
            by(Role::Viewer)?;
            respond::text(bundle::checkpoint(gate).await?.note)
        }
        ("GET", ["checkpoints"]) => {
            by(Role::Viewer)?;
            let from = offset(received.query.as_deref().unwrap_or(""))?;
            let ledger = gate.world.ledger.clone();
            let lines = blocking(move || ledger.checkpoints(from, HISTORY_BYTES_MAX));
            respond::octets(lines.await?.map_err(bundle::unreadable)?)
        }
        ("GET", ["tile", level, place @ ..]) if !place.is_empty() => {
            by(Role::Viewer)?;
            respond::octets(tile(gate, level, &place.join("/")).await?)
        }
        ("GET", ["consistency"]) => {
            by(Role::Viewer)?;
            let (old, new) = sizes(received.query.as_deref().unwrap_or(""))?;
            respond::json(200, &bundle::consistency(gate, old, new).await?)
        }
        ("GET", ["receipts", id]) => {
            let payloads = asked(received, &by)?;
            respond::json(200, &bundle::of_receipt(gate, receipt_id(id)?, payloads).await?)
        }
        ("GET", ["entries", seq]) => {
            let payloads = asked(received, &by)?;
            let seq =
                seq.parse().map_err(|_| Denial::new(Code::NotFound, "expected the number of an entry"))?;
            respond::json(200, &bundle::of_entry(gate, seq, payloads).await?)
        }
        ("GET", ["unknown"]) => {
            by(Role::Viewer)?;
            respond::json(200, &unknown::list(gate).await?)
        }
        ("POST", ["unknown", id]) => {
            let operated = by(Role::Approver)?;
            let request: ResolveRequest = body(&received.body)?;
            let (id, resolution) = (receipt_id(id)?, request.resolution);
            let log_index = unknown::resolve(gate, id, request, operated, trace_id).await?;
            let resolved = json!({ "receipt_id": id, "resolution": resolution, "log_index": log_index });
            respond::json(200, &resolved)
        }
        ("POST", ["forget"]) => {
            let operated = by(Role::Admin)?;
            let request: ForgetRequest = body(&received.body)?;
            let of = request.of().map_err(|why| Denial::new(Code::BadRequest, why))?;
            respond::json(200, &forget::forget(gate, of, operated.signed(), trace_id).await?)
        }
        ("POST", ["rotate-key"]) => {
            let operated = by(Role::Admin)?;
            respond::json(200, &rotation::rotate(gate, operated).await?)
        }
        _ => return Ok(None),
    };
    Ok(Some(response))
}

/// Whoever may decide may see what was decided about; others get the proof alone.
fn asked<T>(received: &Received, by: &impl Fn(Role) -> Result<T, Denial>) -> Result<Payloads, Denial> {
    let payloads = Payloads::asked(received.query.as_deref());
    let role = if payloads == Payloads::Included { Role::Approver } else { Role::Viewer };
    by(role).map(|_| payloads)
}

/// A tile that the newest checkpoint has, or the entries of one.
async fn tile(gate: &Arc<Gate>, level: &str, place: &str) -> Result<Vec<u8>, Denial> {
    let absent = || Denial::new(Code::NotFound, "the log has no such tile");
    let is_entries = level == "entries";
    let level = if is_entries { 0 } else { level.parse().map_err(|_| absent())? };
    let tile = Tile::parse_place(level, place).ok_or_else(absent)?;
    let size = gate.world.ledger.stats().checkpoint_size;
    if Tile::at(tile.level, tile.index, size).is_none_or(|widest| widest.width < tile.width) {
        return Err(absent());
    }
    let ledger = gate.world.ledger.clone();
    let read = blocking(move || {
        if !is_entries {
            return ledger.tile(tile);
        }
        let entries = tile.entries();
        Ok(Tile::bundle(&ledger.entries(entries.start, usize::from(tile.width))?))
    });
    read.await?.map_err(bundle::unreadable)
}

/// Where the history of checkpoints is read on.
fn offset(query: &str) -> Result<u64, Denial> {
    let bad = || Denial::new(Code::BadRequest, "checkpoints: expected `from`, a byte of the history");
    match url_query(query).as_slice() {
        [] => Ok(0),
        [(name, value)] if name == "from" => value.parse().map_err(|_| bad()),
        _ => Err(bad()),
    }
}

fn sizes(query: &str) -> Result<(u64, Option<u64>), Denial> {
    let bad = || Denial::new(Code::BadRequest, "consistency: expected `old` and `new`, two sizes of the log");
    let (mut old, mut new) = (None, None);
    for (name, value) in url_query(query) {
        let size = Some(value.parse().map_err(|_| bad())?);
        match name.as_str() {
            "old" => old = size,
            "new" => new = size,
            _ => return Err(bad()),
        }
    }
    Ok((old.ok_or_else(bad)?, new))
}

fn receipt_id(text: &str) -> Result<ReceiptId, Denial> {
    text.parse().map_err(|error: IdError| Denial::new(Code::NotFound, error.to_string()))
}
