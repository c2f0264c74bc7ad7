//! The ledger as a whole: recovery, concurrency, faults.


