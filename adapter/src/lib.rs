//! What the binary `latchgate-mcp` is made of: a gate's actions as MCP tools.
//!
//! Three doors that share nothing but the wire and where they log to: `serve` (an agent's session), `operator` (an operator's), and `install`
//! (which writes `serve` into a client's configuration).
#![forbid(unsafe_code)]

pub mod install;
pub mod operator;
pub mod serve;

mod logging;
