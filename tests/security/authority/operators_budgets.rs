//! Budgets that operators set: never passed by many callers at once, by another lease, or by what a client asks for.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::{Gate, RawAgent, exchange, tick};
use serde_json::{Value, json};

use super::crowd::{agent, enrolled, with_rules};
use crate::scene::{LOOPBACK, Refusal, Scene, on_record};

const CALLERS: usize = 64;
const MAX: usize = 10;
const EXHAUSTED: Refusal = on_record(403, "budget_exhausted");

/// Everything is allowed within this budget.
fn bounded(budget: &str) -> Scene {
    scene(
        Gate::builder(),
        &format!("  - {{ id: all, then: allow, when: {{ action: \"*\" }} }}\nbudgets:\n  - {budget}\n"),
    )
}

fn scene(builder: latchgate_tests::GateBuilder, rules: &str) -> Scene {
    let builder = builder.policy("// In rules.yaml.\n").config(LOOPBACK);
    Scene::on(with_rules(builder, &format!("rules:\n{rules}")))
}

/// 64 at once, by as many leases; how many were executed.
fn at_once(scene: &Scene, args: impl Fn() -> Value) -> usize {
    let agents: Vec<RawAgent> = (0..4).map(|_| scene.gate.raw_agent()).collect();
    let requests: Vec<_> = (0..CALLERS).map(|n| agents[n % 4].call("tick", &args()).bytes()).collect();
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
    assert_eq!(executed + refused, CALLERS, "{outcomes:?}");
    assert_eq!(scene.effects(), executed);
    assert_eq!(scene.gate.entries_of("call.intent").len(), executed);
    executed
}

#[test]
fn of_64_callers_at_once_a_days_calls_are_spent_and_no_more() {
    let mut scene = bounded(&format!("{{ for: each, per: day, calls: {MAX} }}"));
    assert_eq!(at_once(&scene, || scene.post_args(scene.number())), MAX);
    // A new lease, a new key, a restart: the day is the same.
    let again = scene.gate.raw_agent();
    scene.refuses("a new lease", EXHAUSTED, scene.post_by(&again, scene.number()));
    let own = scene.gate.raw_agent_with(&json!({ "budgets": { "max_calls": 1000 } }));
    scene.refuses("a larger budget of its own", EXHAUSTED, scene.post_by(&own, scene.number()));
    scene.gate.kill9();
    scene.gate.restart();
    scene.refuses("after a restart", EXHAUSTED, scene.post_by(&again, scene.number()));
    // The twin: another principal has a day of its own.
    let ci = agent(&scene, &enrolled(&scene, "ci"));
    scene.post_by(&ci, scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn of_64_callers_at_once_a_days_money_is_spent_and_no_more() {
    let priced = tick::manifest() + "cost: { usd_cents: 40 }\n";
    let rules = "  - { id: all, then: allow, when: { action: \"*\" } }\nbudgets:\n  - { for: each, per: day, cost_usd_cents: 419 }\n";
    let builder = Gate::builder().policy("// In rules.yaml.\n");
    let gate = builder.config(LOOPBACK).manifest("tick.yaml", &priced).prepare();
    super::crowd::write_rules(&gate, &format!("rules:\n{rules}"));
    let scene = Scene::on(gate);
    assert_eq!(at_once(&scene, || scene.post_args(scene.number())), 10);
    scene.end();
}

#[test]
fn of_64_callers_at_once_a_days_bytes_are_sent_and_no_more() {
    // `{"number":100000}` has 17 bytes; 17 * 10 fit into 186, 17 * 11 do not.
    let scene = bounded("{ for: each, per: day, bytes_out: 186 }");
    let args = || json!({ "url": scene.upstream.url("/effect"), "number": 100_000 + scene.number() });
    assert_eq!(at_once(&scene, args), 10);
    scene.end();
}

#[test]
fn of_64_callers_at_once_a_rules_at_most_is_exact() {
    let scene = scene(
        Gate::builder(),
        &format!("  - {{ id: all, then: allow, at_most: {MAX}/1h, when: {{ action: \"*\" }} }}\n"),
    );
    assert_eq!(at_once(&scene, || scene.post_args(scene.number())), MAX);
    scene.end();
}

#[test]
fn a_sessions_budget_is_the_tighter_of_the_operators_and_the_clients() {
    let scene = bounded("{ for: each, per: session, calls: 2 }");
    for (asked, most) in [(Value::Null, 2), (json!(1000), 2), (json!(1), 1)] {
        let request = if asked.is_null() { json!({}) } else { json!({ "budgets": { "max_calls": asked } }) };
        let agent = scene.gate.raw_agent_with(&request);
        for _ in 0..most {
            scene.post_by(&agent, scene.number()).send().expect(200);
        }
        scene.refuses(&asked.to_string(), EXHAUSTED, scene.post_by(&agent, scene.number()));
        let more =
            agent.post("/v1/leases/renew", &json!({ "budgets": { "max_calls": 1000 } })).send().expect(200);
        let renewed = agent.with_lease(more["lease_jwt"].as_str().unwrap());
        scene.refuses("renewed", EXHAUSTED, scene.post_by(&renewed, scene.number()));
    }
    scene.end();
}

#[test]
fn the_principals_own_budget_bounds_it_beside_everybodys() {
    let scene = scene(
        Gate::builder(),
        "  - { id: all, then: allow, when: { action: \"*\" } }\nbudgets:\n  - { for: each, per: hour, calls: 3 }\n  - { for: \"agent:ci\", per: day, calls: 1 }\n",
    );
    let ci = agent(&scene, &enrolled(&scene, "ci"));
    scene.post_by(&ci, scene.number()).send().expect(200);
    scene.refuses("its own", EXHAUSTED, scene.post_by(&ci, scene.number()));
    for _ in 0..3 {
        scene.post(scene.number()).send().expect(200);
    }
    scene.refuses("everybody's", EXHAUSTED, scene.post(scene.number()));
    let told = scene.operator().get("/v1/budgets").send().expect(200);
    let ci = told["principals"].as_array().unwrap().iter().find(|p| p["principal"] == "agent:ci").unwrap();
    assert_eq!(
        (&ci["budgets"][1]["used"]["calls"], &ci["budgets"][1]["limit"]["calls"]),
        (&json!(1), &json!(1))
    );
    scene.end();
}
