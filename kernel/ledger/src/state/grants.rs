//! Grants that were used: each performs one plan once.

use std::collections::BTreeSet;

use latchgate_wire::ids::GrantId;
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A grant is made right before its intent is committed; an older one is not taken, so no more need be remembered.
pub(super) const GRANT_AGE_MS_MAX: i64 = 30 * 1000;

/// Used grants in the order of their own time (that of their ULID), the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Grants(BTreeSet<GrantId>);

impl Grants {
    pub fn is_usable(&self, id: GrantId, now: Timestamp) -> bool {
        !is_old(id, now) && !self.0.contains(&id)
    }

    pub fn consume(&mut self, id: GrantId, now: Timestamp) {
        self.0.insert(id);
        while self.0.first().is_some_and(|first| is_old(*first, now)) {
            self.0.pop_first();
        }
    }
}

fn is_old(id: GrantId, now: Timestamp) -> bool {
    let made = i64::try_from(id.time_ms()).unwrap_or(i64::MAX);
    now.as_ms().saturating_sub(made) > GRANT_AGE_MS_MAX
}
