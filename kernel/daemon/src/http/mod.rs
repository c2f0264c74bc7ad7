//! HTTP on the gate's sockets: bounds first, then who speaks, then the route.

pub mod listen;

mod admin;
mod agent;
mod connection;
mod incoming;
mod respond;

pub use connection::{Surface, serve};
