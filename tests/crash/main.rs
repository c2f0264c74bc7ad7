//! The gate killed under load, and what its ledger says afterwards.
//!
//! `campaign` kills and restarts one gate on one home again and again, `load` is what runs meanwhile, `account` holds
//! ledger, service and answers against each other, `chance` draws everything from one printed seed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod account;
mod campaign;
mod chance;
mod image;
mod load;
mod points;
mod power;
mod scene;
