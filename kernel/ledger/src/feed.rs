//! Hands synced entries to the index, which wakes for a batch of them or once a second, never for each.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use latchgate_wire::entry::Line;

use crate::index::BATCH_ENTRIES;

/// Entries that wait for a batch wait no longer than this; queries read them from the log meanwhile.
const WAIT: Duration = Duration::from_secs(1);
/// Entries that may wait, each of some kilobytes; the index finds those beyond in the log.
const WAITING_MAX: usize = 2 * BATCH_ENTRIES;

/// The writer's end. Dropped, it ends the other.
pub struct Feed(Arc<Shared>);

/// The index's end. Once it is dropped, nothing is kept for it.
pub struct Fed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Arc<Line>>,
    has_ended: bool,
}

/// What there is, and whether more may come.
pub struct Meal {
    pub lines: VecDeque<Arc<Line>>,
    pub is_last: bool,
}

pub fn feed() -> (Feed, Fed) {
    let shared = Arc::new(Shared::default());
    (Feed(Arc::clone(&shared)), Fed(shared))
}

impl Feed {
    pub fn give(&self, lines: impl Iterator<Item = Arc<Line>>) {
        let mut waiting = self.0.lock();
        if waiting.has_ended {
            return;
        }
        let was_short = waiting.lines.len() < BATCH_ENTRIES;
        let room = WAITING_MAX.saturating_sub(waiting.lines.len());
        waiting.lines.extend(lines.take(room));
        if was_short && waiting.lines.len() >= BATCH_ENTRIES {
            self.0.changed.notify_one();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.lock().has_ended = true;
        self.0.changed.notify_one();
    }
}

impl Drop for Fed {
    fn drop(&mut self) {
        *self.0.lock() = Waiting { has_ended: true, ..Waiting::default() };
    }
}

impl Fed {
    /// Waits until there is a batch, until what there is has waited long enough, or for the end.
    pub fn next(&self) -> Meal {
        let is_short = |waiting: &mut Waiting| !waiting.has_ended && waiting.lines.len() < BATCH_ENTRIES;
        let waited = self.0.changed.wait_timeout_while(self.0.lock(), WAIT, is_short);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        Meal { lines: std::mem::take(&mut waiting.lines), is_last: waiting.has_ended }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use latchgate_wire::entry::{Body, Entry, FORMAT, GateStopped};

    use super::*;
    use crate::testing::*;

    fn lines(count: usize) -> impl Iterator<Item = Arc<Line>> {
        let body = Body::GateStopped(GateStopped { reason: "x".into() });
        let entry = Entry { v: FORMAT, seq: 0, time: at(0), gate: ORIGIN.into(), trace_id: None, body };
        std::iter::repeat_n(Arc::new(entry.sign(&key()).unwrap()), count)
    }

    #[test]
    fn a_batch_is_taken_at_once_and_what_ends_is_told() {
        let (feed, fed) = feed();
        feed.give(lines(BATCH_ENTRIES));
        let meal = fed.next();
        assert_eq!((meal.lines.len(), meal.is_last), (BATCH_ENTRIES, false));
        feed.give(lines(1));
        drop(feed);
        let meal = fed.next();
        assert_eq!((meal.lines.len(), meal.is_last), (1, true));
    }

    #[test]
    fn no_more_waits_than_may() {
        let (feed, fed) = feed();
        feed.give(lines(WAITING_MAX - 1));
        feed.give(lines(2));
        assert_eq!(fed.next().lines.len(), WAITING_MAX);
    }

    #[test]
    fn nothing_is_kept_for_an_index_that_was_given_up() {
        let (feed, fed) = feed();
        let shared = Arc::clone(&fed.0);
        drop(fed);
        feed.give(lines(1));
        assert!(shared.lock().lines.is_empty());
    }
}
