//! Who is told of what, and how far: a cursor into the log for each receiver, and its dead letters.

use std::collections::{BTreeMap, BTreeSet};

use latchgate_wire::notify::{Ask, Asked, Delivered, Event, ReceiversChanged, Undelivered};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::Objection;

/// Dead letters that are remembered for a receiver; of older ones the log alone knows.
const DEAD_MAX: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receivers(BTreeMap<String, Receiver>);

/// One receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Receiver {
    pub events: BTreeSet<Event>,
    /// The first entry that was not dealt with.
    pub next: u64,
    /// By the first event's `seq`.
    pub dead: BTreeMap<u64, Dead>,
    /// Dead letters that are to be sent again: first and last event's `seq`.
    pub again: BTreeMap<u64, u64>,
    /// Dead letters beyond those remembered.
    pub beyond: u64,
}

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    pub last: u64,
    pub attempts: u32,
    pub reason: String,
    pub at: Timestamp,
}

impl Receivers {
    pub fn named(&self, name: &str) -> Option<&Receiver> {
        self.0.get(name)
    }

    pub fn all(&self) -> ReceiversChanged {
        let events = |(name, receiver): (&String, &Receiver)| (name.clone(), receiver.events.clone());
        ReceiversChanged { receivers: self.0.iter().map(events).collect() }
    }

    /// `size` is the number of entries so far: nobody was told of what is not written.
    pub fn admit_delivered(&self, delivered: &Delivered, size: u64) -> Result<(), Objection> {
        for (name, progress) in &delivered.receivers {
            let receiver = self.known(name)?;
            if progress.next > size {
                return Err(Objection::Invalid("expected a receiver to be told of entries that are written"));
            }
            if !progress.again.iter().all(|first| receiver.again.contains_key(first)) {
                return Err(Objection::Invalid("expected a message sent again to be one that was asked for"));
            }
        }
        Ok(())
    }

    pub fn admit_failed(&self, failed: &Undelivered, size: u64) -> Result<(), Objection> {
        let receiver = self.known(&failed.receiver)?;
        let is_again = receiver.again.get(&failed.first) == Some(&failed.last);
        if failed.first > failed.last || failed.last >= size || (failed.first < receiver.next && !is_again) {
            return Err(Objection::Invalid("expected a message that waited for this receiver"));
        }
        Ok(())
    }

    pub fn admit_asked(&self, asked: &Asked) -> Result<(), Objection> {
        self.known(&asked.receiver).map(|_| ())
    }

    fn known(&self, name: &str) -> Result<&Receiver, Objection> {
        self.0.get(name).ok_or(Objection::Invalid("expected a receiver that the log knows"))
    }

    /// The entry at `seq` says so: whoever is new is told of what comes behind it.
    pub fn changed(&mut self, changed: &ReceiversChanged, seq: u64) {
        let mut before = std::mem::take(&mut self.0);
        for (name, events) in &changed.receivers {
            let fresh = || Receiver { next: seq.saturating_add(1), ..Receiver::default() };
            let mut receiver = before.remove(name).unwrap_or_else(fresh);
            receiver.events.clone_from(events);
            self.0.insert(name.clone(), receiver);
        }
    }

    pub fn delivered(&mut self, delivered: &Delivered) {
        for (name, progress) in &delivered.receivers {
            let Some(receiver) = self.0.get_mut(name) else { continue };
            receiver.next = receiver.next.max(progress.next);
            for first in &progress.again {
                receiver.again.remove(first);
            }
        }
    }

    pub fn failed(&mut self, failed: &Undelivered, at: Timestamp) {
        let Some(receiver) = self.0.get_mut(&failed.receiver) else { return };
        if receiver.again.remove(&failed.first).is_none() {
            receiver.next = receiver.next.max(failed.last.saturating_add(1));
        }
        let Undelivered { first, last, attempts, ref reason, .. } = *failed;
        receiver.dead.insert(first, Dead { last, attempts, reason: reason.clone(), at });
        while receiver.dead.len() > DEAD_MAX {
            receiver.dead.pop_first();
            receiver.beyond = receiver.beyond.saturating_add(1);
        }
    }

    pub fn asked(&mut self, asked: &Asked) {
        let Some(receiver) = self.0.get_mut(&asked.receiver) else { return };
        match asked.ask {
            Ask::Test => {}
            Ask::Retry => {
                let dead = std::mem::take(&mut receiver.dead);
                receiver.again.extend(dead.into_iter().map(|(first, dead)| (first, dead.last)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use latchgate_wire::entry::Signed;
    use latchgate_wire::notify::Progress;

    use super::*;

    fn receivers(names: &[&str], seq: u64, before: Receivers) -> Receivers {
        let events = BTreeSet::from([Event::Held]);
        let of = |name: &&str| ((*name).to_owned(), events.clone());
        let mut receivers = before;
        receivers.changed(&ReceiversChanged { receivers: names.iter().map(of).collect() }, seq);
        receivers
    }

    fn delivered(name: &str, next: u64, again: &[u64]) -> Delivered {
        let progress = Progress { next, again: again.to_vec() };
        Delivered { receivers: BTreeMap::from([(name.to_owned(), progress)]) }
    }

    fn failed(name: &str, first: u64, last: u64) -> Undelivered {
        Undelivered { receiver: name.into(), first, last, attempts: 3, reason: "500".into() }
    }

    fn retry(name: &str) -> Asked {
        let signed = Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() };
        Asked { receiver: name.into(), ask: Ask::Retry, signed }
    }

    #[test]
    fn a_receiver_begins_behind_the_entry_that_names_it_and_keeps_its_place() {
        let mut all = receivers(&["a"], 4, Receivers::default());
        assert_eq!(all.named("a").unwrap().next, 5);
        all.delivered(&delivered("a", 9, &[]));
        let all = receivers(&["a", "b"], 20, all);
        assert_eq!((all.named("a").unwrap().next, all.named("b").unwrap().next), (9, 21));
        let all = receivers(&["b"], 30, all);
        assert!(all.named("a").is_none());
        assert_eq!(receivers(&["a", "b"], 40, all).named("a").unwrap().next, 41);
    }

    #[test]
    fn a_cursor_never_goes_back() {
        let mut all = receivers(&["a"], 0, Receivers::default());
        all.failed(&failed("a", 7, 8), Timestamp::from_ms(1));
        all.delivered(&delivered("a", 5, &[]));
        assert_eq!(all.named("a").unwrap().next, 9);
    }

    #[test]
    fn a_dead_letter_is_sent_again_when_asked_for_and_may_fail_again() {
        let mut all = receivers(&["a"], 0, Receivers::default());
        all.failed(&failed("a", 3, 4), Timestamp::from_ms(1));
        all.asked(&retry("a"));
        assert_eq!(all.named("a").unwrap().again, BTreeMap::from([(3, 4)]));
        assert!(all.named("a").unwrap().dead.is_empty());
        all.admit_failed(&failed("a", 3, 4), 10).unwrap();
        all.failed(&failed("a", 3, 4), Timestamp::from_ms(2));
        assert_eq!(all.named("a").unwrap().next, 5);
        all.asked(&retry("a"));
        all.admit_delivered(&delivered("a", 5, &[3]), 10).unwrap();
        all.delivered(&delivered("a", 5, &[3]));
        assert!(all.named("a").unwrap().again.is_empty());
    }

    #[test]
    fn what_does_not_fit_the_log_is_not_admitted() {
        let all = receivers(&["a"], 3, Receivers::default());
        for fits in [
            all.admit_delivered(&delivered("b", 5, &[]), 10),
            all.admit_delivered(&delivered("a", 11, &[]), 10),
            all.admit_delivered(&delivered("a", 5, &[2]), 10),
            all.admit_failed(&failed("b", 5, 5), 10),
            all.admit_failed(&failed("a", 3, 3), 10),
            all.admit_failed(&failed("a", 6, 5), 10),
            all.admit_failed(&failed("a", 9, 10), 10),
            all.admit_asked(&retry("b")),
        ] {
            assert!(matches!(fits, Err(Objection::Invalid(_))));
        }
        all.admit_delivered(&delivered("a", 10, &[]), 10).unwrap();
        all.admit_failed(&failed("a", 4, 9), 10).unwrap();
        all.admit_asked(&retry("a")).unwrap();
    }

    #[test]
    fn a_thousand_dead_letters_are_remembered_and_the_rest_is_counted() {
        let mut all = receivers(&["a"], 0, Receivers::default());
        for seq in 0..=DEAD_MAX as u64 {
            all.failed(&failed("a", seq, seq), Timestamp::from_ms(1));
        }
        let receiver = all.named("a").unwrap();
        assert_eq!((receiver.dead.len(), receiver.beyond), (DEAD_MAX, 1));
        assert!(!receiver.dead.contains_key(&0));
    }
}
