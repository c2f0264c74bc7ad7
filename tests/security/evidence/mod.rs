//! Chapter "Evidence": what the ledger must hold, whatever happens.

mod client_hangup_leaves_outcome;
mod denial_hold_approval_revocation_config_have_entries;
mod intent_before_effect;
mod ledger_copy;
mod no_secrets;
mod outcome_before_answer;
mod proofs_are_not_forged;
mod tampering_is_found;
mod tampering_is_not_taken_up;
mod unknown_is_its_own_answer;
mod unknown_is_resolved;
