//! The append-only log and its single writer, the state folded from it, payloads, checkpoints and a disposable index.

pub mod state;
