//! What principals used up lately: what the operators' budgets are counted by.
//!
//! Counted by the minute and for a day. A window takes in the whole of its first minute, so it is up to a minute longer
//! than it says and never shorter.

use std::collections::{BTreeMap, HashMap};

use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Cost, Window};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
const DAY_MINUTES: i64 = 24 * 60;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage(HashMap<Principal, BTreeMap<i64, Cost>>);

impl Usage {
    pub fn reserve(&mut self, principal: &Principal, cost: Cost, at: Timestamp) {
        let minutes = self.0.entry(principal.clone()).or_default();
        let minute = minutes.entry(minute(at)).or_default();
        *minute = minute.plus(cost);
    }

    /// Gives back what the intent of `reserved_at` did not spend.
    pub fn release(&mut self, principal: &Principal, unspent: Cost, reserved_at: Timestamp) {
        let minutes = self.0.get_mut(principal);
        if let Some(minute) = minutes.and_then(|minutes| minutes.get_mut(&minute(reserved_at))) {
            *minute = minute.less(unspent);
        }
    }

    /// Settled and reserved. A session's use is kept with the session.
    pub fn within(&self, principal: &Principal, window: Window, now: Timestamp) -> Cost {
        let minutes = match window {
            Window::Hour => 60,
            Window::Day => DAY_MINUTES,
            Window::Session => return Cost::default(),
        };
        let first = minute(now).saturating_sub(minutes);
        let used = self.0.get(principal).into_iter().flat_map(|used| used.range(first..));
        used.fold(Cost::default(), |sum, (_, cost)| sum.plus(*cost))
    }

    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.0.keys()
    }

    pub fn sweep(&mut self, now: Timestamp) {
        let first = minute(now).saturating_sub(DAY_MINUTES);
        self.0.retain(|_, minutes| {
            *minutes = minutes.split_off(&first);
            !minutes.is_empty()
        });
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_ms().div_euclid(MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(calls: u64) -> Cost {
        Cost { calls, ..Cost::default() }
    }

    #[test]
    fn a_window_counts_what_lies_in_it_and_forgets_what_has_left_it() {
        let (mut usage, who) = (Usage::default(), Principal::Uid(1));
        let at = |minutes: i64| Timestamp::from_secs(minutes * 60 + 30);
        usage.reserve(&who, calls(1), at(0));
        usage.reserve(&who, calls(2), at(60));
        let within = |usage: &Usage, window, minutes| usage.within(&who, window, at(minutes)).calls;
        assert_eq!(within(&usage, Window::Hour, 60), 3);
        assert_eq!(within(&usage, Window::Hour, 61), 2, "the first has left the hour");
        assert_eq!(within(&usage, Window::Day, 24 * 60), 3);
        assert_eq!(within(&usage, Window::Day, 24 * 60 + 1), 2);
        usage.sweep(at(24 * 60 + 61));
        assert_eq!(usage, Usage::default());
    }

    #[test]
    fn what_was_not_spent_is_given_back_and_no_more() {
        let (mut usage, who) = (Usage::default(), Principal::Uid(1));
        let at = Timestamp::from_secs(0);
        usage.reserve(&who, Cost { calls: 1, usd_cents: 5, bytes_out: 7 }, at);
        usage.release(&who, Cost { calls: 0, usd_cents: 9, bytes_out: 7 }, at);
        assert_eq!(usage.within(&who, Window::Day, at), Cost { calls: 1, usd_cents: 0, bytes_out: 0 });
        assert_eq!(usage.within(&Principal::Uid(2), Window::Day, at), Cost::default());
    }
}
