//! What the process does before anything else: logs, crypto provider, no core dumps, private files.

use crate::process::telemetry::Logs;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// Called first in `main`. After it, other processes of the same user cannot trace this one or read its memory, and a
/// crash leaves no core (prctl(2), PR_SET_DUMPABLE).
///
/// # Errors
/// If the kernel refuses: the gate does not run dumpable.
pub fn install(logs: Logs) -> Result<(), String> {
    crate::process::telemetry::init(logs);
    latchgate_wire::jws::install_crypto();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the process could not be made undumpable: {error}"))?;
    raise_descriptors();
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}

/// As many descriptors as the system grants: connections, files and upstreams share them.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files was not raised");
    }
}

/// How many connections agents have together, and operators as many: half each of what is left after files and upstreams.
pub fn connections_max() -> usize {
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let share = descriptors.saturating_sub(DESCRIPTORS_KEPT) / 2;
    usize::try_from(share).unwrap_or(usize::MAX).clamp(16, CONNECTIONS_MAX)
}

/// One user alone gets half.
const CONNECTIONS_MAX: usize = 2048;
const DESCRIPTORS_KEPT: u64 = 256;
