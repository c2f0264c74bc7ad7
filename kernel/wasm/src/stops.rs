//! Who is to stop: everybody once the gate ends, and calls whose lease was revoked, whether they run already or come yet.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use latchgate_wire::ids::TraceId;
use tokio::sync::Notify;

use crate::stop::Stop;

/// A call that was revoked between its intent and its guest is looked up here a moment later. More than can be in between.
const REMEMBERED_MAX: usize = 4096;

#[derive(Default)]
pub(crate) struct Stops {
    orders: Mutex<Orders>,
    given: Notify,
}

#[derive(Default)]
struct Orders {
    is_ending: bool,
    /// The newest last.
    calls: VecDeque<TraceId>,
}

impl Stops {
    pub(crate) fn end(&self) {
        self.orders().is_ending = true;
        self.given.notify_waiters();
    }

    pub(crate) fn stop(&self, calls: &[TraceId]) {
        {
            let mut orders = self.orders();
            orders.calls.extend(calls);
            let surplus = orders.calls.len().saturating_sub(REMEMBERED_MAX);
            orders.calls.drain(..surplus);
        }
        self.given.notify_waiters();
    }

    /// Waits until this call is to stop.
    pub(crate) async fn told(&self, call: TraceId) -> Stop {
        loop {
            let mut given = pin!(self.given.notified());
            // Registered before looking, so that no order is missed.
            given.as_mut().enable();
            if let Some(stop) = self.order(call) {
                return stop;
            }
            given.await;
        }
    }

    fn order(&self, call: TraceId) -> Option<Stop> {
        let orders = self.orders();
        match orders.is_ending {
            true => Some(Stop::Ending),
            false => orders.calls.contains(&call).then_some(Stop::Revoked),
        }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> TraceId {
        TraceId::new(0, n)
    }

    #[tokio::test]
    async fn a_call_is_told_whether_it_waits_already_or_comes_later() {
        let stops = Stops::default();
        let (stop, ()) = tokio::join!(stops.told(call(1)), async { stops.stop(&[call(1), call(2)]) });
        assert!(matches!(stop, Stop::Revoked));
        assert!(matches!(stops.told(call(2)).await, Stop::Revoked));
        assert!(stops.order(call(3)).is_none());
        let (stop, ()) = tokio::join!(stops.told(call(3)), async { stops.end() });
        assert!(matches!(stop, Stop::Ending));
    }

    #[test]
    fn old_orders_are_forgotten_first() {
        let stops = Stops::default();
        let calls: Vec<TraceId> = (0..=REMEMBERED_MAX as u128).map(call).collect();
        stops.stop(&calls);
        assert!(stops.order(call(0)).is_none() && stops.order(call(1)).is_some());
    }
}
