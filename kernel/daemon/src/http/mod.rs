//! HTTP on the gate's sockets: bounds first, then who speaks, then the route.

pub mod listen;

pub mod authority;

mod actions;
mod admin;
mod agent;
mod allotment;
mod audit;
mod connection;
pub mod incoming;
pub mod jails;
mod ledger;
mod patient;
mod people;
mod respond;
mod secrets;
mod tcp_peer;
mod trace_context;

pub use allotment::Allotment;
pub use connection::{Surface, serve, serve_tcp};
