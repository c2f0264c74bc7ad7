//! Rate limits per principal: a token bucket each, refilled by gate time.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use latchgate_monitor::denial::Denial;
use latchgate_wire::principal::Principal;
use latchgate_wire::problem::Code;
use latchgate_wire::time::Timestamp;

/// So many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub per_s: u32,
    pub burst: u32,
}

/// One bucket a principal. Buckets that are full again are forgotten, so that their number is that of the principals active
/// within a burst's time.
pub struct RateLimit {
    rate: Rate,
    buckets: Mutex<HashMap<Principal, Bucket>>,
}

struct Bucket {
    /// Thousandths of a request.
    tokens: u64,
    at: Timestamp,
}

const PRINCIPALS_KEPT_MAX: usize = 4096;

impl RateLimit {
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one from the principal's bucket.
    ///
    /// # Errors
    /// 429 `rate_limited`.
    pub fn take(&self, principal: &Principal, now: Timestamp) -> Result<(), Denial> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= PRINCIPALS_KEPT_MAX {
            buckets.retain(|_, bucket| self.rate.refilled(bucket, now) < self.rate.capacity());
        }
        let full = Bucket { tokens: self.rate.capacity(), at: now };
        let bucket = buckets.entry(principal.clone()).or_insert(full);
        let tokens = self.rate.refilled(bucket, now);
        bucket.at = now;
        bucket.tokens = tokens.saturating_sub(1000);
        if tokens >= 1000 {
            return Ok(());
        }
        bucket.tokens = tokens;
        let detail = format!("more than {} requests a second for {principal}", self.rate.per_s);
        Err(Denial::new(Code::RateLimited, detail)
            .remedy("wait a second; the operator sets `limits` in latchgate.toml"))
    }
}

impl Rate {
    /// As many at once as `seconds` of the rate.
    pub fn bursting(per_s: u32, seconds: u32) -> Self {
        Self { per_s, burst: per_s.saturating_mul(seconds) }
    }

    fn capacity(self) -> u64 {
        u64::from(self.burst) * 1000
    }

    fn refilled(self, bucket: &Bucket, now: Timestamp) -> u64 {
        let elapsed_ms = u64::try_from(now.since(bucket.at)).unwrap_or(0);
        let refill = elapsed_ms.saturating_mul(u64::from(self.per_s));
        bucket.tokens.saturating_add(refill).min(self.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> RateLimit {
        RateLimit::new(Rate { per_s: 2, burst: 3 })
    }

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let limit = limit();
        let (who, now) = (Principal::Uid(1), Timestamp::from_secs(100));
        (0..3).for_each(|_| assert!(limit.take(&who, now).is_ok()));
        assert_eq!(limit.take(&who, now).unwrap_err().code, Code::RateLimited);
    }

    #[test]
    fn the_bucket_refills_with_time() {
        let limit = limit();
        let who = Principal::Uid(1);
        (0..3).for_each(|_| assert!(limit.take(&who, Timestamp::from_ms(0)).is_ok()));
        assert!(limit.take(&who, Timestamp::from_ms(499)).is_err());
        assert!(limit.take(&who, Timestamp::from_ms(500)).is_ok());
    }

    #[test]
    fn one_principal_does_not_use_up_anothers() {
        let limit = limit();
        let now = Timestamp::from_secs(100);
        (0..4).for_each(|_| drop(limit.take(&Principal::Uid(1), now)));
        assert!(limit.take(&Principal::Uid(2), now).is_ok());
    }
}
