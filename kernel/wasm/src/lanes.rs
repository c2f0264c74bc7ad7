//! Where guests run: the quick ones on the thread of their call, those that compute for long on threads of their own, which
//! give way to everything else.
//!
//! A thread that carries a call also carries sockets and other calls. A guest that a tick finds computing is therefore moved
//! to the slow lane, in the middle of what it does, and the next call of its module begins there. So a quick guest never waits
//! behind a slow one, and pays no change of threads.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::AbortOnDropHandle;

use crate::pace::Turn;

/// How much the slow lane gives way (nice(2)): under load it gets about a tenth of what another thread gets.
const NICENESS: i32 = 10;

/// The slow lane. The quick one is wherever the call is.
pub(crate) struct Lanes {
    /// `None` only while it is dropped.
    slow: Option<Runtime>,
}

/// Quick calls in a row after which a module that was slow counts as quick again.
const QUICK_CALLS: u32 = 32;

/// The lane that the next call of a module begins in, going by its last ones: how many more must be quick.
#[derive(Clone, Default)]
pub(crate) struct Habit(Arc<AtomicU32>);

impl Habit {
    fn is_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn learn_slow(&self) {
        self.0.store(QUICK_CALLS, Ordering::Relaxed);
    }

    fn learn_quick(&self) {
        let _none_left =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
    }
}

impl Lanes {
    pub(crate) fn new() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
        let mut slow = Builder::new_multi_thread();
        slow.worker_threads(threads).thread_name("slow-guests").enable_all().on_thread_start(give_way);
        Ok(Self { slow: Some(slow.build()?) })
    }

    /// Runs `guest`, whose pauses `turn` notes, to its end. Dropped before that, the guest ends when it next makes way.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        guest: impl Future<Output = T> + Send + 'static,
        turn: &Turn,
        habit: &Habit,
    ) -> T {
        let mut guest: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(turn.clone().noted(guest));
        let Some(slow) = &self.slow else { return guest.await };
        if !habit.is_slow() {
            let stayed = poll_fn(|context| match guest.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if turn.is_long() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(done) = stayed.await {
                return done;
            }
            habit.learn_slow();
        }
        let done = match AbortOnDropHandle::new(slow.spawn(guest)).await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The gate is ending, and this call with it.
                Err(_) => std::future::pending().await,
            },
        };
        if turn.is_long() {
            habit.learn_slow();
        } else {
            habit.learn_quick();
        }
        done
    }
}

/// Does `work` as on the runtime `home`, wherever it is polled: a connection that it opens, and others use, is driven there.
pub(crate) async fn at_home<T>(home: &Handle, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _entered = home.enter();
        work.as_mut().poll(context)
    })
    .await
}

impl Drop for Lanes {
    fn drop(&mut self) {
        if let Some(slow) = self.slow.take() {
            // Not to be waited for: whoever drops us may be a task itself.
            slow.shutdown_background();
        }
    }
}

/// Of the calling thread alone (Linux; setpriority(2), "C library/kernel differences").
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "guests that compute for long do not give way to others");
    }
}
