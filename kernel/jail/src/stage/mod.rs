//! The two processes between the warden and the command, each a start of our own binary under another name.

mod command;
mod init;
mod loopback;
mod outer;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::io::FdFlags;

use crate::channel::{self, Report};
use crate::plan::Plan;
use crate::raw;

/// The name under which a stage is started. Nobody types it.
const NAME: &str = "latchgate-jail";
const OWN_BINARY: &str = "/proc/self/exe";
const PLAN_BYTES_MAX: u64 = 1 << 20;
/// How a stage ends that failed before the command was started; the warden reads the report, not this.
const FAILED: u8 = 125;

/// Which process of the jail this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Outer,
    Init,
}

impl Stage {
    fn as_str(self) -> &'static str {
        match self {
            Self::Outer => "outer",
            Self::Init => "init",
        }
    }
}

/// What a stage is given: the plan, and the way to the warden.
pub(crate) struct Given {
    plan: Plan,
    plan_file: File,
    control: UnixStream,
}

/// Runs this process as a stage of a jail, if that is what it was started for: its exit status then, and `None` otherwise. A
/// program that starts jails calls this first in `main`, before there is a second thread.
pub fn staged() -> Option<u8> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != NAME {
        return None;
    }
    let rest: Vec<OsString> = arguments.collect();
    let (stage, given) =
        match parse(&rest).and_then(|(stage, plan, control)| Ok((stage, take(plan, control)?))) {
            Ok(parsed) => parsed,
            Err(error) => {
                eprintln!("{NAME} is started by `latchgate sandbox` alone: {error}");
                return Some(FAILED);
            }
        };
    let told = given.control.try_clone();
    let ended = match stage {
        Stage::Outer => outer::run(given),
        Stage::Init => init::run(given),
    };
    Some(ended.unwrap_or_else(|error| {
        // If the warden is gone nobody is left to be told.
        let _unheard = told.and_then(|control| channel::send(&control, &Report::Failed(error), &[]));
        FAILED
    }))
}

/// How to start a stage with these two descriptors, which it alone inherits.
///
/// # Errors
/// What the kernel says.
pub(crate) fn command(stage: Stage, plan: &File, control: &OwnedFd) -> io::Result<Command> {
    let mut command = Command::new(OWN_BINARY);
    command.arg0(NAME).arg(stage.as_str());
    for fd in [plan.as_raw_fd(), control.as_raw_fd()] {
        command.arg(fd.to_string());
    }
    rustix::io::fcntl_setfd(plan, FdFlags::empty())?;
    rustix::io::fcntl_setfd(control, FdFlags::empty())?;
    Ok(command)
}

fn parse(arguments: &[OsString]) -> io::Result<(Stage, RawFd, RawFd)> {
    let wrong = || io::Error::other("expected a stage and two descriptors");
    let [stage, plan, control] = arguments else { return Err(wrong()) };
    let stage = match stage.to_str() {
        Some("outer") => Stage::Outer,
        Some("init") => Stage::Init,
        _ => return Err(wrong()),
    };
    let number = |text: &OsStr| {
        text.to_str().and_then(|text| text.parse().ok()).filter(|fd| *fd > 2).ok_or_else(wrong)
    };
    Ok((stage, number(plan)?, number(control)?))
}

fn take(plan: RawFd, control: RawFd) -> io::Result<Given> {
    let mut kept = [plan, control];
    kept.sort_unstable();
    raw::close_others(&kept)?;
    let (plan_file, control) = (File::from(raw::inherited(plan)?), raw::inherited(control)?);
    rustix::io::fcntl_setfd(&plan_file, FdFlags::CLOEXEC)?;
    rustix::io::fcntl_setfd(&control, FdFlags::CLOEXEC)?;
    let length = plan_file.metadata()?.len();
    if length > PLAN_BYTES_MAX {
        return Err(io::Error::other("the plan is too long"));
    }
    let mut text = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    plan_file.read_exact_at(&mut text, 0)?;
    Ok(Given { plan: serde_json::from_slice(&text)?, plan_file, control: UnixStream::from(control) })
}
