//! Which answers have left for their callers: known here at once, in the ledger within a second.
//!
//! An answer is `Writing` from the moment its last byte is in the connection's buffer, and `Written` when the kernel has taken
//! it. The caller may read it before the second is noted here, so whoever must know waits for the difference.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Default)]
pub struct Deliveries {
    marks: Mutex<BTreeMap<u64, Mark>>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Writing,
    Written,
}

/// Between handing a few bytes to the kernel and noting it lies no more than a moment of scheduling.
const WRITING_MAX: Duration = Duration::from_secs(1);

impl Deliveries {
    pub fn begin(&self, intent_seq: u64) {
        self.marks().entry(intent_seq).or_insert(Mark::Writing);
    }

    pub fn written(&self, intent_seq: u64) {
        self.marks().insert(intent_seq, Mark::Written);
        self.changed.notify_waiters();
    }

    /// The connection ended before the answer was written.
    pub fn abandoned(&self, intent_seq: u64) {
        let mut marks = self.marks();
        if marks.get(&intent_seq) == Some(&Mark::Writing) {
            marks.remove(&intent_seq);
        }
        drop(marks);
        self.changed.notify_waiters();
    }

    /// Whether the answer was delivered, though the ledger may not know it yet. Waits while it is being written.
    pub async fn is_written(&self, intent_seq: u64) -> bool {
        let settled = async {
            loop {
                let changed = self.changed.notified();
                let mut changed = std::pin::pin!(changed);
                // Registered before looking, so that no change is missed.
                changed.as_mut().enable();
                let mark = self.marks().get(&intent_seq).copied();
                match mark {
                    Some(Mark::Writing) => changed.await,
                    Some(Mark::Written) => return true,
                    None => return false,
                }
            }
        };
        tokio::time::timeout(WRITING_MAX, settled).await.unwrap_or(false)
    }

    /// What the ledger is to be told.
    pub fn unrecorded(&self) -> Vec<u64> {
        self.marks().iter().filter(|(_, mark)| **mark == Mark::Written).map(|(seq, _)| *seq).collect()
    }

    /// The ledger knows.
    pub fn recorded(&self, intents: &[u64]) {
        let mut marks = self.marks();
        intents.iter().for_each(|seq| {
            marks.remove(seq);
        });
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<u64, Mark>> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_while_an_answer_is_being_written_learns_how_it_ends() {
        let deliveries = Deliveries::default();
        deliveries.begin(1);
        deliveries.begin(2);
        let (written, abandoned, ()) =
            tokio::join!(deliveries.is_written(1), deliveries.is_written(2), async {
                deliveries.written(1);
                deliveries.abandoned(2);
            });
        assert_eq!((written, abandoned), (true, false));
        assert_eq!(deliveries.unrecorded(), [1]);
    }

    #[tokio::test]
    async fn a_mark_stands_until_the_ledger_has_it() {
        let deliveries = Deliveries::default();
        deliveries.begin(1);
        deliveries.written(1);
        deliveries.abandoned(1);
        assert!(deliveries.is_written(1).await, "what was written stays written when the connection ends");
        deliveries.recorded(&[1]);
        assert!(!deliveries.is_written(1).await);
    }
}
