//! Gate time: the wall clock at start, moved on by CLOCK_BOOTTIME, which nobody can set (clock_gettime(2)).

use latchgate_monitor::ports::Clock;
use latchgate_wire::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

pub struct GateClock {
    started_wall_ms: i64,
    started_boot_ms: i64,
}

impl GateClock {
    pub fn start() -> Self {
        Self { started_wall_ms: read_ms(ClockId::Realtime), started_boot_ms: read_ms(ClockId::Boottime) }
    }
}

impl Clock for GateClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.started_wall_ms + read_ms(ClockId::Boottime) - self.started_boot_ms)
    }
}

fn read_ms(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
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
        assert!((read_ms(ClockId::Realtime) - first.as_ms()).abs() < 60_000);
    }
}
