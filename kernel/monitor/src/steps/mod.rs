//! The steps of a call, one file each, in their order. Each consumes the state before it.

mod attest;
mod authorize;
mod canonicalize;
mod commit;
mod credentials;
mod execute;
mod hold;
mod plan;
mod record;
mod redeem;
mod request;
mod resolve;
mod standing;
mod validate;
mod verify;

pub use attest::Attested;
pub use authorize::{Asked, Authorized, Decided, Judging};
pub use canonicalize::Canonical;
pub use commit::{Commitment, Permit, Spent};
pub use execute::{Executed, Invocation, Observed, Ran, StepFailure};
pub use hold::{CallPayload, HoldError};
pub use hold::{Held, Holding};
pub use plan::Planned;
pub use record::{Recorded, ResultPayload};
pub use redeem::redeem;
pub use request::Request;
pub use resolve::Resolved;
pub use standing::pins_of;
pub use validate::Validated;
pub use verify::Verified;
