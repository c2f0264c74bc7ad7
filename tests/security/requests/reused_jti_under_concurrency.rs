//! One proof sent by many at once opens the gate to one of them.

use std::sync::Barrier;
use std::thread;

use latchgate_tests::exchange;

use crate::scene::Scene;

const CALLERS: usize = 64;

#[test]
fn of_64_equal_requests_at_once_one_passes() {
    let scene = Scene::allowing();
    let bytes = scene.post(scene.number()).bytes();
    let outcomes = at_once(&scene, &vec![bytes; CALLERS]);
    let passed = outcomes.iter().filter(|(status, _)| *status == 200).count();
    let replayed = outcomes.iter().filter(|outcome| **outcome == (401, "replay_detected".into())).count();
    assert_eq!((passed, replayed), (1, CALLERS - 1), "{outcomes:?}");
    assert_eq!(scene.effects(), 1);
    scene.also_counted("replay_detected", (CALLERS - 1) as u64);
    scene.end();
}

/// The twin: as many requests, each with a proof of its own.
#[test]
fn of_64_requests_with_their_own_proofs_all_pass() {
    let scene = Scene::allowing();
    let requests: Vec<_> = (0..CALLERS).map(|_| scene.post(scene.number()).bytes()).collect();
    let outcomes = at_once(&scene, &requests);
    assert!(outcomes.iter().all(|(status, _)| *status == 200), "{outcomes:?}");
    assert_eq!(scene.effects(), CALLERS);
    scene.end();
}

fn at_once(scene: &Scene, requests: &[Vec<u8>]) -> Vec<(u16, String)> {
    let (socket, barrier) = (scene.gate.agent_socket(), Barrier::new(requests.len()));
    let send = |bytes: &[u8]| {
        barrier.wait();
        exchange(&socket, bytes).outcome()
    };
    thread::scope(|scope| {
        let running: Vec<_> = requests.iter().map(|bytes| scope.spawn(|| send(bytes))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}
