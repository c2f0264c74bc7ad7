//! Room for long computations: while one lasts, whatever else its thread carried goes on in another.
//!
//! A guest chooses how large its output is, and that of a few megabytes keeps a thread busy for a good part of a second.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::block_in_place;

/// From here on making room costs less than it gives: reading so many bytes of JSON takes about a millisecond.
const LONG_BYTES: usize = 64 * 1024;

/// Completes `work`, which computes on so many bytes.
pub async fn with_room<T>(bytes: usize, work: impl Future<Output = T>) -> T {
    if is_long(bytes) { block_in_place(|| Handle::current().block_on(work)) } else { work.await }
}

/// Does `work` on so many bytes.
pub fn make_room<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if is_long(bytes) { block_in_place(work) } else { work() }
}

/// A runtime of one thread has nowhere else to go.
fn is_long(bytes: usize) -> bool {
    bytes >= LONG_BYTES && Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
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

    #[tokio::test]
    async fn on_one_thread_work_is_done_on_the_spot() {
        assert_eq!(with_room(LONG_BYTES, async { 7 }).await, 7);
        assert_eq!(make_room(LONG_BYTES, || 7), 7);
    }
}
