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

#[cfg(target_os = "linux")]
mod channel;
#[cfg(target_os = "linux")]
mod confine;
#[cfg(target_os = "linux")]
mod environment;
#[cfg(target_os = "linux")]
pub mod exits;
#[cfg(target_os = "linux")]
mod layout;
#[cfg(target_os = "linux")]
mod obstacles;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod profile;
#[cfg(target_os = "linux")]
mod program;
#[cfg(target_os = "linux")]
mod raw;
#[cfg(target_os = "linux")]
mod root;
#[cfg(target_os = "linux")]
mod stage;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod warden;

#[cfg(target_os = "linux")]
pub use channel::Layers;
#[cfg(target_os = "linux")]
pub use environment::Environment;
#[cfg(target_os = "linux")]
pub use layout::{GATE_SOCKET, Layout, LayoutError};
#[cfg(target_os = "linux")]
pub use obstacles::{Obstacle, found as obstacles};
#[cfg(target_os = "linux")]
pub use plan::{Fill, Mount, Plan};
#[cfg(target_os = "linux")]
pub use profile::{GENERIC, Profile, ProfileError, Profiles};
#[cfg(target_os = "linux")]
pub use program::Program;
#[cfg(target_os = "linux")]
pub use stage::staged;
#[cfg(target_os = "linux")]
pub use warden::{Ended, Jail, JailError, Signals, Start};
