//! Why the host stopped a guest, in words that name the limit.

use latchgate_monitor::manifest::Limits;
use latchgate_monitor::steps::StepFailure;
use latchgate_wire::receipt::FailureClass;
use wasmtime::Trap;

use crate::engine::TABLE_ELEMENTS_MAX;

/// A limit that the host watches itself; thrown through the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("the component took longer than {ms} ms (limits.time_ms)")]
    Time { ms: u64 },
    #[error("the gate was told to end before the component had")]
    Ending,
    #[error("the lease was revoked while the component ran")]
    Revoked,
    #[error("the component asked for more than {mib} MiB of memory (limits.memory_mib)")]
    Memory { mib: u32 },
    #[error("the component asked for a table of more than {TABLE_ELEMENTS_MAX} elements")]
    Table,
    #[error("the component made more than {max} host calls (limits.host_calls)")]
    HostCalls { max: u32 },
    #[error("the component used up its fuel of {units} (limits.fuel)")]
    Fuel { units: u64 },
    #[error(
        "the component returned, or gave the host, more than {bytes} bytes at once (limits.response_bytes)"
    )]
    Output { bytes: usize },
    #[error("the component's calls were nested too deeply")]
    Stack,
    #[error("the component failed: {0}")]
    Trap(Trap),
    #[error("the component failed in the sandbox")]
    Other,
}

impl Stop {
    /// Reads what Wasmtime says of a guest that did not return.
    pub(crate) fn read(error: &wasmtime::Error, limits: &Limits) -> Self {
        if let Some(stop) = error.downcast_ref::<Self>() {
            return *stop;
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel) => Self::Fuel { units: limits.fuel },
            Some(Trap::StackOverflow) => Self::Stack,
            Some(Trap::Interrupt) => Self::Time { ms: limits.time_ms },
            Some(trap) => Self::Trap(*trap),
            // Wasmtime keeps the type of this error to itself.
            None if error.root_cause().to_string().contains("fuel allocated for hostcalls") => {
                Self::Output { bytes: output_bytes_max(limits) }
            }
            None => Self::Other,
        }
    }

    pub(crate) fn failure(self) -> StepFailure {
        let remediation = match self {
            Self::Time { .. }
            | Self::Memory { .. }
            | Self::HostCalls { .. }
            | Self::Fuel { .. }
            | Self::Output { .. } => "ask for less, or have the limit raised in the action's manifest",
            Self::Ending => "call again after the restart: you get what is known of this call",
            Self::Revoked => "ask the operator, then take a new lease",
            Self::Table | Self::Stack | Self::Trap(_) | Self::Other => {
                "tell whoever maintains the action's component"
            }
        };
        let class = match self {
            Self::Revoked => FailureClass::Revoked,
            _ => FailureClass::GuestStopped,
        };
        StepFailure { class, message: self.to_string(), remediation: Some(remediation.into()) }
    }
}

/// Bytes that a guest may return, or pass to the host in one call. A content of `response_bytes` grows on the way into JSON,
/// by a third as base64 and more where it is escaped.
pub(crate) fn output_bytes_max(limits: &Limits) -> usize {
    usize::try_from(limits.response_bytes.saturating_mul(2).saturating_add(64 * 1024)).unwrap_or(usize::MAX)
}
