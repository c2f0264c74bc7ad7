//! What is taken away from process 1, and so from the command: privileges, then files (Landlock), then system calls.

mod calls;
mod landlock;
mod limits;
mod privileges;
mod seccomp;

use crate::channel::Layers;
use crate::plan::Plan;
use latchgate_wire::jail::Level;

/// All but the filter of system calls, which comes last: what is done here needs calls that it refuses.
///
/// # Errors
/// If the level of the plan cannot be had.
pub(crate) fn before_the_filter(plan: &Plan) -> Result<Layers, String> {
    limits::set().map_err(|error| format!("limits: {error}"))?;
    privileges::give_up().map_err(|error| format!("privileges cannot be given up: {error}"))?;
    let landlock_abi = match landlock::restrict(&plan.writable) {
        Ok(abi) => abi,
        Err(error) if plan.level >= Level::Strict => {
            return Err(format!("level {} needs Landlock: {error}", plan.level));
        }
        Err(_) => 0,
    };
    if landlock_abi == 0 && plan.level >= Level::Strict {
        return Err(format!(
            "level {} needs Landlock, which this kernel does not have switched on",
            plan.level
        ));
    }
    Ok(Layers { seccomp: plan.level >= Level::Standard, landlock_abi })
}

/// The filter of system calls.
///
/// # Errors
/// If the kernel does not take it and the level needs it.
pub(crate) fn filter(plan: &Plan) -> Result<(), String> {
    if plan.level < Level::Standard {
        return Ok(());
    }
    seccomp::apply().map_err(|error| format!("level {} needs the seccomp filter: {error}", plan.level))
}
