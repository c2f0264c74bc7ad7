//! What the fold admits and what it refuses, both sides of every rule.

use latchgate_monitor::ports::{ApprovalStatus, CallIdentity, Refusal};
use latchgate_wire::entry::*;
use latchgate_wire::ids::{GrantId, LeaseId};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;

use super::*;
use crate::testing::*;

/// A log in memory: what is admitted is applied.
struct Fold {
    state: State,
    now: Timestamp,
}

impl Fold {
    /// With the policy `p` and one session.
    fn ready(budgets: Budgets) -> Self {
        let mut fold = Self { state: State::default(), now: at(0) };
        fold.ok(config("p"));
        fold.ok(operators(&[("op", "k", Role::Approver)]));
        fold.ok(lease(who(), budgets));
        fold
    }

    fn wait(&mut self, ms: i64) -> &mut Self {
        self.now = self.now.plus_ms(ms);
        self
    }

    fn add(&mut self, body: Body) -> Result<u64, Objection> {
        self.state.admit(&body, self.now)?;
        let seq = self.state.size();
        let entry = Entry { v: FORMAT, seq, time: self.now, gate: ORIGIN.into(), trace_id: None, body };
        self.state.apply(&entry);
        Ok(seq)
    }

    #[track_caller]
    fn ok(&mut self, body: Body) -> u64 {
        self.add(body).unwrap()
    }

    #[track_caller]
    fn refused(&mut self, body: Body, refusal: Refusal) {
        assert_eq!(self.add(body), Err(Objection::Refused(refusal)));
    }

    #[track_caller]
    fn invalid(&mut self, body: Body) {
        assert!(matches!(self.add(body), Err(Objection::Invalid(_))));
    }

    #[track_caller]
    fn joined(&mut self, body: Body, standing: Standing) {
        assert_eq!(self.add(body), Err(Objection::Joined(standing)));
    }

    /// Executes `call` and records the outcome that `make` makes; `seq` of intent and outcome.
    fn run(&mut self, grant_n: u64, call: Call, make: fn(u64, &CallIntent) -> Receipt) -> (u64, u64) {
        let intent = intent(self.grant(grant_n), call);
        let seq = self.ok(Body::CallIntent(intent.clone()));
        (seq, self.ok(Body::CallOutcome(make(seq, &intent))))
    }

    fn grant(&self, n: u64) -> GrantId {
        GrantId::new(self.now.as_ms() as u64, u128::from(n))
    }

    fn start(&mut self, grant_n: u64, call: Call) -> Result<u64, Objection> {
        self.add(Body::CallIntent(intent(self.grant(grant_n), call)))
    }

    /// Holds a call and approves it; the approval as an intent must name it.
    fn approved(&mut self, n: u128, call: Call) -> ApprovalRef {
        let held = held(n, call);
        self.ok(Body::CallHeld(held.clone()));
        self.ok(Body::ApprovalDecided(decided(&held, Decision::Approved)));
        self.state.approval(held.approval_id).unwrap().approved.clone().unwrap()
    }

    fn redeem(&mut self, grant_n: u64, call: Call, approval: ApprovalRef) -> Result<u64, Objection> {
        let grant_id = self.grant(grant_n);
        self.add(Body::CallIntent(CallIntent { approval: Some(approval), ..intent(grant_id, call) }))
    }
}

fn identity(call: &Call) -> CallIdentity {
    CallIdentity {
        principal: call.who.principal.clone(),
        action_id: call.action.id.clone(),
        request_hash: call.request_hash,
        idempotency_key: call.idempotency_key.clone(),
        is_read: call.is_read,
    }
}

fn refused(refusal: Refusal) -> Result<u64, Objection> {
    Err(Objection::Refused(refusal))
}

mod authority;
mod differential;
mod races;
mod reference;

// Grants, sessions, budgets

#[test]
fn a_grant_works_once() {
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(Body::CallIntent(intent(grant(1), read_call(1))));
    fold.refused(Body::CallIntent(intent(grant(1), read_call(2))), Refusal::GrantUsed);
    fold.ok(Body::CallIntent(intent(grant(2), read_call(2))));
}

#[test]
fn a_grant_that_could_be_forgotten_is_refused_as_old() {
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(Body::CallIntent(intent(grant(1), read_call(1))));
    fold.wait(grants::GRANT_AGE_MS_MAX).ok(Body::CallIntent(intent(grant(2), read_call(1))));
    fold.wait(1).refused(Body::CallIntent(intent(grant(1), read_call(1))), Refusal::GrantUsed);
    fold.refused(Body::CallIntent(intent(grant(3), read_call(1))), Refusal::GrantUsed);
}

#[test]
fn a_grant_from_the_future_is_remembered_until_it_is_old() {
    let mut fold = Fold::ready(Budgets::default());
    let ahead = GrantId::new((T0 + 3 * HOUR) as u64, 1);
    fold.ok(Body::CallIntent(intent(ahead, read_call(1))));
    fold.wait(2 * HOUR).start(9, read_call(3)).unwrap();
    fold.wait(HOUR).refused(Body::CallIntent(intent(ahead, read_call(1))), Refusal::GrantUsed);
}

#[test]
fn a_call_budget_is_reserved_at_the_intent_and_never_passed() {
    let mut fold = Fold::ready(max_calls(2));
    let who = who();
    assert_eq!(fold.state.calls_left(&who.session_id), Some(2));
    fold.start(1, read_call(1)).unwrap();
    fold.start(2, read_call(1)).unwrap();
    assert_eq!(fold.state.calls_left(&who.session_id), Some(0));
    assert_eq!(fold.start(3, read_call(1)), refused(Refusal::BudgetExhausted));
}

#[test]
fn what_an_outcome_did_not_spend_is_given_back() {
    let mut fold = Fold::ready(max_calls(1));
    let intent = intent(grant(1), read_call(1));
    let seq = fold.ok(Body::CallIntent(intent.clone()));
    let free = Receipt { cost: Cost::default(), ..harmless_outcome(seq, &intent) };
    fold.ok(Body::CallOutcome(free));
    assert_eq!(fold.state.calls_left(&session(1)), Some(1));
    fold.run(2, read_call(1), outcome);
    assert_eq!(fold.state.calls_left(&session(1)), Some(0));
}

#[test]
fn a_cost_budget_counts_what_is_reserved() {
    let budgets = Budgets { max_calls: None, max_cost_usd_cents: Some(10) };
    let mut fold = Fold::ready(budgets);
    let costing = |n, usd_cents| {
        Body::CallIntent(CallIntent {
            cost: Cost { calls: 1, usd_cents, ..Cost::default() },
            ..intent(grant(n), read_call(n))
        })
    };
    fold.ok(costing(1, 6));
    fold.refused(costing(2, 5), Refusal::BudgetExhausted);
    fold.ok(costing(3, 4));
    fold.refused(costing(4, u64::MAX), Refusal::BudgetExhausted);
}

#[test]
fn a_renewal_narrows_the_budget_and_resets_nothing() {
    let mut fold = Fold::ready(max_calls(2));
    fold.start(1, read_call(1)).unwrap();
    fold.ok(lease(who(), max_calls(100)));
    assert_eq!(fold.state.calls_left(&session(1)), Some(1));
    fold.ok(lease(who(), max_calls(1)));
    assert_eq!(fold.state.calls_left(&session(1)), Some(0));
}

#[test]
fn a_session_that_no_lease_opened_has_no_rights() {
    let mut fold = Fold::ready(Budgets::default());
    let mut stranger = read_call(1);
    stranger.who.session_id = session(2);
    assert_eq!(fold.state.calls_left(&session(2)), Some(0));
    assert_eq!(fold.start(1, stranger), refused(Refusal::Revoked));
}

#[test]
fn another_principal_cannot_enter_a_session() {
    let mut fold = Fold::ready(Budgets::default());
    let mut other = who();
    other.principal = Principal::Uid(1001);
    fold.refused(lease(other.clone(), Budgets::default()), Refusal::Revoked);
    let call = Call { who: other, ..read_call(1) };
    assert_eq!(fold.start(1, call), refused(Refusal::Revoked));
}

#[test]
fn a_session_ends_when_it_was_said_to_end() {
    let mut fold = Fold::ready(Budgets::default());
    fold.wait(24 * HOUR - 1).ok(lease(who(), Budgets::default()));
    fold.wait(1).refused(lease(who(), Budgets::default()), Refusal::Revoked);
    let mut longer = Fold::ready(Budgets::default());
    let Body::LeaseIssued(issued) = lease(who(), Budgets::default()) else { unreachable!() };
    longer.invalid(Body::LeaseIssued(LeaseIssued { session_expires_at: at(25 * HOUR), ..issued }));
}

// Revocation

#[test]
fn every_kind_of_revocation_stops_the_lease() {
    let who = who();
    for target in [
        RevocationTarget::Lease(who.lease_jti),
        RevocationTarget::Session(who.session_id),
        RevocationTarget::Principal(who.principal.clone()),
        RevocationTarget::Agent("tester".into()),
        RevocationTarget::All(Everything::Everything),
    ] {
        let mut fold = Fold::ready(Budgets::default());
        fold.start(1, read_call(1)).unwrap();
        assert!(!fold.state.is_revoked(&who));
        let revoked =
            LeaseRevoked { target: target.clone(), operator: "op".into(), reason: None, proof: None };
        fold.wait(1).ok(Body::LeaseRevoked(revoked));
        assert!(fold.state.is_revoked(&who), "{target:?}");
        assert_eq!(fold.start(2, read_call(1)), refused(Refusal::Revoked), "{target:?}");
        fold.refused(Body::CallHeld(held(1, asked(call(1)))), Refusal::Revoked);
    }
}

#[test]
fn a_lease_made_after_the_revocation_of_its_principal_counts() {
    let mut fold = Fold::ready(Budgets::default());
    let target = RevocationTarget::Principal(who().principal);
    fold.wait(5).ok(Body::LeaseRevoked(LeaseRevoked {
        target,
        operator: "op".into(),
        reason: None,
        proof: None,
    }));
    let renewed = |ms: i64| Who { lease_jti: LeaseId::new((T0 + ms) as u64, 2), ..who() };
    assert!(fold.state.is_revoked(&renewed(5)));
    assert!(!fold.state.is_revoked(&renewed(6)));
}

#[test]
fn revoking_others_changes_nothing() {
    let mut fold = Fold::ready(Budgets::default());
    for target in [
        RevocationTarget::Lease(LeaseId::new(T0 as u64, 99)),
        RevocationTarget::Session(session(99)),
        RevocationTarget::Principal(Principal::Uid(1)),
        RevocationTarget::Agent("other".into()),
    ] {
        fold.ok(Body::LeaseRevoked(LeaseRevoked {
            target,
            operator: "op".into(),
            reason: None,
            proof: None,
        }));
    }
    fold.start(1, read_call(1)).unwrap();
}

// Configuration

#[test]
fn a_call_judged_by_another_policy_or_manifest_is_refused() {
    let mut fold = Fold::ready(Budgets::default());
    let mut manifest = read_call(1);
    manifest.action.manifest_digest = Digest::of(b"old manifest");
    assert_eq!(fold.start(1, manifest), refused(Refusal::ConfigChanged));
    let mut action = read_call(1);
    action.action.id = "unknown".into();
    assert_eq!(fold.start(1, action), refused(Refusal::ConfigChanged));
    fold.ok(config("q"));
    assert_eq!(fold.start(1, read_call(1)), refused(Refusal::ConfigChanged));
    fold.refused(Body::CallHeld(held(1, asked(call(1)))), Refusal::ConfigChanged);
}

#[test]
fn without_any_policy_nothing_is_admitted() {
    let mut fold = Fold { state: State::default(), now: at(0) };
    fold.ok(lease(who(), Budgets::default()));
    assert_eq!(fold.start(1, read_call(1)), refused(Refusal::ConfigChanged));
}

#[test]
fn the_verdict_must_fit_the_entry() {
    let mut fold = Fold::ready(Budgets::default());
    fold.invalid(Body::CallIntent(intent(grant(1), asked(call(1)))));
    fold.invalid(Body::CallHeld(held(1, call(1))));
    let mut denied = call(1);
    denied.policy.verdict = Verdict::Deny;
    fold.invalid(Body::CallIntent(intent(grant(1), denied.clone())));
    fold.invalid(Body::CallHeld(held(1, denied)));
}

// Approvals

#[test]
fn an_approved_call_is_executed_once() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let seq = fold.redeem(1, asked(call(1)), approval.clone()).unwrap();
    let redeemed = Refusal::ApprovalNot { status: ApprovalStatus::Redeemed };
    assert_eq!(fold.redeem(2, asked(call(1)), approval), refused(redeemed));
    assert_eq!(fold.state.approval(approval_id(1)).unwrap().intent_seq, Some(seq));
}

#[test]
fn an_approval_covers_its_plan_and_nothing_else() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let others: [fn(&mut Call); 6] = [
        |call| call.plan.digest = Digest::of(b"other"),
        |call| call.args_digest = Digest::of(b"other"),
        |call| call.request_hash = Digest::of(b"other"),
        |call| call.payload.offset += 1,
        |call| call.is_read = true,
        |call| call.idempotency_key = Some("k".into()),
    ];
    for change in others {
        let mut other = asked(call(1));
        change(&mut other);
        assert_eq!(fold.redeem(1, other, approval.clone()), refused(Refusal::OtherPlan));
    }
    let mut module = asked(call(1));
    module.action.module_digest = Digest::of(b"other");
    assert_eq!(fold.redeem(1, module, approval.clone()), refused(Refusal::ConfigChanged));
    let mut rule = asked(call(1));
    rule.policy.rule = "another rule".into();
    assert_eq!(fold.redeem(1, rule, approval.clone()), refused(Refusal::ConfigChanged));
    fold.redeem(1, asked(call(1)), approval).unwrap();
}

#[test]
fn an_approval_is_no_good_for_another_principal() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let other = Who { principal: Principal::Uid(1001), session_id: session(2), ..who() };
    fold.ok(lease(other.clone(), Budgets::default()));
    let stolen = Call { who: other, ..asked(call(1)) };
    assert_eq!(fold.redeem(1, stolen, approval), refused(Refusal::OtherPlan));
}

#[test]
fn an_approval_that_policy_now_allows_is_redeemed_too() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    fold.ok(config("q"));
    let mut now_allowed = call(1);
    now_allowed.policy = PolicyRef {
        digest: Digest::of(b"q"),
        rule: "r2".into(),
        verdict: Verdict::Allow,
        at_most: None,
        would: None,
    };
    fold.redeem(1, now_allowed, approval).unwrap();
}

#[test]
fn a_made_up_approval_is_refused() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let unknown = ApprovalRef { id: approval_id(2), ..approval.clone() };
    assert_eq!(fold.redeem(1, asked(call(1)), unknown), refused(Refusal::NoApproval));
    let altered = ApprovalRef { operator: "mallory".into(), ..approval };
    assert!(matches!(fold.redeem(1, asked(call(1)), altered), Err(Objection::Invalid(_))));
}

#[test]
fn an_approval_after_revocation_executes_nothing() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let waiting = held(2, asked(call(2)));
    fold.ok(Body::CallHeld(waiting.clone()));
    let target = RevocationTarget::Session(session(1));
    fold.ok(Body::LeaseRevoked(LeaseRevoked { target, operator: "op".into(), reason: None, proof: None }));
    assert_eq!(fold.redeem(1, asked(call(1)), approval), refused(Refusal::Revoked));
    fold.refused(Body::ApprovalDecided(decided(&waiting, Decision::Approved)), Refusal::Revoked);
    fold.ok(Body::ApprovalDecided(decided(&waiting, Decision::Void)));
}

#[test]
fn an_approval_ends_at_its_time() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let waiting = held(2, asked(call(2)));
    fold.ok(Body::CallHeld(waiting.clone()));
    fold.wait(HOUR - 1).invalid(Body::ApprovalDecided(decided(&waiting, Decision::Expired)));
    fold.wait(1)
        .refused(Body::ApprovalDecided(decided(&waiting, Decision::Approved)), Refusal::ApprovalExpired);
    assert_eq!(fold.redeem(1, asked(call(1)), approval), refused(Refusal::ApprovalExpired));
    fold.ok(Body::ApprovalDecided(decided(&waiting, Decision::Expired)));
}

#[test]
fn a_decision_is_made_once_and_for_the_plan_that_was_shown() {
    let waiting = held(1, asked(call(1)));
    let all = [Decision::Approved, Decision::Denied, Decision::Void];
    for first in all {
        let mut fold = Fold::ready(Budgets::default());
        fold.refused(Body::ApprovalDecided(decided(&waiting, first)), Refusal::NoApproval);
        fold.ok(Body::CallHeld(waiting.clone()));
        let other_plan = ApprovalDecided { plan_digest: Digest::of(b"other"), ..decided(&waiting, first) };
        fold.refused(Body::ApprovalDecided(other_plan), Refusal::OtherPlan);
        fold.ok(Body::ApprovalDecided(decided(&waiting, first)));
        let status = fold.state.approval(waiting.approval_id).unwrap().status;
        for second in all {
            let again = fold.add(Body::ApprovalDecided(decided(&waiting, second)));
            if (first, second) == (Decision::Approved, Decision::Void) {
                assert!(again.is_ok());
            } else if first != Decision::Approved || second != Decision::Void {
                assert_eq!(again, refused(Refusal::ApprovalNot { status }), "{first:?} then {second:?}");
            }
        }
    }
}

#[test]
fn an_approval_needs_an_operators_word() {
    let mut fold = Fold::ready(Budgets::default());
    let waiting = held(1, asked(call(1)));
    fold.ok(Body::CallHeld(waiting.clone()));
    for decision in [Decision::Approved, Decision::Denied] {
        fold.invalid(Body::ApprovalDecided(ApprovalDecided { signed: None, ..decided(&waiting, decision) }));
    }
}

#[test]
fn a_call_is_held_only_under_a_lease_in_force() {
    let mut fold = Fold::ready(Budgets::default());
    fold.wait(HOUR).refused(Body::CallHeld(held(1, asked(call(1)))), Refusal::Revoked);
}

/// The bound that was set when the call was held stands in its entry, so that a log is judged by the bounds of its time.
#[test]
fn a_principal_can_have_as_many_calls_held_as_the_entry_says() {
    for max in [1, 3, 70] {
        let mut fold = Fold::ready(Budgets::default());
        let bounded = |n: u32| CallHeld { held_max: Some(max), ..held(n.into(), asked(call(n.into()))) };
        for n in 0..max {
            fold.ok(Body::CallHeld(bounded(n)));
        }
        fold.refused(Body::CallHeld(bounded(max)), Refusal::TooManyHeld);
        fold.ok(Body::ApprovalDecided(decided(&bounded(0), Decision::Denied)));
        fold.ok(Body::CallHeld(bounded(max)));
    }
}

#[test]
fn a_principal_can_have_sixty_four_calls_held() {
    let mut fold = Fold::ready(Budgets::default());
    for n in 0..64 {
        fold.ok(Body::CallHeld(held(n, asked(call(n as u64)))));
    }
    fold.refused(Body::CallHeld(held(64, asked(call(64)))), Refusal::TooManyHeld);
    fold.ok(Body::ApprovalDecided(decided(&held(0, asked(call(0))), Decision::Denied)));
    fold.ok(Body::CallHeld(held(64, asked(call(64)))));
}

// Outcomes

#[test]
fn an_outcome_answers_one_open_intent() {
    let mut fold = Fold::ready(Budgets::default());
    let intent = intent(grant(1), read_call(1));
    let seq = fold.ok(Body::CallIntent(intent.clone()));
    let mut others = vec![outcome(seq + 1, &intent)];
    others.push(Receipt { grant_id: grant(2), ..outcome(seq, &intent) });
    others.push(Receipt { principal: Principal::Uid(1), ..outcome(seq, &intent) });
    for other in others {
        fold.refused(Body::CallOutcome(other), Refusal::NoIntent);
    }
    let dear = Receipt { cost: Cost { calls: 2, ..Cost::default() }, ..outcome(seq, &intent) };
    fold.invalid(Body::CallOutcome(dear));
    fold.ok(Body::CallOutcome(outcome(seq, &intent)));
    fold.refused(Body::CallOutcome(outcome(seq, &intent)), Refusal::NoIntent);
}

// Once

#[test]
fn an_identical_write_joins_until_its_answer_is_delivered() {
    let mut fold = Fold::ready(Budgets::default());
    let intent = intent(grant(1), call(1));
    let seq = fold.ok(Body::CallIntent(intent.clone()));
    let again = Body::CallIntent(CallIntent { grant_id: grant(2), ..intent.clone() });
    fold.joined(again.clone(), Standing::Running { intent_seq: seq });
    let done = fold.ok(Body::CallOutcome(outcome(seq, &intent)));
    fold.joined(again.clone(), Standing::Finished { seq: done });
    fold.start(3, call(2)).unwrap();
    fold.ok(Body::CallsDelivered(CallsDelivered { intents: vec![seq] }));
    assert_eq!(fold.state.prior(&identity(&call(1)), fold.now), None);
    fold.ok(again);
}

#[test]
fn reads_are_never_joined() {
    let mut fold = Fold::ready(Budgets::default());
    fold.start(1, read_call(1)).unwrap();
    fold.start(2, read_call(1)).unwrap();
}

#[test]
fn another_owners_identical_call_is_another_call() {
    let mut fold = Fold::ready(Budgets::default());
    fold.start(1, call(1)).unwrap();
    let other = Who { principal: Principal::Uid(1001), session_id: session(2), ..who() };
    fold.ok(lease(other.clone(), Budgets::default()));
    fold.start(2, Call { who: other, ..call(1) }).unwrap();
}

#[test]
fn an_identical_call_joins_a_held_one_until_it_is_decided_against() {
    for decision in [Decision::Denied, Decision::Void] {
        let mut fold = Fold::ready(Budgets::default());
        let waiting = held(1, asked(call(1)));
        fold.ok(Body::CallHeld(waiting.clone()));
        let standing = Standing::Held {
            approval_id: waiting.approval_id,
            request_hash: waiting.call.request_hash,
            expires_at: waiting.expires_at,
        };
        fold.joined(Body::CallHeld(held(2, asked(call(1)))), standing);
        fold.ok(Body::ApprovalDecided(decided(&waiting, decision)));
        fold.ok(Body::CallHeld(held(2, asked(call(1)))));
    }
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(Body::CallHeld(held(1, asked(call(1)))));
    fold.wait(HOUR);
    assert_eq!(fold.state.prior(&identity(&call(1)), fold.now), None);
}

#[test]
fn the_repeated_approved_call_gets_the_result_of_the_first() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = fold.approved(1, asked(call(1)));
    let intent = CallIntent { approval: Some(approval), ..intent(grant(1), asked(call(1))) };
    let seq = fold.ok(Body::CallIntent(intent.clone()));
    fold.joined(Body::CallHeld(held(2, asked(call(1)))), Standing::Running { intent_seq: seq });
    let done = fold.ok(Body::CallOutcome(outcome(seq, &intent)));
    fold.joined(Body::CallHeld(held(2, asked(call(1)))), Standing::Finished { seq: done });
    fold.ok(Body::CallsDelivered(CallsDelivered { intents: vec![seq] }));
    assert_eq!(fold.state.outcome_seq(seq), Some(done), "polls still find it");
    fold.ok(Body::CallHeld(held(2, asked(call(1)))));
}

#[test]
fn an_unknown_outcome_stays_in_the_way_of_its_like() {
    let mut fold = Fold::ready(Budgets::default());
    let (intent_seq, seq) = fold.run(1, call(1), unknown_outcome);
    fold.ok(Body::CallsDelivered(CallsDelivered { intents: vec![intent_seq] }));
    fold.wait(48 * HOUR);
    assert_eq!(fold.state.prior(&identity(&call(1)), fold.now), Some(Standing::Unknown { seq }));
    assert_eq!(fold.state.unknown_len(), 1);
}

#[test]
fn a_call_that_failed_without_effect_can_be_tried_again() {
    let mut fold = Fold::ready(Budgets::default());
    fold.run(1, call(1), harmless_outcome);
    fold.run(2, call(1), outcome);
    fold.run(3, keyed(call(2), "k"), harmless_outcome);
    assert_eq!(fold.start(4, keyed(call(3), "k")), refused(Refusal::IdempotencyMismatch));
    fold.run(4, keyed(call(2), "k"), outcome);
}

#[test]
fn a_key_names_its_call_for_a_day() {
    let mut fold = Fold::ready(Budgets::default());
    let (intent_seq, seq) = fold.run(1, keyed(read_call(1), "k"), outcome);
    fold.ok(Body::CallsDelivered(CallsDelivered { intents: vec![intent_seq] }));
    fold.wait(24 * HOUR - 1);
    let again = keyed(read_call(1), "k");
    assert_eq!(fold.start(2, again.clone()), Err(Objection::Joined(Standing::Finished { seq })));
    assert_eq!(fold.start(2, keyed(read_call(2), "k")), refused(Refusal::IdempotencyMismatch));
    fold.wait(2);
    fold.start(2, keyed(read_call(2), "k")).unwrap();
}

#[test]
fn a_new_key_is_a_new_call_even_of_a_live_one() {
    let mut fold = Fold::ready(Budgets::default());
    fold.start(1, keyed(call(1), "a")).unwrap();
    fold.start(2, keyed(call(1), "b")).unwrap();
    assert!(matches!(fold.start(3, call(1)), Err(Objection::Joined(Standing::Running { .. }))));
}

#[test]
fn a_key_whose_call_was_denied_is_free() {
    let mut fold = Fold::ready(Budgets::default());
    let waiting = held(1, keyed(asked(call(1)), "k"));
    fold.ok(Body::CallHeld(waiting.clone()));
    let other = Body::CallHeld(held(2, keyed(asked(call(2)), "k")));
    fold.refused(other.clone(), Refusal::IdempotencyMismatch);
    fold.ok(Body::ApprovalDecided(decided(&waiting, Decision::Denied)));
    fold.ok(other);
}

#[test]
fn an_undelivered_answer_is_kept_for_a_day() {
    let mut fold = Fold::ready(Budgets::default());
    let (_, seq) = fold.run(1, call(1), outcome);
    fold.wait(24 * HOUR);
    assert_eq!(fold.state.prior(&identity(&call(1)), fold.now), Some(Standing::Finished { seq }));
    fold.wait(1);
    assert_eq!(fold.state.prior(&identity(&call(1)), fold.now), None);
}

#[test]
fn sweeping_changes_no_answer() {
    let mut fold = Fold::ready(Budgets::default());
    let (_, unknown) = fold.run(1, call(1), unknown_outcome);
    fold.run(2, call(2), outcome);
    fold.run(3, keyed(call(3), "k"), outcome);
    fold.ok(Body::CallHeld(held(1, asked(call(4)))));
    for _ in 0..60 {
        fold.wait(HOUR).ok(Body::GateStopped(GateStopped { reason: "tick".into() }));
    }
    let prior = |call: Call| fold.state.prior(&identity(&call), fold.now);
    assert_eq!(prior(call(1)), Some(Standing::Unknown { seq: unknown }));
    assert_eq!((prior(call(2)), prior(keyed(call(3), "k")), prior(call(4))), (None, None, None));
    assert!(fold.state.approval(approval_id(1)).is_none());
    assert_eq!(fold.state.calls_left(&session(1)), Some(0), "the session is forgotten");
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    /// Entries that often fit and often do not.
    fn body() -> impl Strategy<Value = Body> {
        let call =
            (0..3u64, any::<bool>(), any::<bool>(), 0..3u8).prop_map(|(n, is_read, is_keyed, verdict)| {
                let mut call = Call { is_read, ..call(n) };
                call.idempotency_key = is_keyed.then(|| "k".into());
                call.policy.verdict = [Verdict::Allow, Verdict::Ask, Verdict::Deny][usize::from(verdict)];
                call
            });
        let decision = prop::sample::select(vec![
            Decision::Approved,
            Decision::Denied,
            Decision::Expired,
            Decision::Void,
        ]);
        prop_oneof![
            (0..4u64, call.clone(), any::<bool>()).prop_map(|(n, call, has_approval)| {
                let approval = ApprovalRef {
                    id: approval_id(u128::from(n % 2)),
                    operator: "op".into(),
                    decided_at: at(0),
                    scope: ApprovalScope::Once,
                };
                let approval = has_approval.then_some(approval);
                Body::CallIntent(CallIntent { approval, ..intent(grant(n), call) })
            }),
            (0..2u128, call.clone()).prop_map(|(n, call)| Body::CallHeld(held(n, call))),
            (0..2u128, call.clone(), decision)
                .prop_map(|(n, call, decision)| Body::ApprovalDecided(decided(&held(n, call), decision))),
            (0..12u64, 0..4u64, call, 0..3usize).prop_map(|(seq, n, call, fate)| {
                let make = [outcome, unknown_outcome, harmless_outcome][fate];
                Body::CallOutcome(make(seq, &intent(grant(n), call)))
            }),
            (0..12u64).prop_map(|seq| Body::CallsDelivered(CallsDelivered { intents: vec![seq] })),
            Just(lease(who(), max_calls(3))),
            Just(config("p")),
        ]
    }

    proptest! {
        /// Admission is total, taking in never fails, and what was admitted never passes a budget or runs a grant twice.
        #[test]
        fn any_entries_fold(bodies in prop::collection::vec(body(), 0..40)) {
            let mut fold = Fold::ready(max_calls(3));
            let (mut grants, mut ends) = (Vec::new(), Vec::new());
            for body in bodies {
                let is_admitted = fold.add(body.clone()).is_ok();
                match body {
                    Body::CallIntent(intent) if is_admitted => grants.push(intent.grant_id),
                    Body::CallOutcome(receipt) if is_admitted => ends.push(receipt.intent_seq),
                    _ => {}
                }
                prop_assert!(fold.state.calls_left(&session(1)).unwrap() <= 3);
            }
            let (grants_len, ends_len) = (grants.len(), ends.len());
            grants.sort();
            grants.dedup();
            ends.sort();
            ends.dedup();
            prop_assert_eq!((grants.len(), ends.len()), (grants_len, ends_len));
        }

        /// What is kept and taken up again goes on as if it had never been put away, however much time passes.
        #[test]
        fn a_state_that_was_kept_goes_on_as_if_it_had_not(
            steps in prop::collection::vec((body(), 0..8i64), 0..60),
            at in 0..60usize,
        ) {
            let mut fold = Fold::ready(max_calls(30));
            let mut kept: Option<State> = None;
            for (n, (body, hours)) in steps.into_iter().enumerate() {
                if n == at {
                    let text = serde_json::to_vec(&fold.state).unwrap();
                    kept = Some(serde_json::from_slice(&text).unwrap());
                }
                fold.wait(hours * HOUR / 2);
                let body = match body {
                    Body::CallIntent(intent) => {
                        let grant_id = fold.grant(u64::from(intent.call.is_read) + n as u64 % 2);
                        Body::CallIntent(CallIntent { grant_id, ..intent })
                    }
                    other => other,
                };
                let (seq, time) = (fold.state.size(), fold.now);
                let verdict = fold.state.admit(&body, time);
                if let Some(kept) = &mut kept {
                    prop_assert_eq!(kept.admit(&body, time), verdict);
                }
                // What is not admitted is taken in as well: more of the state is met that way.
                let entry = Entry { v: FORMAT, seq, time, gate: ORIGIN.into(), trace_id: None, body };
                fold.state.apply(&entry);
                if let Some(kept) = &mut kept {
                    kept.apply(&entry);
                    prop_assert_eq!(&*kept, &fold.state);
                }
            }
        }

        /// A log that breaks every rule still folds: signed is signed.
        #[test]
        fn unadmitted_entries_fold_too(bodies in prop::collection::vec(body(), 0..40)) {
            let mut state = State::default();
            for (seq, body) in (0..).zip(bodies) {
                state.apply(&Entry { v: FORMAT, seq, time: at(0), gate: ORIGIN.into(), trace_id: None, body });
            }
        }
    }
}

fn resolved(intent_seq: u64, resolution: Resolution) -> Body {
    let signed = Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() };
    let receipt_id = latchgate_wire::ids::ReceiptId::new(T0 as u64, u128::from(intent_seq));
    Body::OutcomeResolved(OutcomeResolved { receipt_id, intent_seq, resolution, note: None, signed })
}

#[test]
fn an_unknown_call_that_was_not_done_is_free_and_one_that_was_done_is_answered_once_more() {
    for key in [None, Some("k")] {
        let named = |n| key.map_or_else(|| call(n), |key| keyed(call(n), key));
        let mut fold = Fold::ready(Budgets::default());
        let (intent_seq, seq) = fold.run(1, named(1), unknown_outcome);
        assert_eq!(fold.start(2, named(1)), Err(Objection::Joined(Standing::Unknown { seq })));
        fold.ok(resolved(intent_seq, Resolution::NotDone));
        assert_eq!(fold.state.resolution(intent_seq), Some(Resolution::NotDone));
        fold.start(3, named(1)).unwrap();
        let mut fold = Fold::ready(Budgets::default());
        let (intent_seq, seq) = fold.run(1, named(1), unknown_outcome);
        fold.wait(48 * HOUR).ok(resolved(intent_seq, Resolution::Done));
        assert_eq!(fold.state.unknown_len(), 0);
        assert_eq!(fold.state.prior(&identity(&named(1)), fold.now), Some(Standing::Finished { seq }));
    }
}

#[test]
fn only_the_unknown_is_resolved_once_and_by_an_approver() {
    let mut fold = Fold::ready(Budgets::default());
    let (unknown, _) = fold.run(1, call(1), unknown_outcome);
    let (known, _) = fold.run(2, call(2), outcome);
    fold.refused(resolved(known, Resolution::NotDone), Refusal::NotUnknown);
    fold.refused(resolved(99, Resolution::NotDone), Refusal::NotUnknown);
    fold.ok(operators(&[("op", "k", Role::Viewer)]));
    fold.refused(resolved(unknown, Resolution::NotDone), Refusal::NoOperator);
    fold.ok(operators(&[("op", "k", Role::Approver)]));
    fold.ok(resolved(unknown, Resolution::NotDone));
    fold.refused(resolved(unknown, Resolution::Done), Refusal::NotUnknown);
}

#[test]
fn payloads_are_forgotten_by_an_admin_or_by_a_setting_that_says_so() {
    let mut fold = Fold::ready(Budgets::default());
    let signed = Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() };
    let forgotten = |of: Forgotten, signed: Option<Signed>| {
        Body::PayloadsForgotten(PayloadsForgotten { of, payloads: Vec::new(), signed })
    };
    let by_setting = Forgotten::Retention { class: "read".into(), before: at(0) };
    fold.ok(forgotten(by_setting.clone(), None));
    fold.invalid(forgotten(Forgotten::Before(at(0)), None));
    fold.refused(forgotten(Forgotten::Before(at(0)), Some(signed.clone())), Refusal::NoOperator);
    fold.ok(operators(&[("op", "k", Role::Admin)]));
    fold.ok(forgotten(Forgotten::Before(at(0)), Some(signed)));
}
