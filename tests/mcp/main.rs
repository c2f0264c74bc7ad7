//! The MCP adapter from outside: the built `latchgate-mcp` between a client that controls every line and a real gate.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod approvals;
mod calls;
mod deliveries;
mod fuzz;
mod handshake;
mod hostile;
mod hostile_gate;
mod install;
mod install_home;
mod install_refused;
mod lifecycle;
mod listing;
mod operator;
mod operator_allowlist;
mod operator_refused;
mod operator_session;
mod soak;
