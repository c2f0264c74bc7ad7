//! What is done about a home beside a gate that runs: looked at, verified, copied, deleted.

pub mod check;
pub mod doctor;
pub mod verify;
pub mod witness;

pub mod backup;
pub mod uninstall;
