//! Connections shared out among the users who hold them: nobody can take the last one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many connections at once. A user may hold as many as are left free: one alone gets half, two get a third each, and
/// somebody new always finds a place.
pub struct Allotment {
    max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    all: usize,
    by_uid: HashMap<u32, usize>,
}

/// One connection's place, given back when it is dropped.
pub struct Place {
    allotment: Arc<Allotment>,
    uid: u32,
}

impl Allotment {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, held: Mutex::default() })
    }

    /// `None` if this user holds as many as are free, or more.
    pub fn take(self: &Arc<Self>, uid: u32) -> Option<Place> {
        let mut held = self.held();
        let free = self.max.saturating_sub(held.all);
        let own = held.by_uid.get(&uid).copied().unwrap_or(0);
        if own >= free {
            return None;
        }
        held.by_uid.insert(uid, own + 1);
        held.all += 1;
        Some(Place { allotment: Arc::clone(self), uid })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.allotment.held();
        held.all -= 1;
        let own = held.by_uid.get(&self.uid).copied().unwrap_or(0);
        if own > 1 {
            held.by_uid.insert(self.uid, own - 1);
        } else {
            held.by_uid.remove(&self.uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(allotment: &Arc<Allotment>, uid: u32) -> Vec<Place> {
        std::iter::from_fn(|| allotment.take(uid)).collect()
    }

    #[test]
    fn one_user_gets_half_and_the_next_finds_room() {
        let allotment = Allotment::new(12);
        let first = all(&allotment, 1);
        let second = all(&allotment, 2);
        assert_eq!((first.len(), second.len()), (6, 3));
        assert!(allotment.take(1).is_none() && allotment.take(2).is_none());
        assert!(allotment.take(3).is_some());
    }

    #[test]
    fn a_dropped_connection_gives_its_place_back() {
        let allotment = Allotment::new(2);
        let place = allotment.take(1).unwrap();
        assert!(allotment.take(1).is_none());
        drop(place);
        assert!(allotment.take(1).is_some());
        assert!(allotment.held().by_uid.is_empty(), "nobody is remembered who holds nothing");
    }
}
