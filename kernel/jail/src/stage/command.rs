//! The command, and what the first process of a machine owes its others: their end is noticed, and signals are passed on.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};

use crate::plan::Plan;

/// As a shell would say it.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Starts the command and stays until it has ended: its exit status, 128 and the signal's number where one ended it.
pub(super) fn run(plan: &Plan, control: UnixStream) -> Result<u8, String> {
    let [program, arguments @ ..] = plan.command.as_slice() else { return Err("there is no command".into()) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&plan.directory);
    command.env_clear().envs(plan.environment.iter().map(|(name, value)| (name, value)));
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // The jail stands; what stderr is inside is what the user sees.
            eprintln!("latchgate sandbox: {}: {error}", program.display());
            let is_missing = error.kind() == std::io::ErrorKind::NotFound;
            return Ok(if is_missing { NOT_FOUND } else { NOT_EXECUTABLE });
        }
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("the command has no number")?;
    thread::spawn(move || pass_on(control, pid));
    Ok(reap(pid))
}

/// Waits for whoever ends, orphans included, until it is the command itself. The others end with us.
fn reap(command: Pid) -> u8 {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == command => return code(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return u8::MAX,
        }
    }
}

fn code(status: WaitStatus) -> u8 {
    let signalled = status.terminating_signal().map(|signal| 128 + signal);
    signalled.or(status.exit_status()).and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Signals that the warden was sent. Its end is ours: the kernel then ends every process inside.
fn pass_on(mut control: UnixStream, command: Pid) {
    let mut byte = [0];
    while let Ok(1) = control.read(&mut byte) {
        if let Some(signal) = Signal::from_named_raw(i32::from(byte[0])) {
            // It may have ended meanwhile.
            let _ended = rustix::process::kill_process(command, signal);
        }
    }
    std::process::exit(i32::from(u8::MAX));
}
