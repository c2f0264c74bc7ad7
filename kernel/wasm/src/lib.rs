//! The Wasmtime host: runs the component of an action in a sandbox whose only ways out are the steps of one plan.
//!
//! A guest has fuel, time, memory and host calls, all bounded, and the interfaces that its manifest declares; nothing else is
//! linked. It chooses which planned step to perform and when, never what the step does. What happened is what the host saw
//! (the journal), whatever the guest says.
//!
//! ```text
//! Permit -> Host::run -> new Store, pooled instance -> guest `run` -> http | fs | log -> Observed
//!                          fuel, epochs, limiter                        egress, roots
//! ```
#![deny(unsafe_code)]

mod host;

mod cache;
mod engine;
mod module;
mod wasi;

mod bindings;
mod call;
mod guest;
mod journal;
mod lanes;
mod limiter;
mod pace;
mod places;
mod stop;
mod stops;

mod fs;
mod http;
mod log;
mod roots;

#[cfg(test)]
mod tests;

pub use cache::{CacheError, ModuleCache};
pub use engine::EngineError;
pub use host::{Host, HostConfig};
pub use lanes::give_way;
pub use module::RegisterError;
pub use roots::{RootError, Roots};
