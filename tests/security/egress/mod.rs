//! Chapter "Egress": where an action's request must not get to, seen from there, and what must not come back.

mod development;
mod environment;
pub mod ground;
mod hostile_answers;
mod names_that_lead_inside;
mod not_public;
mod odd_answers;
mod proxied;
mod rebinding;
mod redirects;
mod spelled_addresses;
mod urls_with_two_readings;
