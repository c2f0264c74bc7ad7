//! Calls whose answer no request has had yet, by tool and arguments: whoever repeats one joins it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_wire::ids::ApprovalId;
use rmcp::model::RequestId;

use super::flight::{Flight, Identity};

/// Calls kept that are held, or whose request was cancelled. The oldest goes first: the gate joins a held one by itself, and
/// has a receipt of every other.
const LANDED_MAX: usize = 256;
/// Answers given lately, in case their request turns out to have been cancelled.
const GIVEN_MAX: usize = 64;

/// Held in memory only. What an earlier process left is the gate's to join.
#[derive(Default)]
pub struct Undelivered {
    open: Mutex<HashMap<Identity, Entry>>,
}

struct Entry {
    flight: Arc<Flight>,
    since: u64,
}

impl Undelivered {
    /// The call of that identity, if one is open: one request more waits for it.
    pub fn join(&self, identity: &Identity) -> Option<Arc<Flight>> {
        let open = self.lock();
        let flight = &open.get(identity)?.flight;
        flight.one_more_asks();
        Some(Arc::clone(flight))
    }

    /// Opens a call. One of that identity that is open already stays.
    pub fn open(&self, flight: &Arc<Flight>) {
        let mut open = self.lock();
        let since = open.values().map(|entry| entry.since + 1).max().unwrap_or(0);
        open.entry(flight.identity).or_insert_with(|| Entry { flight: Arc::clone(flight), since });
        if open.len() > LANDED_MAX {
            drop_oldest(&mut open);
        }
    }

    /// One request less waits. True if it was the last.
    pub fn leave(&self, flight: &Flight) -> bool {
        // Under the lock, so that nobody joins between the count and what follows from it.
        let _open = self.lock();
        flight.one_less_asks()
    }

    /// Its answer was given, or there is none to be given: the same call from here on is a new one.
    pub fn close(&self, flight: &Arc<Flight>) {
        let mut open = self.lock();
        if open.get(&flight.identity).is_some_and(|entry| Arc::ptr_eq(&entry.flight, flight)) {
            open.remove(&flight.identity);
        }
    }

    /// As [`Self::close`], by the approval that it was held under.
    pub fn close_held(&self, id: ApprovalId) {
        self.lock().retain(|_, entry| entry.flight.held_as() != Some(id));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn drop_oldest(open: &mut HashMap<Identity, Entry>) {
    let landed = open.iter().filter(|(_, entry)| !entry.flight.is_running());
    if let Some(oldest) = landed.min_by_key(|(_, entry)| entry.since).map(|(identity, _)| *identity) {
        open.remove(&oldest);
    }
}

/// What one client's requests were answered with lately, and of which of them the answer is still being written.
#[derive(Default)]
pub struct Given {
    lately: Mutex<VecDeque<(RequestId, Arc<Flight>)>>,
    writing: Mutex<HashMap<RequestId, Identity>>,
}

impl Given {
    pub fn note(&self, request: RequestId, flight: &Arc<Flight>) {
        self.writing().insert(request.clone(), flight.identity);
        let mut lately = self.lately();
        if lately.len() == GIVEN_MAX {
            lately.pop_front();
        }
        lately.push_back((request, Arc::clone(flight)));
    }

    /// The answer of this request is written: the call that it is of.
    pub fn written(&self, request: &RequestId) -> Option<Identity> {
        self.writing().remove(request)
    }

    /// The call that answered this request, which did not wait for it.
    pub fn take(&self, request: &RequestId) -> Option<Arc<Flight>> {
        self.writing().remove(request);
        let mut lately = self.lately();
        let at = lately.iter().position(|(id, _)| id == request)?;
        lately.remove(at).map(|(_, flight)| flight)
    }

    fn lately(&self) -> MutexGuard<'_, VecDeque<(RequestId, Arc<Flight>)>> {
        self.lately.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, HashMap<RequestId, Identity>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
