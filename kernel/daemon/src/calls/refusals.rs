//! Refusals before authentication: counted by code, one entry a minute, however many there are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use latchgate_wire::entry::{Body, RefusalsCounted};
use latchgate_wire::problem::Code;
use latchgate_wire::time::Timestamp;

pub struct Refusals(Mutex<Counts>);

struct Counts {
    since: Timestamp,
    by_code: BTreeMap<Code, u64>,
}

impl Refusals {
    pub fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Counts { since: now, by_code: BTreeMap::new() }))
    }

    pub fn count(&self, code: Code) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.by_code.entry(code).or_default() += 1;
    }

    /// The entry for what was counted since the last one, if anything was.
    pub fn take(&self, now: Timestamp) -> Option<Body> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let by_code = std::mem::take(&mut counts.by_code);
        let since = std::mem::replace(&mut counts.since, now);
        if by_code.is_empty() {
            return None;
        }
        let counts = by_code.into_iter().map(|(code, n)| (code.as_str().to_owned(), n)).collect();
        Some(Body::RefusalsCounted(RefusalsCounted { since, counts }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minutes_refusals_make_one_entry_and_none_makes_none() {
        let refusals = Refusals::new(Timestamp::from_secs(0));
        assert_eq!(refusals.take(Timestamp::from_secs(60)), None);
        (0..3).for_each(|_| refusals.count(Code::InvalidDpop));
        refusals.count(Code::MissingAuthHeader);
        let Some(Body::RefusalsCounted(entry)) = refusals.take(Timestamp::from_secs(120)) else { panic!() };
        assert_eq!(entry.since, Timestamp::from_secs(60));
        assert_eq!(entry.counts["invalid_dpop"], 3);
        assert_eq!(entry.counts["missing_auth_header"], 1);
        assert_eq!(refusals.take(Timestamp::from_secs(180)), None);
    }
}
