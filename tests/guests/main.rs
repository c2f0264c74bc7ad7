//! Hostile guests in a whole gate: what the agent is told, what stands in the ledger, and what the next call is like. How each
//! is stopped is tested beside the sandbox, in `kernel/wasm/src/tests/hostile/`; GUESTS.md says which test holds what.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod compiled;
mod output;
mod pinned;
mod roots;
mod scene;
mod stopped;
