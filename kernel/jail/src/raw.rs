//! The only unsafe code of this crate: four things that the operating system offers without a safe form.
#![allow(unsafe_code, reason = "see the SAFETY comment of each")]

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::thread::UnshareFlags;

/// Takes over a descriptor that this process was started with, by its number.
///
/// # Errors
/// If it is not open.
pub(crate) fn inherited(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD reads a flag and touches no memory; a number that is no descriptor is an error.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nothing in this process owns it: it was made before our start, and the stages call this first,
    // once for each of two numbers, before they open anything.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Closes every descriptor but the standard three and those of `kept` (ascending, above 2).
///
/// # Errors
/// What the kernel says; it has the call since 5.9.
pub(crate) fn close_others(kept: &[RawFd]) -> io::Result<()> {
    let mut first: u32 = 3;
    for fd in kept {
        let fd = u32::try_from(*fd).map_err(io::Error::other)?;
        if first < fd {
            close_range(first, fd - 1)?;
        }
        first = fd + 1;
    }
    close_range(first, u32::MAX)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: it is called at the start of a stage, before anything was opened: no owner of a descriptor is robbed. It
    // touches no memory.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0_u32) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Leaves namespaces for new ones.
///
/// # Errors
/// What the kernel says.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    let flags = flags.difference(UnshareFlags::FILES);
    // SAFETY: the caller's duty is about `UnshareFlags::FILES`, which is taken out.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Has the child made by `fork`. The standard library's quicker way shares memory with it until it has started, which older
/// kernels refuse to a process whose children are to live in another time namespace.
pub(crate) fn forked(command: &mut Command) -> &mut Command {
    // SAFETY: the closure runs between fork and exec, where only what is safe in a signal handler may: it does nothing.
    unsafe { command.pre_exec(|| Ok(())) }
}
