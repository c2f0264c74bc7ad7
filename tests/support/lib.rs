//! What the black-box suites stand on: a gate of their own, hostile and honest callers, and a service to call.
//!
//! Read in this order: `gate` (the built binary with a home of its own, made by `builder`, its files by `private`), `chance` (drawn from a seed), `entries` (what its ledger
//! says), `guest` (components to be run by it), `upstream` (the service that actions call), `tmpfs` (a disk to be filled), `disk_faults` (one that fails, and remembers), `stepped_clock`, `terminal` (with a person at it),
//! `mcp_client` (the adapter behind pipes, its lines checked by `mcp_schema`), `npm_tools` (programs that are not ours),
//! `wire` (bytes on a socket), `search` (for what must not be there), `key`, `token` and `proof` (made by hand), the callers that control every byte: `attempt`,
//! `raw_agent`, `raw_operator`, and `relay` for whoever calls as another user.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness fails by panicking")]

mod binary;
mod builder;
mod chance;
mod disk_faults;
mod entries;
mod gate;
mod mcp_client;
mod mcp_schema;
mod npm_tools;
mod patience;
mod preload;
mod private;
mod search;
mod stepped_clock;
mod terminal;

pub mod guest;
pub mod manifest;
pub mod policy;
pub mod tick;

mod tmpfs;
mod upstream;
pub mod world;

mod attempt;
mod key;
mod proof;
mod raw_agent;
mod raw_operator;
mod relay;
mod token;
mod wire;

pub use attempt::Attempt;
pub use binary::{OTHER_UID, Ran, binary, binary_for_others, mcp_binary, workspace};
pub use builder::GateBuilder;
pub use chance::{Chance, env_number};
pub use disk_faults::{Call, DiskFaults, Disturbance, Event, Fault};
pub use entries::{entries_in, of_kind, segments_in};
pub use gate::{Gate, Refused, Verified};
pub use key::Key;
pub use mcp_client::{McpClient, STATELESS};
pub use mcp_schema::McpSchema;
pub use npm_tools::NpmTools;
pub use patience::{PATIENCE, eventually};
pub use private::{mode, private_dir, private_file};
pub use proof::Proof;
pub use raw_agent::RawAgent;
pub use raw_operator::RawOperator;
pub use relay::Relay;
pub use search::{assert_nowhere, each_file, holds};
pub use stepped_clock::SteppedClock;
pub use terminal::Terminal;
pub use tmpfs::Tmpfs;
pub use token::Token;
pub use upstream::{Response, Seen, Upstream, closed_port};
pub use wire::{Connection, Reply, exchange, raw};
