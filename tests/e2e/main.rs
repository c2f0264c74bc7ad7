//! The built binary from end to end: one file per topic, a gate of its own for each test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod actions;
mod approvals;
mod audit;
mod backup;
mod cli;
mod config;
mod daily;
mod demo;
mod docs;
mod doctor;
mod drain;
mod errors;
mod first_call;
mod held_call;
mod http;
mod installed;
mod ledger;
mod leftovers;
mod metrics;
mod notify;
mod notify_secrets;
mod once;
mod passphrase;
mod people;
mod permissions;
mod policy_tools;
mod restart;
mod secrets;
mod service;
mod tracing;
mod uninstall;
mod watch;
