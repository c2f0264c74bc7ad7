//! A service that hangs holds the calls that went to it, and nobody else's.

use std::path::Path;

use latchgate_tests::{
    Connection, Gate, GateBuilder, RawAgent, Response, Seen, Upstream, binary_for_others, policy, tick,
};
use serde_json::json;

use crate::authority::other_user::{OTHER, as_other};
use crate::scene::{LOOPBACK, Scene};

/// Calls with numbers from here on hang.
const HANGING: u64 = 10_000;
/// What one principal may run at once is less.
const FLOOD: u64 = 400;
/// What one principal may run at once.
const SHARE: usize = 128;

fn hangs(seen: &Seen) -> Response {
    if seen.json()["number"].as_u64() >= Some(HANGING) { Response::hang() } else { Response::ok("ok") }
}

/// Calls that may take two minutes: no time limit ends them while the test looks.
fn patient(builder: GateBuilder) -> GateBuilder {
    let patient = format!("{}limits: {{ time_ms: 120000 }}\n", tick::manifest());
    builder.policy(policy::ALLOW).config(LOOPBACK).manifest("tick.yaml", &patient)
}

fn begin(scene: &Scene, agent: &RawAgent, count: u64) -> Vec<Connection> {
    (0..count).map(|n| scene.post_by(agent, HANGING + n).begin()).collect()
}

fn sent(socket: &Path, bytes: &[u8]) -> Connection {
    let mut connection = Connection::open(socket);
    connection.send(bytes);
    connection
}

#[test]
fn sixty_four_calls_that_hang_stall_no_other_agent() {
    let gate = patient(Gate::builder()).prepare();
    let scene = Scene::on_with(gate, Upstream::answering(hangs));
    let mut open = begin(&scene, &scene.agent, 64);
    scene.upstream.await_requests(64);
    let other = scene.gate.raw_agent();
    for _ in 0..50 {
        scene.post_by(&other, scene.number()).send().expect(200);
    }
    assert_eq!(scene.operator().status()["calls_running"], 64, "all of them are still open");
    scene.upstream.release();
    for connection in &mut open {
        connection.reply().expect(200);
    }
    assert_eq!(scene.effects(), 114);
    scene.end();
}

/// One principal's calls never take the last place in the sandbox.
#[test]
fn calls_that_hang_by_the_hundred_leave_room_for_another_principal() {
    let Some((_dir, binary)) = binary_for_others() else { return };
    let gate = patient(Gate::builder().uid(OTHER).binary(&binary)).prepare();
    let scene = Scene::on_with(gate, Upstream::answering(hangs));
    let socket = scene.gate.agent_socket();
    let hostile = as_other(|| RawAgent::connect(&socket, &json!({})));
    let calls: Vec<_> = (0..FLOOD).map(|n| scene.post_by(&hostile, HANGING + n).bytes()).collect();
    let mut open: Vec<Connection> = as_other(|| calls.iter().map(|call| sent(&socket, call)).collect());
    scene.upstream.await_requests(SHARE);
    for _ in 0..20 {
        scene.post(scene.number()).send().expect(200);
    }
    // The twin: with places free again, those that waited are made.
    scene.upstream.release();
    for connection in &mut open {
        connection.reply().expect(200);
    }
    assert_eq!(scene.effects() as u64, FLOOD + 20);
    scene.end();
}
