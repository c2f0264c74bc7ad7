//! What operators decide, how far it reaches, and what bounds it.

use latchgate_wire::entry::{AgentsChanged, StandingRevoked};
use latchgate_wire::operator_token::OperatorToken;
use latchgate_wire::receipt::Limit;

use super::*;

fn signed_by(operator: &str, jkt: &str) -> Signed {
    Signed { operator: operator.into(), jkt: jkt.into(), body: "{}".into(), proof: "p".into() }
}

fn by(operator: &str, jkt: &str, held: &CallHeld, decision: Decision) -> ApprovalDecided {
    ApprovalDecided { signed: Some(signed_by(operator, jkt)), ..decided(held, decision) }
}

fn held_call(fold: &mut Fold, n: u128, approvers: Option<u32>) -> CallHeld {
    let held = CallHeld { approvers, ..held(n, asked(call(n as u64))) };
    fold.ok(Body::CallHeld(held.clone()));
    held
}

#[test]
fn only_an_operator_of_now_decides() {
    for (operator, jkt) in [("nobody", "k"), ("op", "old"), ("viewer", "v")] {
        let mut fold = Fold::ready(Budgets::default());
        fold.ok(operators(&[("op", "k", Role::Approver), ("viewer", "v", Role::Viewer)]));
        let held = held_call(&mut fold, 1, None);
        for decision in [Decision::Approved, Decision::Denied] {
            let decided = by(operator, jkt, &held, decision);
            fold.refused(Body::ApprovalDecided(decided), Refusal::NoOperator);
        }
        fold.ok(Body::ApprovalDecided(by("op", "k", &held, Decision::Approved)));
    }
}

#[test]
fn an_operator_who_was_removed_decides_nothing_more() {
    let mut fold = Fold::ready(Budgets::default());
    let held = held_call(&mut fold, 1, None);
    fold.ok(operators(&[("other", "o", Role::Admin)]));
    fold.refused(Body::ApprovalDecided(by("op", "k", &held, Decision::Approved)), Refusal::NoOperator);
    fold.ok(Body::ApprovalDecided(by("other", "o", &held, Decision::Approved)));
}

#[test]
fn a_quorum_takes_as_many_people_as_it_says() {
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(operators(&[("a", "k", Role::Approver), ("b", "l", Role::Approver)]));
    let held = held_call(&mut fold, 1, Some(2));
    let status = |fold: &Fold| fold.state.approval(held.approval_id).unwrap().status;
    fold.ok(Body::ApprovalDecided(by("a", "k", &held, Decision::Approved)));
    assert_eq!(status(&fold), ApprovalStatus::Pending);
    fold.refused(Body::ApprovalDecided(by("a", "k", &held, Decision::Approved)), Refusal::ApprovedBefore);
    // A new key does not make a second person.
    fold.ok(operators(&[("a", "new", Role::Approver), ("b", "l", Role::Approver)]));
    fold.refused(Body::ApprovalDecided(by("a", "new", &held, Decision::Approved)), Refusal::ApprovedBefore);
    fold.ok(Body::ApprovalDecided(by("b", "l", &held, Decision::Approved)));
    assert_eq!(status(&fold), ApprovalStatus::Approved);
    let approved = fold.state.approval(held.approval_id).unwrap().approved.clone().unwrap();
    assert_eq!(approved.operator, "a,b");
    fold.redeem(1, asked(call(1)), approved).unwrap();
}

#[test]
fn one_no_ends_a_quorum() {
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(operators(&[("a", "k", Role::Approver), ("b", "l", Role::Approver)]));
    let held = held_call(&mut fold, 1, Some(2));
    fold.ok(Body::ApprovalDecided(by("a", "k", &held, Decision::Approved)));
    fold.ok(Body::ApprovalDecided(by("b", "l", &held, Decision::Denied)));
    let status = ApprovalStatus::Denied;
    fold.refused(
        Body::ApprovalDecided(by("b", "l", &held, Decision::Approved)),
        Refusal::ApprovalNot { status },
    );
}

fn pins() -> Digest {
    Digest::of(b"pins")
}

/// An approval of call 1 that stands for `uses` more.
fn standing(fold: &mut Fold, scope: ApprovalScope, max_uses: u64, until: Timestamp) -> ApprovalRef {
    let held = held_call(fold, 1, None);
    let reach = Reach { pins: pins(), free: vec!["n".into()], until, max_uses };
    let decided = ApprovalDecided {
        scope: Some(scope),
        reach: Some(reach),
        ..by("op", "k", &held, Decision::Approved)
    };
    fold.ok(Body::ApprovalDecided(decided));
    let approved = fold.state.approval(held.approval_id).unwrap().approved.clone().unwrap();
    fold.redeem(1, asked(call(1)), approved.clone()).unwrap();
    approved
}

fn answered(fold: &mut Fold, n: u64, approval: &ApprovalRef, pins: Digest) -> Result<u64, Objection> {
    answered_for(fold, n, approval, pins, asked(call(n)))
}

fn answered_for(
    fold: &mut Fold,
    n: u64,
    approval: &ApprovalRef,
    pins: Digest,
    call: Call,
) -> Result<u64, Objection> {
    let grant_id = fold.grant(n);
    let approval = Some(approval.clone());
    fold.add(Body::CallIntent(CallIntent { approval, pins: Some(pins), ..intent(grant_id, call) }))
}

#[test]
fn a_standing_approval_answers_as_often_as_it_says() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = standing(&mut fold, ApprovalScope::Always, 2, at(HOUR));
    answered(&mut fold, 2, &approval, pins()).unwrap();
    answered(&mut fold, 3, &approval, pins()).unwrap();
    assert_eq!(answered(&mut fold, 4, &approval, pins()), refused(Refusal::ApprovalExpired));
}

#[test]
fn a_standing_approval_answers_no_other_call() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = standing(&mut fold, ApprovalScope::Always, 9, at(HOUR));
    let other = Digest::of(b"other");
    assert_eq!(answered(&mut fold, 2, &approval, other), refused(Refusal::OtherPlan));
    let mut elsewhere = asked(call(2));
    elsewhere.policy.rule = "another".into();
    let found = answered_for(&mut fold, 2, &approval, pins(), elsewhere);
    assert_eq!(found, refused(Refusal::ConfigChanged));
    answered(&mut fold, 2, &approval, pins()).unwrap();
}

#[test]
fn a_standing_approval_ends_with_its_time_its_revocation_and_its_callers() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = standing(&mut fold, ApprovalScope::Always, 9, at(1000));
    fold.wait(1000);
    assert_eq!(answered(&mut fold, 2, &approval, pins()), refused(Refusal::ApprovalExpired));

    let mut fold = Fold::ready(Budgets::default());
    let approval = standing(&mut fold, ApprovalScope::Always, 9, at(HOUR));
    let revoked = StandingRevoked { approval_id: approval.id, reason: None, signed: signed_by("op", "k") };
    let by_nobody = StandingRevoked { signed: signed_by("x", "k"), ..revoked.clone() };
    fold.refused(Body::StandingRevoked(by_nobody), Refusal::NoOperator);
    fold.ok(Body::StandingRevoked(revoked));
    assert_eq!(answered(&mut fold, 2, &approval, pins()), refused(Refusal::NoApproval));
}

#[test]
fn a_scope_of_the_session_ends_with_the_session() {
    let mut fold = Fold::ready(Budgets::default());
    let approval = standing(&mut fold, ApprovalScope::Session, 9, at(HOUR));
    let other = Who { session_id: SessionId::new(T0 as u64, 99), ..who() };
    fold.ok(lease(other.clone(), Budgets::default()));
    let mut elsewhere = asked(call(2));
    elsewhere.who = other;
    let found = answered_for(&mut fold, 2, &approval, pins(), elsewhere);
    assert_eq!(found, refused(Refusal::OtherPlan));
    answered(&mut fold, 2, &approval, pins()).unwrap();
}

#[test]
fn a_wider_scope_says_what_it_allows_and_takes_one_operator() {
    let mut fold = Fold::ready(Budgets::default());
    let held = held_call(&mut fold, 1, None);
    let wide = |max_uses, until| ApprovalDecided {
        scope: Some(ApprovalScope::Always),
        reach: Some(Reach { pins: pins(), free: vec![], until, max_uses }),
        ..by("op", "k", &held, Decision::Approved)
    };
    fold.invalid(Body::ApprovalDecided(ApprovalDecided { reach: None, ..wide(1, at(1)) }));
    fold.invalid(Body::ApprovalDecided(wide(0, at(1))));
    fold.invalid(Body::ApprovalDecided(wide(1, at(0))));
    fold.ok(Body::ApprovalDecided(wide(1, at(1))));
    let held = held_call(&mut fold, 2, Some(2));
    let decided = ApprovalDecided {
        approval_id: held.approval_id,
        plan_digest: held.call.plan.digest,
        ..wide(1, at(1))
    };
    fold.refused(Body::ApprovalDecided(decided), Refusal::QuorumIsOnce);
}

#[test]
fn a_denial_with_a_cool_down_answers_its_like_until_then() {
    let mut fold = Fold::ready(Budgets::default());
    let first = held_call(&mut fold, 1, None);
    let (until, reason) = (at(60_000), Some("not on a friday".to_owned()));
    fold.ok(Body::ApprovalDecided(ApprovalDecided {
        reason: reason.clone(),
        cool_down_until: Some(until),
        ..by("op", "k", &first, Decision::Denied)
    }));
    let again = Body::CallHeld(held(2, asked(call(1))));
    fold.refused(again.clone(), Refusal::CoolingDown { until, reason });
    fold.ok(Body::CallHeld(held(3, asked(call(3)))));
    fold.wait(60_000);
    fold.ok(again);
}

fn limited(fold: &Fold, n: u64, limits: &[Limit], bytes_out: u64) -> CallIntent {
    let cost = Cost { calls: 1, usd_cents: 2, bytes_out };
    CallIntent { cost, limits: limits.to_vec(), ..intent(fold.grant(n), read_call(n)) }
}

fn limit(window: Window, calls: u64) -> Limit {
    Limit { window, calls: Some(calls), usd_cents: None, bytes_out: None }
}

#[test]
fn a_budget_is_reserved_at_the_intent_and_cannot_be_passed() {
    for window in [Window::Hour, Window::Day, Window::Session] {
        let mut fold = Fold::ready(Budgets::default());
        let limits = [limit(window, 2)];
        for n in 1..=2 {
            let intent = limited(&fold, n, &limits, 0);
            fold.ok(Body::CallIntent(intent));
        }
        let third = limited(&fold, 3, &limits, 0);
        fold.refused(Body::CallIntent(third), Refusal::LimitReached { window });
    }
}

#[test]
fn what_a_call_did_not_spend_is_free_again() {
    let mut fold = Fold::ready(Budgets::default());
    let limits = [Limit { window: Window::Day, calls: None, usd_cents: Some(2), bytes_out: Some(10) }];
    let first = limited(&fold, 1, &limits, 10);
    let seq = fold.ok(Body::CallIntent(first.clone()));
    let second = limited(&fold, 2, &limits, 0);
    fold.refused(Body::CallIntent(second.clone()), Refusal::LimitReached { window: Window::Day });
    let cost = Cost { calls: 1, usd_cents: 0, bytes_out: 0 };
    fold.ok(Body::CallOutcome(Receipt { cost, ..outcome(seq, &first) }));
    fold.ok(Body::CallIntent(second));
}

#[test]
fn a_new_lease_of_the_same_principal_resets_no_budget() {
    let mut fold = Fold::ready(Budgets::default());
    let limits = [limit(Window::Hour, 1)];
    let first = limited(&fold, 1, &limits, 0);
    fold.ok(Body::CallIntent(first));
    let other = Who { session_id: SessionId::new(T0 as u64, 99), ..who() };
    fold.ok(lease(other.clone(), Budgets::default()));
    let mut second = limited(&fold, 2, &limits, 0);
    second.call.who = other;
    fold.refused(Body::CallIntent(second.clone()), Refusal::LimitReached { window: Window::Hour });
    fold.wait(HOUR + 60_000);
    second.grant_id = fold.grant(3);
    let session = Who { session_id: SessionId::new(T0 as u64, 100), ..who() };
    fold.ok(lease(session.clone(), Budgets::default()));
    second.call.who = session;
    fold.ok(Body::CallIntent(second));
}

#[test]
fn a_revocation_of_an_agent_reaches_its_enrolled_key() {
    let mut fold = Fold::ready(Budgets::default());
    let enrolled = Who { principal: Principal::Agent("ci".into()), agent: None, ..who() };
    let revoked = LeaseRevoked {
        target: RevocationTarget::Agent("ci".into()),
        operator: "op".into(),
        reason: None,
        proof: None,
    };
    assert!(!fold.state.is_revoked(&enrolled));
    fold.ok(Body::LeaseRevoked(revoked));
    assert!(fold.state.is_revoked(&enrolled));
    assert!(!fold.state.is_revoked(&who()));
}

#[test]
fn an_operator_changes_their_own_key_and_nothing_else() {
    let changed = |op: (&'static str, Role), other: &'static str| {
        let Body::OperatorsChanged(changed) = operators(&[("op", op.0, op.1), ("b", other, Role::Admin)])
        else {
            panic!("expected the operators");
        };
        Body::OperatorsChanged(OperatorsChanged { signed: Some(signed_by("op", "k")), ..changed })
    };
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(operators(&[("op", "k", Role::Approver), ("b", "l", Role::Admin)]));
    fold.refused(changed(("new", Role::Admin), "l"), Refusal::NoOperator);
    fold.refused(changed(("new", Role::Approver), "mine"), Refusal::NoOperator);
    let with_token = |whose: &str| {
        let Body::OperatorsChanged(mut changed) = changed(("k", Role::Approver), "l") else { panic!() };
        let of = changed.operators.get_mut(whose).unwrap();
        of.token = Some(OperatorToken::from_entropy(&[7; 32]).digest());
        Body::OperatorsChanged(changed)
    };
    fold.refused(with_token("b"), Refusal::NoOperator);
    fold.ok(with_token("op"));
    fold.ok(changed(("new", Role::Approver), "l"));
}

#[test]
fn people_change_by_an_admins_word_or_by_files() {
    let mut fold = Fold::ready(Budgets::default());
    fold.ok(operators(&[("op", "k", Role::Approver), ("root", "r", Role::Admin)]));
    let agents =
        |signed| Body::AgentsChanged(AgentsChanged { agents: [("ci".into(), "j".into())].into(), signed });
    fold.refused(agents(Some(signed_by("op", "k"))), Refusal::NoOperator);
    fold.ok(agents(Some(signed_by("root", "r"))));
    fold.ok(agents(None));
    assert_eq!(fold.state.agents().get("ci").map(String::as_str), Some("j"));
}
