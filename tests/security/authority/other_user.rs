//! A second principal is a second uid, which only root can become: without root nothing can be shown and nothing is.

use std::thread;

use rustix::process::{Uid, geteuid};
use rustix::thread::set_thread_res_uid;

/// `nobody` on every system there is.
pub const OTHER: u32 = 65_534;

pub fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        eprintln!("not root: a second principal cannot be had");
    }
    is_root
}

/// Runs on a thread of the other user. The kernel notes who connects by thread (unix(7), SO_PEERCRED).
pub fn as_other<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let uid = Uid::from_raw(OTHER);
            set_thread_res_uid(uid, uid, uid).unwrap();
            work()
        });
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
