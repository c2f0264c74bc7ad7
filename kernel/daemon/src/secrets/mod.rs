//! Secrets of services: kept in one encrypted file, given to egress by name, changed by operators, and never shown by a route.
//!
//! Read in this order: `identity` (what opens the file), `document` (what is in it), `store` (how it is read and replaced),
//! `need` (which actions declare which), `keeper` (of a running gate: egress asks it, operators change it), `tokens` and
//! `renewal` (values that the gate fetches itself), `offline` (the
//! same changes where no gate runs), `import` (values that lie elsewhere).
//!
//! Invariant: a value leaves this module only through [`keeper::Keeper`]'s `Vault`, for egress, and through
//! [`offline::reveal`], for the terminal of whoever can read the file anyway.

mod document;
mod identity;
pub mod import;
pub mod keeper;
mod need;
pub mod offline;
mod renewal;
mod store;
mod tokens;

pub use document::Change;
pub use identity::Protection;
pub use store::SecretsError;
