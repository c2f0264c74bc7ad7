//! One receiver as the gate runs: how far it was told, and what stands in the way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use latchgate_wire::notify::{Failing, Progress};

use crate::config::NotifySettings;

/// Entries that hold no news are passed without a word about it, up to so many: that is what a restart reads again.
const SILENT_ENTRIES_MAX: u64 = 10_000;

pub struct Receiver {
    pub settings: NotifySettings,
    standing: Mutex<Standing>,
}

struct Standing {
    /// The first entry that was not dealt with.
    next: u64,
    /// What of that the log knows.
    recorded: u64,
    /// Behind the last event that was accepted: where the log must know of it.
    told: u64,
    /// Dead letters that were delivered, as far as the log does not know.
    again: Vec<u64>,
    failing: Option<Failing>,
}

impl Receiver {
    pub fn new(settings: NotifySettings, next: u64) -> Self {
        let standing = Standing { next, recorded: next, told: next, again: Vec::new(), failing: None };
        Self { settings, standing: Mutex::new(standing) }
    }

    pub fn next(&self) -> u64 {
        self.lock().next
    }

    pub fn failing(&self) -> Option<Failing> {
        self.lock().failing.clone()
    }

    /// A message was accepted; everything before `next` is dealt with.
    pub fn told(&self, next: u64) {
        let mut standing = self.lock();
        standing.next = standing.next.max(next);
        standing.told = standing.told.max(next);
        standing.failing = None;
    }

    /// There was no news before `next`, or it is recorded otherwise.
    pub fn passed(&self, next: u64) {
        let mut standing = self.lock();
        standing.next = standing.next.max(next);
        standing.failing = None;
    }

    /// A dead letter was accepted.
    pub fn told_again(&self, first: u64) {
        let mut standing = self.lock();
        standing.again.push(first);
        standing.failing = None;
    }

    pub fn is_told_again(&self, first: u64) -> bool {
        self.lock().again.contains(&first)
    }

    pub fn failed(&self, failing: Option<Failing>) {
        self.lock().failing = failing;
    }

    /// What the log is to be told.
    pub fn unrecorded(&self) -> Option<Progress> {
        let standing = self.lock();
        let is_due = standing.told > standing.recorded
            || !standing.again.is_empty()
            || standing.next.saturating_sub(standing.recorded) > SILENT_ENTRIES_MAX;
        is_due.then(|| Progress { next: standing.next, again: standing.again.clone() })
    }

    /// The log knows.
    pub fn recorded(&self, progress: &Progress) {
        let mut standing = self.lock();
        standing.recorded = standing.recorded.max(progress.next);
        standing.again.retain(|first| !progress.again.contains(first));
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_told_is_written_down_and_once() {
        let receiver = Receiver::new(NotifySettings::default(), 5);
        receiver.passed(9);
        assert_eq!(receiver.unrecorded(), None, "no news: no word");
        receiver.told(12);
        receiver.passed(20);
        let progress = receiver.unrecorded().unwrap();
        assert_eq!(progress, Progress { next: 20, again: Vec::new() });
        // The entry that says so is passed itself before this is noted: that must not make another.
        receiver.passed(22);
        receiver.recorded(&progress);
        assert_eq!(receiver.unrecorded(), None);
        receiver.passed(20 + SILENT_ENTRIES_MAX + 1);
        assert!(receiver.unrecorded().is_some(), "so that a restart does not read too much again");
    }

    #[test]
    fn a_dead_letter_that_arrived_is_told_of_until_the_log_knows() {
        let receiver = Receiver::new(NotifySettings::default(), 5);
        receiver.told_again(3);
        let progress = receiver.unrecorded().unwrap();
        assert!(receiver.is_told_again(3));
        receiver.told_again(4);
        receiver.recorded(&progress);
        assert_eq!(receiver.unrecorded().unwrap().again, [4]);
    }
}
