//! Chapter "Requests": bytes that mean two things, proofs and leases that are not what they seem.

mod dpop_alg_none_or_swapped;
mod dpop_missing_claims;
mod dpop_private_key_in_header;
mod dpop_unknown_crit;
mod dpop_wrong_typ;
mod htu_games;
mod jku_x5u_kid_headers;
mod json_two_meanings;
mod lease_tampering;
mod missing_or_wrong_body_hash;
mod oversize;
mod panics_stay_zero;
mod path_tricks;
mod replay_after_restart;
mod replay_under_malleated_signature;
mod reused_jti_under_concurrency;
mod slow_headers;
mod smuggling;
mod template_arguments;
mod template_tricks;
mod two_dpop_headers;
mod unbounded_growth;
