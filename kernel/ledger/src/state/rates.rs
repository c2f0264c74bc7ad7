//! How often each rule has let a call through lately: what `@at_most` is counted by.
//!
//! A rule is counted over everybody whom it permits. An intent counts, whatever came of it: concurrency cannot pass a limit,
//! and failing does not refund one.

use std::collections::{BTreeMap, VecDeque};

use latchgate_wire::receipt::PolicyRef;
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rates(BTreeMap<String, Rule>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Of the intents, oldest first.
    times: VecDeque<Timestamp>,
    /// The longest window asked for.
    window_s: u64,
}

impl Rates {
    /// Whether the rule may let one more call through now.
    pub(super) fn has_room(&self, policy: &PolicyRef, now: Timestamp) -> bool {
        let Some(at_most) = policy.at_most else { return true };
        let Some(rule) = self.0.get(&policy.rule) else { return at_most.n > 0 };
        let since = now.plus_ms(-ms(at_most.window_s));
        let lately = rule.times.iter().rev().take_while(|time| **time > since).count();
        u64::try_from(lately).is_ok_and(|lately| lately < at_most.n)
    }

    pub(super) fn count(&mut self, policy: &PolicyRef, now: Timestamp) {
        let Some(at_most) = policy.at_most else { return };
        let rule = self.0.entry(policy.rule.clone()).or_default();
        rule.window_s = rule.window_s.max(at_most.window_s);
        rule.times.push_back(now);
    }

    /// Forgets what no window reaches any more.
    pub(super) fn sweep(&mut self, now: Timestamp) {
        self.0.retain(|_, rule| {
            let since = now.plus_ms(-ms(rule.window_s));
            while rule.times.front().is_some_and(|time| *time <= since) {
                rule.times.pop_front();
            }
            !rule.times.is_empty()
        });
    }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use latchgate_wire::digest::Digest;
    use latchgate_wire::receipt::{AtMost, Verdict};

    use super::*;

    fn policy(rule: &str, n: u64) -> PolicyRef {
        PolicyRef {
            digest: Digest::of(b"p"),
            rule: rule.into(),
            verdict: Verdict::Allow,
            at_most: Some(AtMost { n, window_s: 60 }),
            would: None,
        }
    }

    #[test]
    fn a_rule_lets_through_as_many_as_it_says_and_no_more_within_its_window() {
        let mut rates = Rates::default();
        let (rule, at) = (policy("r", 2), |s: i64| Timestamp::from_secs(1000 + s));
        for s in [0, 10] {
            assert!(rates.has_room(&rule, at(s)));
            rates.count(&rule, at(s));
        }
        assert!(!rates.has_room(&rule, at(59)));
        assert!(rates.has_room(&rule, at(60)), "the first has left the window");
        assert!(rates.has_room(&policy("other", 2), at(59)), "another rule has its own count");
        rates.sweep(at(61));
        assert!(rates.has_room(&policy("r", 2), at(61)) && !rates.has_room(&policy("r", 1), at(61)));
    }

    #[test]
    fn a_rule_without_a_limit_is_not_counted() {
        let mut rates = Rates::default();
        let free = PolicyRef { at_most: None, ..policy("r", 0) };
        rates.count(&free, Timestamp::from_secs(1));
        assert!(rates.has_room(&free, Timestamp::from_secs(1)));
        assert_eq!(rates, Rates::default());
    }
}
