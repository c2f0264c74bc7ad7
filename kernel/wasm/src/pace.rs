//! When a computing guest makes way for others, when it has computed for so long that it belongs elsewhere, and when its time
//! is up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use wasmtime::{Store, UpdateDeadline};

use crate::call::{Call, Deadlines};
use crate::stop::Stop;

/// Between two ticks of the epoch.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A guest that a tick finds at it for so long, without a pause, is no quick one. Less than a tick: one in the middle of its few
/// microseconds is none.
const LONG: Duration = Duration::from_millis(5);

/// What moves a guest's time on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// A thread ticks, and the clock says when time is up.
    Clock,
    /// Every check of the epoch is a tick, and time is up with the last of so many: guests can be stopped without a clock.
    #[cfg(test)]
    Checks(u64),
}

/// Notes how long a guest computes.
#[derive(Clone)]
pub(crate) struct Turn(Arc<State>);

struct State {
    born: Instant,
    /// When the guest was last let in, in microseconds since `born`.
    entered_us: AtomicU64,
    is_long: AtomicBool,
}

impl Turn {
    pub(crate) fn new() -> Self {
        let (entered_us, is_long) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(State { born: Instant::now(), entered_us, is_long }))
    }

    /// Whether the guest has ever computed for long.
    pub(crate) fn is_long(&self) -> bool {
        self.0.is_long.load(Ordering::Relaxed)
    }

    /// `guest`, with each time that it is let in noted.
    pub(crate) async fn noted<T>(self, guest: impl Future<Output = T>) -> T {
        let mut guest = std::pin::pin!(guest);
        std::future::poll_fn(move |context| -> Poll<T> {
            self.0.entered_us.store(self.now_us(), Ordering::Relaxed);
            guest.as_mut().poll(context)
        })
        .await
    }

    #[cfg(test)]
    pub(crate) fn find_long(&self) {
        self.0.is_long.store(true, Ordering::Relaxed);
    }

    fn tick(&self) {
        let computed_us = self.now_us().saturating_sub(self.0.entered_us.load(Ordering::Relaxed));
        if Duration::from_micros(computed_us) >= LONG {
            self.0.is_long.store(true, Ordering::Relaxed);
        }
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.0.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Pace {
    /// Has the guest of `store` yield at each tick, and ends it at the first one after its deadline.
    pub(crate) fn set(self, store: &mut Store<Call>, deadlines: Deadlines, time_ms: u64, turn: Turn) {
        let up = move || wasmtime::Error::from(Stop::Time { ms: time_ms });
        match self {
            Self::Clock => {
                let stop_at = deadlines.guest.into_std();
                store.set_epoch_deadline(1);
                store.epoch_deadline_callback(move |_| {
                    if Instant::now() >= stop_at {
                        return Err(up());
                    }
                    turn.tick();
                    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
                });
            }
            #[cfg(test)]
            Self::Checks(mut left) => {
                // No tick away: at the next check.
                store.set_epoch_deadline(0);
                store.epoch_deadline_callback(move |_| {
                    left = left.checked_sub(1).ok_or_else(up)?;
                    Ok(UpdateDeadline::YieldCustom(0, Box::pin(tokio::task::yield_now())))
                });
            }
        }
    }
}
