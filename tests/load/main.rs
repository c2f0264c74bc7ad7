//! The running gate under the load of tools that are not ours: plain requests in numbers, and clients that are slow on purpose.
//!
//! `campaign` says what is asked and what must come of it, `tools` runs h2load and slowhttptest and reads what they print.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod campaign;
mod tools;
