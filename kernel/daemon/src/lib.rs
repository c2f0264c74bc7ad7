//! The gate as a process: configuration, keys, sockets, HTTP routes, assembly and lifecycle.
//!
//! ```text
//! socket > http (bounds, credentials) > calls (owned by the gate, never by a connection) > monitor::pipeline > answer
//! ```
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

mod config;
mod home;
mod setup;

mod gate;
mod http;

mod calls;
mod evidence;
mod news;
mod people;
pub mod secrets;

mod clock;
mod metrics;
mod world;

mod process;

mod upkeep;

pub mod policy;

pub use config::{ConfigError, Environment, Origin, Resolved, Setting, reference};
pub use home::places::{PlaceError, Places};
pub use process::hardening::install;
pub use process::held_calls::HeldCalls;
pub use process::running::{Running, Signals, Summary};
pub use process::telemetry::Logs;
pub use setup::builtin::{PRESETS, Preset};
pub use setup::init::{InitOptions, Initialised, init};
pub use setup::policies::HomePolicy;
pub use setup::prepare::Manner;
pub use setup::service_home;
pub use setup::start::{Passphrase, StartError, StartOptions, start};
pub use upkeep::{backup, check, doctor, uninstall, verify, witness};
