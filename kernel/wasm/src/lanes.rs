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

/// How much the slow lane gives way (nice(2)): beside a busy thread it gets about a third. Much less would make others wait
/// for it after all, since all threads share the kernel's locks on the process's memory.
const NICENESS: i32 = 5;

/// The largest `limits.memory_mib` of a guest that may begin in the quick lane: one bulk-memory instruction cannot be
/// interrupted, and takes as long as its memory is large.
const QUICK_MEMORY_MIB: u32 = 64;

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
        // Half of the machine: the other half is left to everything else, whatever guests do.
        let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
        let mut slow = Builder::new_multi_thread();
        slow.worker_threads(threads).thread_name("slow-guests").enable_all().on_thread_start(give_way);
        Ok(Self { slow: Some(slow.build()?) })
    }

    /// Runs `guest`, whose pauses `turn` notes and which may have `memory_mib`, to its end. Dropped before that, the guest ends when it next makes way.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        guest: impl Future<Output = T> + Send + 'static,
        turn: &Turn,
        habit: &Habit,
        memory_mib: u32,
    ) -> T {
        let mut guest: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(turn.clone().noted(guest));
        let Some(slow) = &self.slow else { return guest.await };
        if !habit.is_slow() && memory_mib <= QUICK_MEMORY_MIB {
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

/// Lowers the priority of the calling thread alone (Linux; setpriority(2), "C library/kernel differences"), for good.
pub fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "what computes for long does not give way to others");
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::task::yield_now;

    use super::*;

    /// The thread and its niceness, after making way.
    async fn place(turn: Turn, is_long: bool) -> (String, i32) {
        if is_long {
            turn.find_long();
        }
        yield_now().await;
        let name = thread::current().name().unwrap_or_default().to_owned();
        (name, rustix::process::getpriority_process(None).unwrap())
    }

    async fn run(lanes: &Lanes, habit: &Habit, is_long: bool) -> (String, i32) {
        let turn = Turn::new();
        lanes.run(place(turn.clone(), is_long), &turn, habit, QUICK_MEMORY_MIB).await
    }

    #[tokio::test]
    async fn a_guest_that_computes_for_long_is_moved_to_a_thread_that_gives_way() {
        let lanes = Lanes::new().unwrap();
        let here = (
            thread::current().name().unwrap().to_owned(),
            rustix::process::getpriority_process(None).unwrap(),
        );
        assert_eq!(run(&lanes, &Habit::default(), false).await, here);
        let (name, niceness) = run(&lanes, &Habit::default(), true).await;
        assert_eq!((name.as_str(), niceness), ("slow-guests", NICENESS.max(here.1)));
    }

    #[tokio::test]
    async fn a_module_that_was_slow_begins_in_the_slow_lane_until_it_was_quick_for_a_while() {
        let (lanes, habit) = (Lanes::new().unwrap(), Habit::default());
        run(&lanes, &habit, true).await;
        for _ in 0..QUICK_CALLS {
            assert_eq!(run(&lanes, &habit, false).await.0, "slow-guests");
        }
        assert_ne!(run(&lanes, &habit, false).await.0, "slow-guests");
        // Nobody else's habit.
        run(&lanes, &habit, true).await;
        assert_ne!(run(&lanes, &Habit::default(), false).await.0, "slow-guests");
    }

    #[tokio::test]
    async fn a_guest_with_much_memory_begins_in_the_slow_lane() {
        let (lanes, turn, habit) = (Lanes::new().unwrap(), Turn::new(), Habit::default());
        for (memory_mib, is_slow) in [(QUICK_MEMORY_MIB, false), (QUICK_MEMORY_MIB + 1, true)] {
            let (name, _) = lanes.run(place(turn.clone(), false), &turn, &habit, memory_mib).await;
            assert_eq!(name == "slow-guests", is_slow, "{memory_mib} MiB");
        }
    }

    #[tokio::test]
    async fn a_panic_reaches_the_call() {
        let lanes = Lanes::new().unwrap();
        let (turn, habit) = (Turn::new(), Habit::default());
        turn.find_long();
        let guest = async {
            yield_now().await;
            panic!("a fault of ours");
        };
        let mut call = pin!(lanes.run(guest, &turn, &habit, QUICK_MEMORY_MIB));
        let caught = poll_fn(|context| {
            match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| call.as_mut().poll(context))) {
                Ok(Poll::Pending) => Poll::Pending,
                Ok(Poll::Ready(())) => Poll::Ready(false),
                Err(_) => Poll::Ready(true),
            }
        });
        assert!(caught.await);
    }
}
