//! The ledger as a whole, on real files.

mod crash;
mod keys;
mod lifecycle;
mod query;
mod recovery;
mod replay;
mod sealed;
mod schedules;
mod tiles;
mod verify;
mod writer;
