//! Policy: whether a planned call may happen, must be asked about, or is denied, and by which rule.
//!
//! A policy set is Cedar, checked when it is loaded against a schema generated from the loaded manifests, so that a
//! rule that could never do what it says is an error with a line and not a silent gap. Deny beats Ask beats Allow, and
//! what no rule matches is denied.
//!
//! Invariant: whatever goes wrong while judging (an error in a rule, an operation that cannot be read, an action that
//! was not loaded) is a Deny.
//!
//! Read [`Policy::load`], then [`Policy::judge`]; `schema` says what rules can speak about. [`rules`] compiles the plain
//! rules of users to Cedar, which then goes the same way.

mod allowance;
mod args;
mod at_most;
mod budget;
pub mod cases;
pub mod compare;
mod context;
mod explain;
mod judge;
mod load;
mod names;
mod outlook;
mod rule;
pub mod rules;
mod schema;
mod source;
mod supposed;

#[cfg(test)]
mod differential;
#[cfg(test)]
mod presets;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use allowance::{Allowance, Asker, HostName, HostNameError, Trial};
pub use args::Unrepresentable;
pub use at_most::AtMost;
pub use budget::Budget;
pub use explain::{Condition, Explanation, Fired, Near};
pub use judge::{Agent, Judgement, Question};
pub use load::Policy;
pub use outlook::RuleSummary;
pub use rule::Asking;
pub use source::{PolicyError, Source};
pub use supposed::{StandIn, Supposed};
