//! Calls and what becomes of them: owned by the gate from the request to the last byte of the answer.

pub mod call;

pub mod approvals;
pub mod comparison;
pub mod standing;

pub mod deliveries;
pub mod limits;
pub mod refusals;
