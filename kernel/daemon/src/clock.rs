//! Gate time: the wall clock at start, moved on by CLOCK_BOOTTIME, which nobody can set (clock_gettime(2)).
//!
//! It never goes back. When the wall clock parts from it by more than a minute, or stands before the ledger's last entry at
//! the start, the gate takes no calls until an operator accepts the clock: a clock that was stepped must not revive a lease,
//! a proof or an approval.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use latchgate_monitor::ports::Clock;
use latchgate_wire::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// How far the wall clock may part from gate time.
const DRIFT_MS_MAX: i64 = 60_000;

pub struct GateClock {
    /// Gate time minus boot time.
    offset_ms: AtomicI64,
    /// Wall clock minus gate time, as last accepted.
    accepted_drift_ms: AtomicI64,
}

impl GateClock {
    pub fn start() -> Self {
        let offset = wall_ms() - boot_ms();
        Self { offset_ms: AtomicI64::new(offset), accepted_drift_ms: AtomicI64::new(0) }
    }

    /// Gate time goes on from here if it stood before: from the ledger's last entry, at the start.
    pub fn not_before(&self, time: Timestamp) {
        let behind = time.since(self.now());
        if behind > 0 {
            self.offset_ms.fetch_add(behind, Ordering::Relaxed);
        }
    }

    /// How far the wall clock has moved away from what was last accepted, if that is too far.
    pub fn suspect_drift_ms(&self) -> Option<i64> {
        suspect(self.drift_ms() - self.accepted_drift_ms.load(Ordering::Relaxed))
    }

    /// Goes on with the wall clock: gate time jumps ahead to it, or, if it lies behind, keeps its distance. The drift accepted,
    /// in milliseconds.
    pub fn accept(&self) -> i64 {
        let drift = self.drift_ms();
        if drift > 0 {
            self.offset_ms.fetch_add(drift, Ordering::Relaxed);
            self.accepted_drift_ms.store(0, Ordering::Relaxed);
        } else {
            self.accepted_drift_ms.store(drift, Ordering::Relaxed);
        }
        drift
    }

    fn drift_ms(&self) -> i64 {
        wall_ms() - self.now().as_ms()
    }
}

impl Clock for GateClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.offset_ms.load(Ordering::Relaxed) + boot_ms())
    }
}

fn suspect(drift_ms: i64) -> Option<i64> {
    (drift_ms.abs() > DRIFT_MS_MAX).then_some(drift_ms)
}

fn wall_ms() -> i64 {
    // Before 1970 is as far away as it can be.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn boot_ms() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1000 + time.tv_nsec / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gate_time_begins_at_the_wall_clock_and_does_not_go_back() {
        let clock = GateClock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(second >= first);
        assert_eq!(clock.suspect_drift_ms(), None);
    }

    #[test]
    fn a_minute_of_drift_is_taken_and_more_is_not() {
        assert_eq!((suspect(60_000), suspect(-60_000)), (None, None));
        assert_eq!((suspect(60_001), suspect(-60_001)), (Some(60_001), Some(-60_001)));
    }

    #[test]
    fn a_start_before_the_last_entry_is_suspect_until_it_is_accepted_and_time_does_not_go_back() {
        let clock = GateClock::start();
        let last_entry = clock.now().plus_ms(3_600_000);
        clock.not_before(last_entry);
        assert!(clock.now() >= last_entry);
        assert!(clock.suspect_drift_ms().is_some_and(|drift| drift < -3_500_000));
        assert!(clock.accept() < -3_500_000);
        assert_eq!(clock.suspect_drift_ms(), None);
        assert!(clock.now() >= last_entry, "accepting a clock that lies behind revives nothing");
    }

    #[test]
    fn a_clock_that_lies_ahead_is_followed_once_accepted() {
        let clock = GateClock::start();
        clock.offset_ms.fetch_sub(7_200_000, Ordering::Relaxed);
        assert!(clock.suspect_drift_ms().is_some());
        let before = clock.now();
        assert!(clock.accept() > 7_100_000);
        assert!(clock.now().since(before) > 7_100_000);
        assert_eq!(clock.suspect_drift_ms(), None);
    }
}
