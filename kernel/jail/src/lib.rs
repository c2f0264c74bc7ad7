//! The Linux sandbox for an agent's process: a machine of its own, with the exits that it was given and no others.
//!
//! ```text
//! warden   `latchgate sandbox`, outside: starts the rest, serves the exits, moves the terminal's bytes, waits
//!   outer  unshares the namespaces and maps the user; alive for its exit status alone
//!     init process 1 inside: builds the root, gives up every privilege, starts the command, reaps
//!       command
//! ```
//!
//! Each arrow is a start of our own binary ([`staged`]) and no fork: nothing of the warden's memory is inside. What to build is
//! a [`Plan`], made outside and read by both stages. If the warden ends, the others end: `outer` and `init` are killed with
//! their parent, and a pid namespace ends with its first process.
//!
//! Read in this order: what is built ([`plan`], [`layout`]), how it is started (`warden`, `channel`), what the two `stage`s do,
//! and what confines them (`root`, `confine`).
//!
//! Unsafe code stands in `raw` alone.
#![cfg(target_os = "linux")]

mod channel;
mod confine;
mod environment;
pub mod exits;
mod layout;
mod obstacles;
mod plan;
mod profile;
mod program;
mod raw;
mod root;
mod stage;
mod terminal;
mod warden;

pub use channel::Layers;
pub use environment::Environment;
pub use layout::{GATE_SOCKET, Layout, LayoutError};
pub use obstacles::{Obstacle, found as obstacles};
pub use plan::{Fill, Mount, Plan};
pub use profile::{GENERIC, Profile, ProfileError, Profiles};
pub use program::Program;
pub use stage::staged;
pub use warden::{Ended, Jail, JailError, Signals, Start};
