//! Private keys of operators and agents: files that nobody else could read or replace.
//!
//! Read in this order: a key file (`file`), what opens a protected one (`passphrase`), how a new key comes to the gate
//! (`enrolment`), and an operator's token beside the key (`token`).

mod enrolment;
mod file;
mod passphrase;
mod token;

pub use enrolment::{New, Replacement, public_key, thumbprint};
pub use file::{agent, generate, operator, private_text, protect};
pub use passphrase::{ask as ask_hidden, chosen, of_secrets};
pub use token::{NewToken, discard as discard_token};
