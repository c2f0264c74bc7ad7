//! Answers that reached the client, told to the gate. Until the gate knows of one, it answers an identical call with it: so a
//! call whose answer died with this process, on the way from the gate to the client, is never made twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_client::ClientError;
use latchgate_wire::ids::ReceiptId;
use latchgate_wire::problem::Code;

use super::flight::{Ending, Identity};
use super::link::Link;

/// Given, and not told yet. Held by whoever tells it, so that nobody repeats the call before the gate knows.
type Untold = Arc<tokio::sync::Mutex<Option<ReceiptId>>>;

#[derive(Default)]
pub struct Confirmed {
    untold: Mutex<HashMap<Identity, Untold>>,
}

impl Confirmed {
    /// The answer is on its way to the client.
    pub fn given(&self, identity: Identity, ending: &Ending) {
        if let Ok(executed) = &**ending {
            let untold = Arc::new(tokio::sync::Mutex::new(Some(executed.receipt_id)));
            self.untold().insert(identity, untold);
        }
    }

    /// Its request turned out to have been cancelled.
    pub fn not_given(&self, identity: &Identity) {
        self.untold().remove(identity);
    }

    /// Tells the gate of the answer of that call, if one was given. Returns once the gate knows.
    ///
    /// # Errors
    /// Why it cannot be told. What was given stays to be told.
    pub async fn tell(&self, identity: &Identity, link: &Link) -> Result<(), ClientError> {
        let Some(untold) = self.untold().get(identity).map(Arc::clone) else { return Ok(()) };
        let mut receipt = untold.lock().await;
        if let Some(id) = *receipt {
            match link.agent().await?.delivered(id).await {
                // Another gate, or another history: nothing of ours is left there to be joined.
                Err(error) if error.code() == Some(Code::NotFound) => {}
                told => told?,
            }
            *receipt = None;
        }
        let mut all = self.untold();
        if all.get(identity).is_some_and(|known| Arc::ptr_eq(known, &untold)) {
            all.remove(identity);
        }
        Ok(())
    }

    fn untold(&self) -> MutexGuard<'_, HashMap<Identity, Untold>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
