//! Guests in the sandbox, most of them hostile; each attack has a twin that succeeds.

mod bench;
mod hostile;
mod limits;
mod prebuilt;
mod registration;
mod steps;
pub(crate) mod support;
mod wasi;
mod web;
