//! The process behind a socket, and its end.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, pidfd_open};

/// A process, held by a descriptor: its number may be given to another one, this may not.
pub struct Process(OwnedFd);

impl Process {
    /// Who listens on the socket. `None` if nobody does, or in another process namespace.
    pub fn behind(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        let pid = socket_peercred(&stream).ok()?.pid;
        pidfd_open(pid, PidfdFlags::empty()).ok().map(Self)
    }

    /// Waits until it has ended (even if nobody has asked for its exit code yet). False if the time was not enough.
    pub async fn ended(self, timeout: Duration) -> bool {
        let waiting = tokio::task::spawn_blocking(move || self.wait(timeout));
        waiting.await.unwrap_or(false)
    }

    fn wait(&self, timeout: Duration) -> bool {
        let until = Instant::now() + timeout;
        loop {
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).ok();
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut fds, left.as_ref()) {
                Ok(ready) => return ready > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_running_process_has_not_ended_when_the_time_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("s");
        let _listener = UnixListener::bind(&socket).unwrap();
        let ourselves = Process::behind(&socket).unwrap();
        assert!(!ourselves.wait(Duration::ZERO));
    }

    #[test]
    fn a_process_that_ended_is_noticed_before_it_is_reaped() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let process = Process(pidfd_open(pid, PidfdFlags::empty()).unwrap());
        assert!(process.wait(Duration::from_secs(60)));
        child.wait().unwrap();
    }

    #[test]
    fn nobody_stands_behind_a_socket_that_is_not_there() {
        assert!(Process::behind(Path::new("/nonexistent/gate.sock")).is_none());
    }
}
