//! Limits of the process: generous, so that what agents usually start runs, and finite, so that a fork bomb ends.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Counted for the user inside alone since Linux 5.14.
const PROCESSES_MAX: u64 = 8192;
const FILES_MAX: u64 = 65_536;

pub(super) fn set() -> io::Result<()> {
    // A dump would be written where the machine says, and hold what the process held.
    lower(Resource::Core, 0)?;
    lower(Resource::Nproc, PROCESSES_MAX)?;
    lower(Resource::Nofile, FILES_MAX)
}

/// To at most this; never up.
fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let found = getrlimit(resource);
    let at_most = |limit: Option<u64>| Some(limit.map_or(most, |limit| limit.min(most)));
    Ok(setrlimit(resource, Rlimit { current: at_most(found.current), maximum: at_most(found.maximum) })?)
}
