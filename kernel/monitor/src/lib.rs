//! The reference monitor: takes one call from request to record.
//!
//! Pure: what it needs of the world it receives through `ports`. Read `steps` in the order of `pipeline`: each step
//! consumes the state before it and returns the next, so that a later state cannot exist unless every earlier check has
//! passed.
//!
//! ```text
//! authenticate > resolve > validate > canonicalize > plan > authorize -+-> hold (a person decides) -> redeem -+
//!                                                                     +------------------------------------->+
//!       record < attest < verify < execute < commit <--------------------------------------------------------+
//! ```
//!
//! Before `commit` everything may fail freely; after it everything is recorded, whatever happens.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

pub mod pipeline;
pub mod steps;

pub mod answer;
pub mod denial;
pub mod plan;
pub mod ports;

pub mod authenticator;
pub mod catalog;
pub mod manifest;
pub mod policy;
pub mod proofs;
pub mod schema;
pub mod shared;
pub mod template;
