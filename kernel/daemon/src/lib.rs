//! The gate as a process: configuration, keys, sockets, HTTP routes, assembly and lifecycle.
//!
//! ```text
//! socket > http (bounds, credentials) > calls (owned by the gate, never by a connection) > monitor::pipeline > answer
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

pub mod start;

mod agents;
mod approvals;
mod budgets;
mod calls;
mod comparison;
mod deliveries;
mod gate;
mod http;
mod init;
mod leases;
mod leftovers;
mod limits;
mod loading;
mod metrics;
mod notify;
mod operators;
mod people;
mod policies;
mod prepare;
mod presets;
mod refusals;
mod reload;
mod revocation;
mod room;
mod running;
mod standing;

mod builtin;
mod clock;
mod config;
mod hardening;
mod home;
mod telemetry;
mod world;

pub mod backup;
pub mod check;
pub mod doctor;
pub mod service_home;
pub mod uninstall;
pub mod verify;

pub use builtin::{PRESETS, Preset};
pub use config::{ConfigError, Environment, Origin, Resolved, Setting, reference};
pub use hardening::install;
pub use home::places::{PlaceError, Places};
pub use init::{InitOptions, Initialised, init};
pub use policies::HomePolicy;
pub use prepare::Manner;
pub use running::{Running, Signals, Summary};
pub use start::{StartError, StartOptions, start};
pub use telemetry::Logs;
