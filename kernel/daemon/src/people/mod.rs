//! Who may do what: operators and agents by their keys, the leases they get, and the way to take them back.

pub mod agents;
pub mod operators;

pub mod changes;

pub mod leases;

pub mod budgets;
pub mod revocation;
