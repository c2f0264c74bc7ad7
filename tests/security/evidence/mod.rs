//! Chapter "Evidence": what the ledger must hold, whatever happens.
