//! Room for long computations: while one lasts, whatever else its thread carried goes on in another, and it gives way to that.
//!
//! A guest chooses how large its output is, and that of a few megabytes keeps a thread busy for a good part of a second.

use std::panic::resume_unwind;
use std::sync::LazyLock;
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// From here on making room costs less than it gives: reading so many bytes of JSON takes about a millisecond.
const LONG_BYTES: usize = 64 * 1024;

/// Half of the machine, as for guests that compute for long: the other half is left to everything else.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)))
});

/// Completes `work`, which computes on so many bytes.
pub async fn with_room<T: Send>(bytes: usize, work: impl Future<Output = T> + Send) -> T {
    if !is_long(bytes) {
        return work.await;
    }
    // Never closed: without a turn it would merely be done beside others.
    let _turn = TURNS.acquire().await;
    let handle = Handle::current();
    block_in_place(|| aside(|| handle.block_on(work)))
}

/// Does `work` on so many bytes.
pub fn make_room<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if is_long(bytes) { block_in_place(|| aside(work)) } else { work() }
}

/// A runtime of one thread has nowhere else to go.
fn is_long(bytes: usize) -> bool {
    bytes >= LONG_BYTES && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

/// On a thread of its own that gives way: an unprivileged thread cannot take its priority back afterwards.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let giving_way = || {
            latchgate_wasm::give_way();
            work()
        };
        scope.spawn(giving_way).join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    /// With one worker: the work waits for a task that would otherwise wait for that worker.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_lets_others_go_on() {
        let (told, tell) = oneshot::channel();
        let working = tokio::spawn(with_room(LONG_BYTES, async {
            let (answer, asked) = std::sync::mpsc::channel();
            tokio::spawn(async move { answer.send(7) });
            let _sent = told.send(asked.recv());
        }));
        assert_eq!(tell.await.unwrap(), Ok(7));
        working.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn long_work_gives_way() {
        let here = rustix::process::getpriority_process(None).unwrap();
        let there = make_room(LONG_BYTES, || rustix::process::getpriority_process(None).unwrap());
        assert!(there > here || here == 19, "{here} {there}");
        assert_eq!(make_room(LONG_BYTES - 1, || rustix::process::getpriority_process(None).unwrap()), here);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    #[should_panic(expected = "a fault of ours")]
    async fn a_panic_of_long_work_reaches_the_call() {
        make_room(LONG_BYTES, || panic!("a fault of ours"));
    }

    #[tokio::test]
    async fn on_one_thread_work_is_done_on_the_spot() {
        assert_eq!(with_room(LONG_BYTES, async { 7 }).await, 7);
        assert_eq!(make_room(LONG_BYTES, || 7), 7);
    }
}
