//! The task of one receiver: what waits is told in its order, tried again, and given up in the end.

use std::sync::Arc;
use std::time::Duration;

use latchgate_monitor::denial::Denial;
use latchgate_monitor::ports::{Clock as _, Entropy as _};
use latchgate_wire::entry::Body;
use latchgate_wire::notify::{Failing, Undelivered};

use super::backoff::delay;
use super::queue::{Batch, Source};
use super::receiver::Receiver;
use super::send;
use super::story::Story;
use crate::evidence::blocking;
use crate::gate::Gate;

/// After the log grew: what comes at once is read at once.
const GATHER: Duration = Duration::from_millis(50);
/// Before the log is tried again that could not be read or written.
const MEND: Duration = Duration::from_secs(1);

/// Never ends by itself.
pub async fn deliver(gate: &Gate, receiver: &Arc<Receiver>) {
    let mut changed = gate.world.ledger.changed();
    loop {
        changed.borrow_and_update();
        match turn(gate, receiver).await {
            Ok(true) => {}
            Ok(false) => {
                if changed.changed().await.is_err() {
                    return;
                }
                tokio::time::sleep(GATHER).await;
            }
            Err(denial) => {
                let name = &receiver.settings.name;
                tracing::error!(receiver = %name, problem = %denial.detail, "notifications wait: the log cannot be read");
                tokio::time::sleep(MEND).await;
            }
        }
    }
}

/// Deals with what waits; false where nothing did. Dead letters that were asked for come first: they are older.
async fn turn(gate: &Gate, receiver: &Arc<Receiver>) -> Result<bool, Denial> {
    let again =
        gate.world.ledger.receiver(&receiver.settings.name).map(|left| left.again).unwrap_or_default();
    let again = again.into_iter().find(|(first, _)| !receiver.is_told_again(*first));
    if let Some((first, last)) = again {
        repeat(gate, receiver, first, last).await?;
        return Ok(true);
    }
    let from = receiver.next();
    let batch = read(gate, receiver, from, u64::MAX).await?;
    for story in &batch.stories {
        match tell(gate, receiver, story).await {
            Ok(()) => receiver.told(story.last + 1),
            Err(given_up) => {
                bury(gate, receiver, (story.first, story.last), given_up).await;
                receiver.passed(story.last + 1);
            }
        }
    }
    receiver.passed(batch.next);
    Ok(batch.next > from)
}

/// A dead letter once more.
async fn repeat(gate: &Gate, receiver: &Arc<Receiver>, first: u64, last: u64) -> Result<(), Denial> {
    let mut from = first;
    while from <= last {
        let batch = read(gate, receiver, from, last + 1).await?;
        for story in &batch.stories {
            if let Err(given_up) = tell(gate, receiver, story).await {
                bury(gate, receiver, (first, last), given_up).await;
                receiver.failed(None);
                return Ok(());
            }
        }
        if batch.next == from {
            break;
        }
        from = batch.next;
    }
    receiver.told_again(first);
    Ok(())
}

async fn read(gate: &Gate, receiver: &Arc<Receiver>, from: u64, end: u64) -> Result<Batch, Denial> {
    let source = Source { ledger: gate.world.ledger.clone(), payloads: Arc::clone(&gate.world.payloads) };
    let receiver = Arc::clone(receiver);
    blocking(move || source.read(&receiver.settings, from, end)).await?.map_err(Denial::fault)
}

struct GivenUp {
    attempts: u32,
    reason: String,
}

/// Tries until the message is accepted or given up.
async fn tell(gate: &Gate, receiver: &Receiver, story: &Story) -> Result<(), GivenUp> {
    let mut attempts = 0;
    loop {
        let failure = match send::once(&gate.news, receiver, story, gate.world.clock.now()).await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        attempts += 1;
        if failure.is_final || attempts >= receiver.settings.attempts {
            return Err(GivenUp { attempts, reason: failure.reason });
        }
        let lot = u64::try_from(gate.world.entropy.u128() >> 64).unwrap_or(0);
        let wait = delay(attempts, failure.retry_after, lot);
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        receiver.failed(Some(Failing {
            first: story.first,
            attempts,
            reason: failure.reason,
            next_attempt_at: gate.world.clock.now().plus_ms(wait_ms),
        }));
        tokio::time::sleep(wait).await;
    }
}

/// A dead letter, in the log before anything that follows it is told.
async fn bury(gate: &Gate, receiver: &Receiver, (first, last): (u64, u64), given_up: GivenUp) {
    let GivenUp { attempts, reason } = given_up;
    let name = &receiver.settings.name;
    tracing::warn!(receiver = %name, first, last, attempts, %reason, "a notification is a dead letter: latchgate notify list");
    let failed = Undelivered { receiver: name.clone(), first, last, attempts, reason };
    while !gate.append(Body::NotifyFailed(failed.clone())).await {
        tokio::time::sleep(MEND).await;
    }
}
