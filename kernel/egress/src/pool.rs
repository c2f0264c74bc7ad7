//! Idle connections, kept apart by partition and origin.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::client::Limits;
use crate::connect::Connection;
use crate::origin::Origin;

/// Who may share a connection. `partition` is the caller's: it holds whatever must not meet on one connection
/// (principal, action).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub(crate) partition: String,
    pub(crate) origin: Origin,
    /// Of the secrets that the request carries: a service may take a connection for who was first on it.
    pub(crate) names: Vec<String>,
}

/// A bounded store of connections between requests.
pub(crate) struct Pool {
    idle: Mutex<Idle>,
    limits: Limits,
}

#[derive(Default)]
struct Idle {
    by_key: HashMap<PoolKey, Vec<Resting>>,
    total: usize,
    is_swept: bool,
}

struct Resting {
    connection: Connection,
    since: Instant,
}

/// How long a connection just used may take to become ready again before it is given up.
const READY_WAIT: Duration = Duration::from_millis(20);

impl Pool {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), limits })
    }

    /// The connection used last that is still open and ready, if there is one.
    pub(crate) async fn take(&self, key: &PoolKey) -> Option<Connection> {
        while let Some(mut connection) = self.pop(key) {
            // Normally decided without waiting: the driver saw the end of the last response, or the peer's close.
            if let Ok(Ok(())) = timeout(READY_WAIT, connection.sender.ready()).await {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last response was read to its end. Over a limit it is closed instead.
    pub(crate) fn put(self: &Arc<Self>, key: PoolKey, connection: Connection) {
        if connection.sender.is_closed() {
            return;
        }
        let mut idle = self.lock();
        if idle.total >= self.limits.idle_total_max {
            return;
        }
        let resting = idle.by_key.entry(key).or_default();
        if resting.len() >= self.limits.idle_per_key_max {
            return;
        }
        resting.push(Resting { connection, since: Instant::now() });
        idle.total += 1;
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.limits.idle_timeout));
        }
    }

    fn pop(&self, key: &PoolKey) -> Option<Connection> {
        let oldest = self.oldest();
        let mut idle = self.lock();
        let resting = idle.by_key.get_mut(key)?;
        let last = resting.pop();
        if resting.is_empty() {
            idle.by_key.remove(key);
        }
        let last = last?;
        idle.total -= 1;
        (last.since > oldest).then_some(last.connection)
    }

    /// Closes what rested too long. Returns whether anything is left.
    fn expire(&self) -> bool {
        let oldest = self.oldest();
        let mut idle = self.lock();
        for resting in idle.by_key.values_mut() {
            resting.retain(|r| r.since > oldest && !r.connection.sender.is_closed());
        }
        idle.by_key.retain(|_, resting| !resting.is_empty());
        idle.total = idle.by_key.values().map(Vec::len).sum();
        idle.is_swept = idle.total > 0;
        idle.is_swept
    }

    fn oldest(&self) -> Instant {
        let now = Instant::now();
        now.checked_sub(self.limits.idle_timeout).unwrap_or(now)
    }

    /// A panic while the lock was held leaves at worst a connection too few.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while there are idle connections, so that none outlives its time for want of traffic.
async fn sweep(pool: Weak<Pool>, every: Duration) {
    loop {
        sleep(every).await;
        match pool.upgrade() {
            Some(pool) if pool.expire() => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests;
