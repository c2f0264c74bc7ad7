//! Guests that the gate stops.

use latchgate_tests::guest::{component, innocent};

use crate::scene::Scene;

/// `hostile` instead of the twin's way to its end.
fn check(limits: &[&str], fields: &str, hostile: &str, word: &str) {
    let scene = Scene::new(&component(fields, hostile), &innocent(), limits);
    // Twice: what the first one left is no help to the second.
    scene.check(word, "guest_stopped", "none");
    scene.check(word, "guest_stopped", "none");
    scene.end();
}

#[test]
fn a_guest_that_spins_is_stopped_by_its_time() {
    check(&["time_ms: 200"], "", "(loop $l (br $l)) (call $ok)", "limits.time_ms");
}

#[test]
fn a_guest_that_spins_is_stopped_by_its_fuel() {
    // Bytes cost fuel, too.
    let spin = "(drop (memory.grow (i32.const 900)))
    (loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 58720256)) (br $l)) (call $ok)";
    check(&["fuel: 200000000"], "", spin, "limits.fuel");
}

#[test]
fn a_guest_that_spins_before_it_is_called_is_stopped() {
    let start = "(func $s (loop $l (br $l))) (start $s)";
    check(&["time_ms: 200"], start, "(call $ok)", "limits.time_ms");
}

#[test]
fn a_guest_that_spins_in_bulk_memory_instructions_is_stopped() {
    let spin = "(drop (memory.grow (i32.const 900)))
        (loop $l (memory.copy (i32.const 65536) (i32.const 65544) (i32.const 58720000)) (br $l)) (call $ok)";
    check(&["time_ms: 200"], "", spin, "the component");
}

#[test]
fn a_guest_that_takes_memory_is_stopped() {
    let grow = "(drop (memory.grow (i32.const 2000))) (call $ok)";
    check(&["memory_mib: 8"], "", grow, "limits.memory_mib");
}

#[test]
fn a_guest_that_recurses_is_stopped() {
    let dive = "(func $dive (param i32) (result i32) (i32.add (call $dive (local.get 0)) (i32.const 1)))";
    check(&["time_ms: 60000"], dive, "(drop (call $dive (i32.const 0))) (call $ok)", "nested too deeply");
}

#[test]
fn a_guest_that_floods_the_host_is_stopped() {
    // Not the planned step: that would be done.
    let flood = "(loop $l (call $fs (i32.const 7) (i32.const 1024)) (br $l)) (call $ok)";
    check(&["host_calls: 100"], "", flood, "limits.host_calls");
}

#[test]
fn a_guest_that_returns_too_much_is_stopped() {
    let say = "(drop (memory.grow (i32.const 900))) (call $say (i32.const 65536) (i32.const 50000000))";
    check(&["response_bytes: 1000"], "", say, "limits.response_bytes");
}

#[test]
fn a_guest_that_traps_is_stopped() {
    check(&["host_calls: 2"], "", "unreachable", "unreachable");
}

#[test]
fn what_a_guest_did_before_it_was_stopped_is_told() {
    let hostile = component("", "(call $list) (loop $l (br $l)) (call $ok)");
    let scene = Scene::new(&hostile, &innocent(), &["time_ms: 300"]);
    scene.check("limits.time_ms", "guest_stopped", "done");
    scene.end();
}

#[test]
fn a_guest_keeps_nothing_between_calls() {
    let counts = |is_kept: &str| {
        let fields = format!("(global $n (mut i32) (i32.const {is_kept}))");
        let body = "(call $list) (if (i32.or (global.get $n) (i32.load (i32.const 4096))) (then unreachable))
            (global.set $n (i32.const 1)) (i32.store (i32.const 4096) (i32.const 1)) (call $ok)";
        component(&fields, body)
    };
    let scene = Scene::new(&counts("1"), &counts("0"), &["host_calls: 2"]);
    for _ in 0..3 {
        // That it would have seen it, and that there is nothing to see.
        scene.check("unreachable", "guest_stopped", "done");
    }
    scene.end();
}
