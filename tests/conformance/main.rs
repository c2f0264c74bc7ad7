//! The protocol's own conformance suite, from npm, against the handler that `latchgate-mcp serve` serves over stdio.
//!
//! Read in this order: `pack` (the actions that the suite asks for), `front` (the same handler over HTTP, which is all that
//! the suite speaks), `suite` (the runs). What is not offered stands in `expected-failures.yaml`, with its reason.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod front;
mod pack;
mod suite;
