//! The gate killed, cut short or starved, and what its ledger says afterwards.
