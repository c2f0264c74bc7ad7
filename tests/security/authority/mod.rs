//! Chapter "Authority": what an agent may not do, grant itself, widen or outlive.

mod agent_on_admin_socket;
mod allowlist;
mod approval_after_denial_expiry_revocation;
mod approval_executes_once;
mod approved_plan_is_what_runs;
mod boundaries;
mod browser_page_on_tcp;
mod budgets;
mod critical_denied_under_same_user;
mod crowd;
mod denied_for_a_while;
mod empty_policy_denies;
mod enrolled_keys;
mod held_calls_are_bounded;
mod idempotency_key_of_another_request;
mod operator_key_gets_no_lease;
mod operator_token;
mod operators;
mod operators_budgets;
mod other_principals_receipts;
pub mod other_user;
mod quorum_after_reload;
mod renewal_cannot_widen;
mod revocation_stops_next_call_and_commit;
mod self_approval;
mod standing_approvals;
mod unknown_action_unknown_argument_deny;
