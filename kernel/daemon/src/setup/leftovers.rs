//! What interrupted writes left below the root: removed at the start, before any call.

use latchgate_ledger::Ledger;
use latchgate_monitor::steps::CallPayload;
use latchgate_wasm::Roots;
use latchgate_wire::entry::{Body, Entry};
use latchgate_wire::receipt::PayloadAt;

/// Removes the temporary files of calls without an outcome, by the entries of their intents. What cannot be removed (the payload
/// was lost, or the root is not there) stays, and no action sees it.
pub fn remove(ledger: &Ledger, roots: &Roots, intents: &[u64]) {
    for seq in intents {
        match removed(ledger, roots, *seq) {
            Ok(removed) => {
                for path in removed {
                    tracing::info!(
                        intent = seq,
                        path,
                        "the temporary file of an interrupted write was removed"
                    );
                }
            }
            Err(why) => {
                tracing::warn!(intent = seq, why, "an interrupted call may have left a temporary file")
            }
        }
    }
}

fn removed(ledger: &Ledger, roots: &Roots, seq: u64) -> Result<Vec<String>, String> {
    let Some(payload) = payload_of(ledger, seq)? else { return Ok(Vec::new()) };
    let call = CallPayload::read(&*ledger.payloads(), payload).map_err(|denial| denial.detail)?;
    let salt = call.salt().map_err(|denial| denial.detail)?;
    roots.remove_leftovers(&call.plan, &salt).map_err(|error| error.to_string())
}

/// Reads leave nothing behind.
fn payload_of(ledger: &Ledger, seq: u64) -> Result<Option<PayloadAt>, String> {
    let line = ledger.entry(seq).map_err(|error| error.to_string())?.ok_or("there is no such entry")?;
    match Entry::read(&line).map_err(|error| error.to_string())?.body {
        Body::CallIntent(intent) if !intent.call.is_read => Ok(Some(intent.call.payload)),
        _ => Ok(None),
    }
}
