//! Places in the sandbox, shared out among the principals that hold them: nobody's slow calls take the last one.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// So many guests at once. A principal may hold as many places as are left free: one alone gets half, two get a third each,
/// and somebody new always finds one.
pub(crate) struct Places {
    max: usize,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_principal: HashMap<String, usize>,
}

/// Given back when it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    principal: String,
}

impl Places {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until this principal may have one more.
    pub(crate) async fn take(self: &Arc<Self>, principal: &str) -> Place {
        loop {
            let mut freed = pin!(self.freed.notified());
            // Registered before looking, so that none is missed.
            freed.as_mut().enable();
            if let Some(place) = self.try_take(principal) {
                return place;
            }
            freed.await;
        }
    }

    fn try_take(self: &Arc<Self>, principal: &str) -> Option<Place> {
        let mut held = self.held();
        let free = self.max.saturating_sub(held.all);
        let own = held.by_principal.get(principal).copied().unwrap_or(0);
        if own >= free {
            return None;
        }
        held.by_principal.insert(principal.to_owned(), own + 1);
        held.all += 1;
        Some(Place { places: Arc::clone(self), principal: principal.to_owned() })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.all -= 1;
        let own = held.by_principal.get(&self.principal).copied().unwrap_or(0);
        if own > 1 {
            held.by_principal.insert(self.principal.clone(), own - 1);
        } else {
            held.by_principal.remove(&self.principal);
        }
        drop(held);
        self.places.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_principal_gets_half_and_the_next_finds_room() {
        let places = Places::new(12);
        let all = |principal| std::iter::from_fn(|| places.try_take(principal)).collect::<Vec<_>>();
        let (first, second) = (all("uid:1"), all("uid:2"));
        assert_eq!((first.len(), second.len()), (6, 3));
        assert!(places.try_take("uid:1").is_none());
        assert!(places.try_take("uid:3").is_some());
    }

    #[tokio::test]
    async fn whoever_waits_gets_the_place_that_is_given_back() {
        let places = Places::new(2);
        let first = places.take("uid:1").await;
        let second = async { drop(places.take("uid:1").await) };
        let ((), ()) = tokio::join!(second, async { drop(first) });
        assert!(places.held().by_principal.is_empty(), "nobody is remembered who holds nothing");
    }
}
