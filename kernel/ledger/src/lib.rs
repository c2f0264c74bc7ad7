//! The append-only log and its single writer, the state folded from it, payloads, checkpoints and a disposable index.
//!
//! ```text
//! commit ──► queue ──► writer: judge, sign, append, sync ──► view ──► answer
//!                        │                                    │
//!                        └─ state (accepted)                  ├─ state (synced), tree, places ──► readers, queries
//!                                                             └─ checkpoint and index threads, behind
//! ```
//!
//! The order is law: an entry is durable before it is seen, counted, indexed, signed over or answered.
#![forbid(unsafe_code)]

mod checkpoint;
mod disk;
mod durable;
mod feed;
mod first;
pub mod glance;
mod history;
mod index;
mod indexer;
mod ledger;
mod lock;
mod open;
pub mod past;
mod payload;
mod places;
mod proofread;
mod proofs;
mod prover;
mod query;
mod queue;
mod recover;
mod scan;
mod sealed;
mod segment;
mod serve;
mod signers;
pub mod snapshot;
pub mod state;
mod tally;
mod terms;
mod tiles;
pub mod verify;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod view;
mod writer;

pub use checkpoint::{FileError, SignedCheckpoint};
pub use ledger::{ApprovalFilter, Ledger, Stats};
pub use open::OpenConfig;
pub use payload::{PAYLOAD_BYTES_MAX, PayloadStore};
pub use prover::{Consistency, Inclusion};
pub use queue::{OnFatal, exit_process};
pub use recover::{OpenError, Recovery};
pub use view::ReadError;
pub use writer::OUTCOME_BYTES_RESERVED;
