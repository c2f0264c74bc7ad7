//! The gate as one process among others: kept to itself, logging, making room, told to end, telling the service manager.

pub mod hardening;
pub mod notify;
pub mod room;
pub mod running;
pub mod telemetry;
