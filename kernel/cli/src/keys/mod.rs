//! Private keys of operators and agents: files that nobody else could read or replace.
//!
//! Read in this order: a key file (`file`), what opens a protected one (`passphrase`), and how a new key comes to the gate
//! (`enrolment`).

mod enrolment;
mod file;
mod passphrase;

pub use enrolment::{New, Replacement, public_key, thumbprint};
pub use file::{agent, generate, operator, protect};
pub use passphrase::chosen;
