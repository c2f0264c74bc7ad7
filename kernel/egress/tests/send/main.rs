//! `Egress` against real sockets on loopback: where connections go, what TLS accepts, what is sent how often.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up should stop")]

mod deadline;
mod pinning;
mod pooling;
mod proxied;
mod replies;
mod secrets;
mod support;
mod verification;
