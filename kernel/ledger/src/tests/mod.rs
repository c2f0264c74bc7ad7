//! The ledger as a whole, on real files.

mod crash;
mod keys;
mod lifecycle;
mod query;
mod recovery;
mod replay;
mod schedules;
mod sealed;
mod tiles;
mod verify;
mod writer;
