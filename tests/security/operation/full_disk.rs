//! A full disk denies new calls, loses no outcome, and is over by itself when space returns.

use latchgate_tests::{Gate, Reply, Response, Tmpfs, Upstream, eventually, policy, tick};
use serde_json::json;

use crate::scene::{LOOPBACK, Scene, shown};

const DISK_BYTES: u64 = 16 << 20;
/// Enough for a start and some calls, and less than the gate takes at once while there is plenty.
const LITTLE: u64 = 1 << 20;

#[test]
fn a_full_disk_denies_new_calls_keeps_outcomes_and_is_over_when_space_returns() {
    let Some((gate, disk)) = on_a_small_disk() else { return };
    disk.fill_but(LITTLE);
    let mut scene = Scene::on_with(gate, Upstream::answering(first_hangs));
    let slow = scene.number();
    let mut running = scene.post(slow).begin();
    scene.upstream.await_requests(1);
    scene.post(scene.number()).send().expect(200);
    disk.fill();

    // What was taken ahead lasts for some calls yet.
    let refused = eventually("a call that finds no room", || {
        let reply = scene.post(scene.number()).send();
        (reply.status != 200).then_some(reply)
    });
    assert_says_full(&refused);
    let effects = scene.effects();
    eventually("a log with no room for a refusal", || {
        let before = scene.entries().len();
        assert_says_full(&scene.post(scene.number()).send());
        (scene.entries().len() == before).then_some(())
    });
    assert_eq!(scene.effects(), effects, "none of them was sent");
    let lease = scene.agent.post("/v1/leases", &json!({ "dpop_jwk": scene.agent.key.jwk() })).send();
    assert_says_full(&lease);
    scene.also_counted("unavailable", 1);

    // The call that was running finds the room that was kept for its outcome, and what is written can be read.
    scene.upstream.release();
    let answer = running.reply().expect(200);
    let outcome = scene.gate.await_entry("the outcome", |entry| entry["receipt_id"] == answer["receipt_id"]);
    let audit =
        scene.gate.cli(&["audit", "--json", "--id", answer["receipt_id"].as_str().unwrap()]).exited(0);
    assert!(audit.stdout.contains(outcome["trace_id"].as_str().unwrap()), "{audit:#?}");
    eventually("a checkpoint that finds no room", || {
        scene.gate.log().contains("cannot write the checkpoint").then_some(())
    });
    assert!(scene.gate.is_running(), "{}", scene.gate.log());

    disk.empty();
    scene.post(scene.number()).send().expect(200);
    assert_eq!(scene.effects(), effects + 1);
    let status = scene.operator().status();
    assert_eq!((&status["calls_running"], &status["unknown_outcomes"]), (&json!(0), &json!(0)));
    scene.end();
}

/// A home that finds no room is not half made: the next start, with room, finds nothing broken.
#[test]
fn a_first_start_on_a_full_disk_fails_and_leaves_nothing_that_hinders_the_next() {
    let mut gate = Gate::builder().prepare();
    let Some(disk) = Tmpfs::mount(gate.home(), DISK_BYTES) else { return };
    // One page more each time, so that the room ends in the middle of each file in turn.
    let mut refused = 0;
    for pages in 0.. {
        disk.fill_but(pages * 4096);
        let started = gate.start();
        disk.empty();
        let Err(why) = started else { break };
        assert_eq!(why.code, 1, "{why:#?}");
        assert!(why.stderr.contains("No space left on device"), "{pages} pages: {}", why.stderr);
        refused += 1;
    }
    assert!(refused > 3, "{refused}");
    gate.restart();
    gate.assert_sound();
}

#[test]
fn a_start_on_a_full_disk_is_refused_and_takes_up_the_ledger_later() {
    let Some((mut gate, disk)) = on_a_small_disk() else { return };
    gate.restart();
    gate.kill9();
    disk.fill();
    let refused = gate.start().unwrap_err();
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("No space left on device"), "{}", refused.stderr);
    disk.empty();
    gate.restart();
    gate.assert_sound();
}

#[test]
fn a_start_on_a_read_only_disk_is_refused_with_the_path() {
    let Some((mut gate, disk)) = on_a_small_disk() else { return };
    gate.restart();
    gate.terminate();
    disk.remount("ro");
    let refused = gate.start().unwrap_err();
    assert_eq!(refused.code, 1);
    let state = gate.home().join("state");
    assert!(refused.stderr.contains(state.to_str().unwrap()), "{}", refused.stderr);
    disk.remount("rw");
    gate.restart();
    gate.assert_sound();
}

fn first_hangs(seen: &latchgate_tests::Seen) -> Response {
    if seen.json()["number"] == 1 { Response::hang() } else { Response::ok("ok") }
}

#[track_caller]
fn assert_says_full(reply: &Reply) {
    let problem = reply.json();
    assert_eq!(reply.outcome(), (503, "unavailable".into()), "{}", shown(reply));
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("none"), &json!(true)), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("disk is full"), "{problem}");
    assert!(problem["remediation"].as_str().unwrap().contains("free space"), "{problem}");
}

fn on_a_small_disk() -> Option<(Gate, Tmpfs)> {
    let builder = Gate::builder().policy(policy::ALLOW).config(LOOPBACK);
    let gate = builder.manifest("tick.yaml", &tick::manifest()).prepare();
    let disk = Tmpfs::mount(&gate.home().join("state"), DISK_BYTES)?;
    Some((gate, disk))
}
