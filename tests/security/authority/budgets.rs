//! A budget holds under concurrency, through renewals and across restarts, and is never below zero.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::{Gate, exchange, policy, tick};
use serde_json::json;

use crate::scene::{LOOPBACK, Refusal, Scene, on_record};

const CALLERS: usize = 64;
const MAX: usize = 10;
const EXHAUSTED: Refusal = on_record(403, "budget_exhausted");

#[test]
fn of_64_callers_at_once_ten_spend_a_budget_of_ten() {
    let mut scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": MAX } }));
    let requests: Vec<_> = (0..CALLERS).map(|_| scene.post_by(&agent, scene.number()).bytes()).collect();
    let (socket, barrier) = (scene.gate.agent_socket(), Barrier::new(CALLERS));
    let send = |bytes: &[u8]| {
        barrier.wait();
        exchange(&socket, bytes).outcome()
    };
    let outcomes: Vec<(u16, String)> = thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(|| send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let executed = outcomes.iter().filter(|(status, _)| *status == 200).count();
    let refused = outcomes.iter().filter(|outcome| **outcome == (403, "budget_exhausted".into())).count();
    assert_eq!((executed, refused), (MAX, CALLERS - MAX), "{outcomes:?}");
    assert_eq!(scene.effects(), MAX);
    assert_eq!(scene.gate.entries_of("call.intent").len(), MAX);
    assert_eq!(scene.gate.entries_of("call.denied").len(), CALLERS - MAX);

    // Spent it stays: under a renewed lease, and after a restart.
    let renewed = agent.post("/v1/leases/renew", &json!({})).send().expect(200);
    let renewed = agent.with_lease(renewed["lease_jwt"].as_str().unwrap());
    scene.refuses("renewed", EXHAUSTED, scene.post_by(&renewed, scene.number()));
    scene.gate.kill9();
    scene.gate.restart();
    scene.refuses("restarted", EXHAUSTED, scene.post_by(&renewed, scene.number()));
    // The twin: an agent without a budget.
    scene.post(scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn costs_are_held_to_their_budget() {
    let priced =
        tick::manifest().replace("action_id: tick", "action_id: priced_tick") + "cost: { usd_cents: 40 }\n";
    let builder = Gate::builder().policy(policy::ALLOW).config(LOOPBACK).manifest("priced.yaml", &priced);
    let scene = Scene::of(builder);
    let agent = scene.gate.raw_agent_with(&json!({ "budgets": { "max_cost_usd_cents": 119 } }));
    let call = || agent.call("priced_tick", &scene.post_args(scene.number()));
    for _ in 0..2 {
        call().send().expect(200);
    }
    scene.refuses("the third of 40 cents", EXHAUSTED, call());
    // What costs nothing is still free.
    scene.post_by(&agent, scene.number()).send().expect(200);
    assert_eq!(scene.effects(), 3);
    scene.end();
}

#[test]
fn a_budget_of_zero_allows_nothing_and_a_budget_that_is_none_gets_no_lease() {
    let scene = Scene::allowing();
    let agent = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": 0 } }));
    scene.refuses("zero", EXHAUSTED, scene.post_by(&agent, scene.number()));
    for budget in [json!(-1), json!(1.5), json!("5"), json!([5])] {
        let request = json!({ "budgets": { "max_calls": budget } });
        let ask = latchgate_tests::RawAgent::ask_for_lease(&scene.gate.agent_socket(), &agent.key, &request);
        scene.refuses(&budget.to_string(), crate::scene::counted(400, "bad_request"), ask);
    }
    let one = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": 1 } }));
    scene.post_by(&one, scene.number()).send().expect(200);
    scene.refuses("the second of one", EXHAUSTED, scene.post_by(&one, scene.number()));
    scene.end();
}

/// An approved call spends the budget like any other.
#[test]
fn held_calls_cannot_be_approved_beyond_the_budget() {
    let scene = Scene::asking();
    let agent = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": 1 } }));
    let hold = || {
        let held = scene.post_by(&agent, scene.number()).send().expect(202);
        held["approval_id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (hold(), hold());
    assert_eq!(scene.operator().approve(&first)["effect"], "done");
    let refused = scene.operator().approve(&second);
    assert_eq!(refused["problem"]["error"], "budget_exhausted", "{refused}");
    assert_eq!((refused["effect"].as_str(), scene.effects()), (Some("none"), 1));
    scene.end();
}
