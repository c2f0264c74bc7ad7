//! Every byte that crosses the process boundary: formats, identifiers and signatures, as pure functions.
//!
//! Nothing here reads a clock, a file, the environment, the network or randomness: times and entropy are arguments.
//! Read in this order: what a number or a name is (`ids`, `digest`, `time`, `principal`, `placement`), how bytes become values
//! (`json`, `jcs`), who may ask (`es256`, `sealed_key`, `jwk`, `jws`, `lease`, `dpop`,
//! `operator_token`), what is kept for services (`secret`), what is written down (`entry`, `receipt`,
//! `keychain`, `jail`, `merkle`, `proof`, `tile`, `checkpoint`, `cosignature`, `bundle`), what is answered (`problem`, `api`,
//! `stats`) and sent to others (`notify`), and how text from others is shown to people (`visible`).
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_types, clippy::disallowed_macros))]

pub mod digest;
pub mod ids;
pub mod placement;
pub mod principal;
pub mod time;

pub mod jcs;
pub mod json;

pub mod dpop;
pub mod es256;
pub mod jwk;
pub mod jws;
pub mod lease;
pub mod operator_token;
pub mod sealed_key;
pub mod secret;

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod entry;
pub mod jail;
pub mod keychain;
pub mod merkle;
pub mod proof;
pub mod receipt;
pub mod tile;

pub mod api;
pub mod notify;
pub mod problem;
pub mod stats;

pub mod visible;
