//! What operators see of receivers, and ask of them.

use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Commit, Durability, Log as _};
use latchgate_wire::entry::Body;
use latchgate_wire::ids::TraceId;
use latchgate_wire::notify::{self, Ask, Asked, AskedFor, DeadLetter, ReceiverList, Summary};
use latchgate_wire::problem::Code;

use super::receiver::Receiver;
use crate::gate::Gate;
use crate::people::operators::Operated;

pub fn list(gate: &Gate) -> ReceiverList {
    ReceiverList { receivers: gate.news.receivers.iter().map(|receiver| one(gate, receiver)).collect() }
}

/// The short form, for whoever asks how the gate is.
pub fn summaries(gate: &Gate) -> Vec<Summary> {
    let summary = |receiver: notify::Receiver| Summary {
        dead_letters: receiver.dead_letters.len() as u64 + receiver.dead_letters_beyond,
        failing: receiver.failing.map(|failing| failing.reason),
        name: receiver.name,
        behind: receiver.behind,
    };
    list(gate).receivers.into_iter().map(summary).collect()
}

fn one(gate: &Gate, receiver: &Receiver) -> notify::Receiver {
    let settings = &receiver.settings;
    let left = gate.world.ledger.receiver(&settings.name).unwrap_or_default();
    let dead = left.dead.into_iter().map(|(first, dead)| DeadLetter {
        first,
        last: dead.last,
        attempts: dead.attempts,
        reason: dead.reason,
        at: dead.at,
    });
    let next = receiver.next();
    notify::Receiver {
        name: settings.name.clone(),
        kind: settings.kind.as_str().into(),
        events: settings.events.clone(),
        next,
        behind: gate.world.ledger.stats().entries.saturating_sub(next),
        failing: receiver.failing(),
        dead_letters: dead.collect(),
        dead_letters_beyond: left.beyond,
        dangerous_private: settings.dangerous_private,
    }
}

/// # Errors
/// 404 for a receiver that is none.
pub async fn ask(
    gate: &Gate,
    name: &str,
    ask: Ask,
    operated: Operated,
    trace_id: TraceId,
) -> Result<AskedFor, Denial> {
    if gate.news.named(name).is_none() {
        return Err(Denial::new(Code::NotFound, "there is no such receiver").remedy("latchgate notify list"));
    }
    let dead_letters = gate.world.ledger.receiver(name).map_or(0, |left| left.dead.len());
    let body = Body::NotifyAsked(Asked { receiver: name.to_owned(), ask, signed: operated.signed() });
    let commit = Commit { trace_id: Some(trace_id), body, payload: Durability::Buffered };
    let log_index = gate.world.ledger.commit(commit).await?.seq;
    let dead_letters = if ask == Ask::Retry { dead_letters } else { 0 };
    Ok(AskedFor { receiver: name.to_owned(), ask, log_index, dead_letters })
}
