//! What the process does before anything else: logs, crypto provider, no core dumps, private files.

use rustix::process::{DumpableBehavior, set_dumpable_behavior};

/// Called first in `main`. After it, other processes of the same user cannot trace this one or read its memory, and a
/// crash leaves no core (prctl(2), PR_SET_DUMPABLE).
///
/// # Errors
/// If the kernel refuses: the gate does not run dumpable.
pub fn install() -> Result<(), String> {
    crate::telemetry::init();
    latchgate_wire::jws::install_crypto();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|error| format!("the process could not be made undumpable: {error}"))?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    Ok(())
}
