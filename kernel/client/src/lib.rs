//! How anyone talks to a gate: finding its socket, connections, leases, proofs, typed calls.
//!
//! Read in this order: where the gate is (`endpoint`, `gate_url`, `guard`), how bytes get there (`transport`), who signs
//! (`signer`), what is asked and answered (`exchange`), and the three callers: anyone (`public`), an agent (`agent`,
//! with its `session`), an operator (`operator`), which remembers what it has seen (`memory`).
#![forbid(unsafe_code)]

mod endpoint;
mod gate_url;
mod guard;
mod process;

mod transport;

mod exchange;
mod signer;

mod agent;
mod memory;
mod operator;
mod public;
mod session;

mod error;

#[cfg(test)]
mod fake_gate;

pub use agent::{AgentClient, AgentOptions, CallOptions, CallOutcome, Delivery};
pub use endpoint::{Endpoint, EndpointError, Search};
pub use error::ClientError;
pub use exchange::Tagged;
pub use gate_url::GateUrl;
pub use memory::{Memory, Seen};
pub use operator::OperatorClient;
pub use process::Process;
pub use public::PublicClient;
