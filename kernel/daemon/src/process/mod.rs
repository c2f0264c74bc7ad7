//! The gate as one process among others: kept to itself, logging, making room, telling of held calls, told to end, telling the service manager.

pub mod hardening;
pub mod held_calls;
pub mod notify;
pub mod room;
pub mod running;
pub mod telemetry;
