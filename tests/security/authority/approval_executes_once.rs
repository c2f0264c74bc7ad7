//! One approval, one execution: approved twice, by many at once, or asked for again.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::exchange;
use serde_json::json;

use crate::scene::{Scene, counted};

const OPERATORS: usize = 16;

#[test]
fn a_second_approval_executes_nothing() {
    let scene = Scene::asking();
    let (id, other) = (scene.hold(), scene.hold());
    let operator = scene.operator();
    assert_eq!(operator.approve(&id)["effect"], "done");
    let body = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
    for decision in ["approve", "deny"] {
        let attack = operator.post(&format!("/v1/approvals/{id}/{decision}"), &body);
        scene.refuses(decision, counted(409, "approval_decided"), attack);
    }
    assert_eq!(scene.effects(), 1);
    // The twin: another held call has its own approval.
    assert_eq!(operator.approve(&other)["effect"], "done");
    assert_eq!(scene.effects(), 2);
    scene.end();
}

#[test]
fn of_16_approvals_at_once_one_executes() {
    let scene = Scene::asking();
    let id = scene.hold();
    let (operator, socket) = (scene.operator(), scene.gate.admin_socket());
    let body = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
    let approve = || operator.post(&format!("/v1/approvals/{id}/approve"), &body).bytes();
    let requests: Vec<Vec<u8>> = (0..OPERATORS).map(|_| approve()).collect();
    let barrier = Barrier::new(OPERATORS);
    let send = |bytes: &[u8]| {
        barrier.wait();
        exchange(&socket, bytes).outcome()
    };
    let outcomes: Vec<(u16, String)> = thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(|| send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let approved = outcomes.iter().filter(|(status, _)| *status == 200).count();
    let late = outcomes.iter().filter(|outcome| **outcome == (409, "approval_decided".into())).count();
    assert_eq!((approved, late), (1, OPERATORS - 1), "{outcomes:?}");
    assert_eq!(scene.effects(), 1);
    for kind in ["approval.decided", "call.intent", "call.outcome"] {
        assert_eq!(scene.gate.entries_of(kind).len(), 1, "{kind}");
    }
    scene.also_counted("approval_decided", (OPERATORS - 1) as u64);
    scene.end();
}

/// The agent that repeats its call gets the result of the approved one, and no second effect.
#[test]
fn an_agent_that_repeats_its_call_is_given_the_same_answer() {
    let scene = Scene::asking();
    let number = scene.number();
    let held = scene.post(number).send().expect(202);
    let again = scene.post(number).send().expect(202);
    assert_eq!(held["approval_id"], again["approval_id"]);
    let decided = scene.operator().approve(held["approval_id"].as_str().unwrap());
    let answer = scene.post(number).send().expect(200);
    assert_eq!(answer["receipt_id"], decided["receipt_id"]);
    assert_eq!(scene.effects(), 1);
    assert_eq!(scene.gate.entries_of("call.held").len(), 1);
    scene.end();
}

/// An operator who hangs up has decided: the call is executed, or it was not decided at all.
#[test]
fn an_operator_who_hangs_up_leaves_no_call_in_between() {
    let scene = Scene::asking();
    let operator = scene.operator();
    for _ in 0..20 {
        let id = scene.hold();
        let body = json!({ "plan_digest": operator.show(&id)["plan_digest"] });
        drop(operator.post(&format!("/v1/approvals/{id}/approve"), &body).begin());
        let status = latchgate_tests::eventually("an end of the call", || {
            let status = operator.show(&id)["status"].as_str().unwrap().to_owned();
            let decided =
                scene.gate.entries_of("approval.decided").iter().any(|entry| entry["approval_id"] == *id);
            // Hung up before the request was read: nothing was decided, and nothing is.
            (status == "executed" || (status == "pending" && !decided)).then_some(status)
        });
        assert!(["executed", "pending"].contains(&status.as_str()), "{status}");
    }
    scene.end();
}
