//! How long to wait before a message is tried again.

use std::time::Duration;

/// Between tries at most, unless the receiver asks for more.
const DELAY_MAX: Duration = Duration::from_secs(300);
/// What a receiver may ask for (`Retry-After`) at most: a message must not be put off for ever by whom it is for.
const ASKED_MAX: Duration = Duration::from_secs(900);

/// 1 s after the first try, twice as long after each further one. Of that the second half is drawn by lot, so that receivers that
/// failed together are not tried together. `lot` is uniform over all of `u64`.
pub fn delay(tries: u32, asked: Option<Duration>, lot: u64) -> Duration {
    let whole = Duration::from_secs(1 << tries.saturating_sub(1).min(16)).min(DELAY_MAX);
    let half = whole / 2;
    let drawn = u64::try_from(half.as_millis()).unwrap_or(u64::MAX);
    let part = u128::from(drawn) * u128::from(lot) / u128::from(u64::MAX);
    let own = half + Duration::from_millis(u64::try_from(part).unwrap_or(drawn));
    own.max(asked.unwrap_or_default().min(ASKED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_limit_and_vary_by_half() {
        for (tries, whole_s) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (50, 300)] {
            assert_eq!(delay(tries, None, 0), Duration::from_secs(whole_s) / 2);
            assert_eq!(delay(tries, None, u64::MAX), Duration::from_secs(whole_s));
        }
    }

    #[test]
    fn what_a_receiver_asks_for_is_heeded_within_bounds() {
        let asked = |seconds| delay(1, Some(Duration::from_secs(seconds)), u64::MAX).as_secs();
        assert_eq!([asked(0), asked(7), asked(900), asked(1_000_000)], [1, 7, 900, 900]);
    }
}
