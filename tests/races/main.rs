//! Everything that can happen to a held call, at once, against the running gate: one effect at most, and one end.
//!
//! `campaign` runs rounds by one printed seed; a `round` holds a call and lets `event`s race for it on the `ground` that a
//! gate, its files and its people make; `books` holds ledger, service and files against each other afterwards. `reloads` is about the configuration alone.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod books;
mod campaign;
mod event;
mod ground;
mod reloads;
mod round;
