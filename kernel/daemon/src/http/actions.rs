//! The list of actions, and the wait for another one (`If-None-Match` with `Prefer: wait=N`).

use std::time::Duration;

use hyper::Response;
use hyper::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use latchgate_monitor::authenticator::Caller;
use latchgate_monitor::denial::Denial;
use latchgate_wire::api::ActionList;
use latchgate_wire::digest::Digest;

use super::incoming::Received;
use super::respond::{self, Whole};
use crate::gate::Gate;

/// The longest wait for a change. The connection counts against its listener's bound meanwhile.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// What a client is shown, under the tag that a later request may name.
struct Tagged {
    list: ActionList,
    tag: String,
}

/// With a lease only what a permit could allow this principal; without, everything that is registered. Who has that list
/// already gets 304: at once, or, if asked to wait, unless a reload changes the list before. A drain ends the wait.
pub async fn list(
    gate: &Gate,
    caller: Option<&Caller>,
    received: &Received,
) -> Result<Response<Whole>, Denial> {
    let held = received.header(IF_NONE_MATCH.as_str())?;
    let wait = received.wait().min(WAIT_MAX);
    let until = tokio::time::sleep(wait);
    tokio::pin!(until);
    // Asked for before the first look, so that no change is missed.
    let mut changes = gate.catalog_changes();
    let mut counted = None;
    loop {
        let tagged = Tagged::of(gate, caller)?;
        if !held.is_some_and(|held| names(held, &tagged.tag)) {
            return Ok(with_tag(respond::json(200, &tagged.list), &tagged.tag));
        }
        if wait.is_zero() {
            return Ok(with_tag(respond::not_modified(), &tagged.tag));
        }
        counted.get_or_insert_with(|| gate.metrics.waits());
        tokio::select! {
            biased;
            () = gate.draining.cancelled() => return Ok(with_tag(respond::not_modified(), &tagged.tag)),
            () = &mut until => return Ok(with_tag(respond::not_modified(), &tagged.tag)),
            changed = changes.changed() => {
                changed.map_err(|error| Denial::fault(error.to_string()))?;
            }
        }
    }
}

impl Tagged {
    fn of(gate: &Gate, caller: Option<&Caller>) -> Result<Self, Denial> {
        let catalog = gate.catalog.load();
        let visible = catalog.actions.values().filter(|action| {
            let manifest = &action.manifest;
            caller.is_none_or(|caller| {
                caller.scopes().cover(&manifest.action_id, manifest.class.as_str())
                    && catalog.policy.may_permit(&manifest.action_id)
            })
        });
        let list = ActionList { actions: visible.map(|action| action.info()).collect() };
        let bytes = serde_json::to_vec(&list).map_err(|error| Denial::fault(error.to_string()))?;
        Ok(Self { list, tag: format!("\"{}\"", Digest::of(&bytes)) })
    }
}

fn with_tag(mut response: Response<Whole>, tag: &str) -> Response<Whole> {
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Weak comparison, or any at all (RFC 9110 section 13.1.2). Tags of ours hold no comma.
fn names(held: &str, tag: &str) -> bool {
    held.split(',').map(str::trim).any(|held| held == "*" || held.strip_prefix("W/").unwrap_or(held) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_among_others_weak_or_strong() {
        for held in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(names(held, "\"a\""), "{held}");
        }
        for held in ["", "a", "\"b\"", "\"ab\"", "W/W/\"a\""] {
            assert!(!names(held, "\"a\""), "{held}");
        }
    }
}
