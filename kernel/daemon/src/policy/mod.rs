//! What can be said of policy without a gate: sets tested, explained, replayed against what happened, and compared.
//!
//! All of it reads files as the user who asks; nothing here is reachable by an agent.

pub mod compared;
pub mod explained;
pub mod past_call;
pub mod replayed;
pub mod sets;
pub mod tested;
