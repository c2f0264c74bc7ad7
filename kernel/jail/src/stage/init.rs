//! Process 1: builds the machine, confines itself, and only then starts the command, which inherits it all.

use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::process::{DumpableBehavior, Signal, set_parent_process_death_signal};
use rustix::pty::OpenptFlags;

use super::{Given, command, loopback};
use crate::channel::{self, BEGIN, Report};
use crate::plan::Plan;
use crate::{confine, root};

pub(super) fn run(given: Given) -> Result<u8, String> {
    let Given { plan, plan_file, mut control } = given;
    drop(plan_file);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| error.to_string())?;

    root::build(&plan.mounts)?;
    rustix::system::sethostname(plan.hostname.as_bytes()).map_err(|error| format!("hostname: {error}"))?;
    loopback::raise().map_err(|error| format!("the loopback device cannot be raised: {error}"))?;
    let listeners = listen(&plan.ports)?;
    // A session of its own: no terminal of the caller's controls it, or is controlled by it.
    rustix::process::setsid().map_err(|error| format!("a session cannot be made: {error}"))?;
    let terminal = plan.terminal.contains(&true).then(|| terminal(&plan)).transpose();
    let terminal = terminal.map_err(|error| format!("a terminal cannot be made: {error}"))?;

    // What the command inherits it is not to look into: its parent is none of its business.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| error.to_string())?;
    let layers = confine::before_the_filter(&plan)?;
    let ready = Report::Ready(layers);
    let descriptors: Vec<BorrowedFd<'_>> = listeners
        .iter()
        .map(|listener| listener.as_fd())
        .chain(terminal.iter().map(|fd| fd.as_fd()))
        .collect();
    channel::send(&control, &ready, &descriptors).map_err(|error| format!("the warden is gone: {error}"))?;
    drop((listeners, terminal));
    let mut begin = [u8::MAX];
    control.read_exact(&mut begin).map_err(|error| format!("the warden is gone: {error}"))?;
    if begin != [BEGIN] {
        return Err("the warden did not let the command begin".into());
    }
    confine::filter(&plan)?;
    command::run(&plan, control)
}

fn listen(ports: &[u16]) -> Result<Vec<TcpListener>, String> {
    let listeners = ports.iter().map(|port| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, *port))
            .map_err(|error| format!("port {port} inside: {error}"))
    });
    listeners.collect()
}

/// A terminal of the jail's own, in the place of the caller's. What comes back is the warden's side of it.
fn terminal(plan: &Plan) -> io::Result<OwnedFd> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::unlockpt(&master)?;
    let own = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    if let Some((rows, columns)) = plan.window {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&own, size)?;
    }
    rustix::process::ioctl_tiocsctty(&own)?;
    let [stdin, stdout, stderr] = plan.terminal;
    if stdin {
        rustix::stdio::dup2_stdin(&own)?;
    }
    if stdout {
        rustix::stdio::dup2_stdout(&own)?;
    }
    if stderr {
        rustix::stdio::dup2_stderr(&own)?;
    }
    Ok(master)
}
