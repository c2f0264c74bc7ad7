//! Notifications: receivers that the operator named are told of what happened, behind the calls and never in their way.
//!
//! ```text
//! ledger ──► queue (which entries are news) ──► story (what is told) ──► form (of that service) ──► send (egress) ──► judged
//!    ▲                                                                                                               │
//!    └──────────────── notify.delivered once a second, notify.failed at once ◄── delivery, a task for each receiver ◄┘
//! ```
//!
//! Invariant: a receiver's cursor passes an event only when the event was accepted or is a dead letter, so that each is told at
//! least once and in the order of the log. What an agent chose is shown as its words, where no service reads markup in them.

mod ask;
mod backoff;
mod delivery;
mod form;
mod queue;
mod receiver;
mod send;
mod story;
mod text;

use std::sync::Arc;

use latchgate_egress::{Egress, Vault};
use latchgate_ledger::Ledger;
use latchgate_monitor::ports::{Commit, CommitError, Durability, Log as _};
use latchgate_wire::entry::Body;
use latchgate_wire::notify::{Delivered, ReceiversChanged};
use tokio_util::task::TaskTracker;

use crate::config::NotifySettings;
use crate::gate::Gate;

pub use ask::{ask, list, summaries};
use receiver::Receiver;

/// The receivers, and what telling them needs.
pub struct News {
    receivers: Vec<Arc<Receiver>>,
    vault: Arc<dyn Vault>,
    ways: Ways,
    /// One task for each receiver; they end when the gate does.
    tasks: TaskTracker,
}

/// The two ways out: what one receiver may be permitted must not be permitted to another.
pub struct Ways {
    pub public: Arc<Egress>,
    pub private: Arc<Egress>,
}

impl News {
    /// Each receiver goes on where the log says that it was left.
    pub fn new(settings: &[NotifySettings], ledger: &Ledger, vault: Arc<dyn Vault>, ways: Ways) -> Self {
        let receiver = |settings: &NotifySettings| {
            let next = ledger.receiver(&settings.name).map_or(0, |left| left.next);
            Arc::new(Receiver::new(settings.clone(), next))
        };
        Self { receivers: settings.iter().map(receiver).collect(), vault, ways, tasks: TaskTracker::new() }
    }

    fn named(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.iter().find(|receiver| receiver.settings.name == name)
    }

    /// Waits for the tasks, which end with the gate's shutdown.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Begins to tell.
pub fn begin(gate: &Arc<Gate>) {
    for receiver in &gate.news.receivers {
        let (gate, receiver) = (Arc::clone(gate), Arc::clone(receiver));
        gate.clone().news.tasks.spawn(async move {
            tokio::select! {
                () = gate.shutdown.cancelled() => {}
                () = delivery::deliver(&gate, &receiver) => {}
            }
        });
    }
}

/// Writes down how far receivers were told since the last time. What a crash takes of that is told again.
pub async fn record(gate: &Gate) {
    let mut receivers = std::collections::BTreeMap::new();
    for receiver in &gate.news.receivers {
        if let Some(progress) = receiver.unrecorded() {
            receivers.insert(receiver.settings.name.clone(), progress);
        }
    }
    if receivers.is_empty() {
        return;
    }
    let delivered = Delivered { receivers };
    if gate.append(Body::NotifyDelivered(delivered.clone())).await {
        for (name, progress) in &delivered.receivers {
            gate.news.named(name).iter().for_each(|receiver| receiver.recorded(progress));
        }
    }
}

/// Who is told of what, as an entry, unless the log says so already.
///
/// # Errors
/// If the ledger takes no entries.
pub async fn put_in_force(ledger: &Ledger, settings: &[NotifySettings]) -> Result<(), CommitError> {
    let events = |settings: &NotifySettings| (settings.name.clone(), settings.events.clone());
    let wanted = ReceiversChanged { receivers: settings.iter().map(events).collect() };
    if ledger.receivers() != wanted {
        let body = Body::NotifyChanged(wanted);
        ledger.commit(Commit { trace_id: None, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}
