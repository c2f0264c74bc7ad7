//! What a guest is written with: its invocation, the host interfaces it may call, the macro that exports
//! it.
//!
//! A guest is one function. It performs steps of a plan that the host made before, and shapes what came
//! back:
//!
//! ```ignore
//! latchgate_action::export!(run);
//!
//! fn run(invocation: Invocation) -> Result<serde_json::Value, String> {
//!     let response = latchgate_action::http::perform(0)?;
//!     Ok(serde_json::json!({ "status": response.status }))
//! }
//! ```
//!
//! A guest has no clock, no randomness, no file system and no sockets: what is not in `wit/action.wit`
//! does not exist. A host interface that the guest does not call is not imported by the component either.

mod content;
mod export;
mod host_error;
mod invocation;

// wit-bindgen's lowering of calls is unsafe code; the guests' own code has none.
#[allow(unsafe_code, clippy::all)]
#[doc(hidden)]
pub mod bindings;

pub use bindings::latchgate::action::{fs, http, log};
pub use content::text_or_base64;
#[doc(hidden)]
pub use export::answer;
pub use invocation::{FsOperation, Invocation, Step};
