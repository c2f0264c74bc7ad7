//! The gate broken under load in every way that a machine has, and what its ledger says afterwards.
//!
//! `scene` is the gate and what it is taken through, `load` what runs meanwhile, `account` holds ledger, service and answers against
//! each other, `chance` draws everything from one printed seed. Broken by: `campaign` (SIGKILL at any time), `points` (SIGKILL
//! at each call on the disk that is named there), `power` (what a power cut may leave, made by `image`), `failing` (calls that fail),
//! `full` (disks that fill up), `clock` (one that is stepped).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod account;
mod campaign;
mod chance;
mod clock;
mod failing;
mod full;
mod image;
mod load;
mod points;
mod power;
mod scene;
