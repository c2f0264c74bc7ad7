//! One file per attack, each with a twin that succeeds.
//!
//! `scene` holds what every attack is measured by: the exact answer, what it leaves in the ledger, and that nothing
//! happened. `requests`, `egress`, `authority`, `evidence`, `operation` and `secrets` follow the chapters of the threat model.
//! happened. `requests`, `egress`, `authority`, `evidence` and `operation` follow the chapters of the threat model, `jail` the
//! agent's sandbox.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod scene;

mod authority;
mod credentials;
mod egress;
mod evidence;
mod jail;
mod operation;
mod requests;
mod secrets;

mod table;
