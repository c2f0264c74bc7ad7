//! Guests that take too much.

use std::time::Instant;

use latchgate_monitor::manifest::Limits;

use super::support::{HTTP, LOG, guest, host, job, run, run_on, stopped};
use crate::Roots;
use crate::stop::output_bytes_max;

const FUEL_MAX: u64 = 10_000_000_000;

fn for_ms(time_ms: u64) -> Limits {
    Limits { fuel: FUEL_MAX, time_ms, ..Limits::default() }
}

/// Counts `$i` to `n`, performing `act` each time.
fn repeat(n: u32, act: &str) -> String {
    format!(
        "(loop $l {act} (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const {n})))) (call $ok)"
    )
}

#[tokio::test]
async fn a_guest_that_spins_is_stopped_by_time() {
    let started = Instant::now();
    let ran = run(&guest("", "(loop $l (br $l)) (call $ok)"), for_ms(200), vec![]).await;
    assert!(stopped(&ran).message.contains("limits.time_ms"), "{ran:?}");
    assert!(ran.runtime.duration_ms >= 200);
    println!("spinning: stopped after {:?}, the limit was 200 ms", started.elapsed());
}

#[tokio::test]
async fn a_guest_that_spins_is_stopped_by_fuel() {
    let limits = Limits { fuel: 1_000_000, ..Limits::default() };
    let ran = run(&guest("", "(loop $l (br $l)) (call $ok)"), limits, vec![]).await;
    assert!(stopped(&ran).message.contains("limits.fuel"), "{ran:?}");
    assert!(ran.runtime.fuel_consumed >= 1_000_000, "{:?}", ran.runtime);
}

#[tokio::test]
async fn a_guest_that_ends_within_its_limits_returns() {
    let ran =
        run(&guest("", &repeat(1000, "")), Limits { fuel: 1_000_000, ..Limits::default() }, vec![]).await;
    assert_eq!((ran.output, ran.stopped, ran.runtime.exit_code), (Ok("null".into()), None, 0));
    assert!((1000..100_000).contains(&ran.runtime.fuel_consumed), "{:?}", ran.runtime);
}

#[tokio::test]
async fn a_guest_that_spins_in_bulk_memory_instructions_is_stopped() {
    let fill = "(drop (memory.grow (i32.const 960)))
        (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 62914560)) (br $l)) (call $ok)";
    let started = Instant::now();
    let ran = run(&guest("", fill), for_ms(200), vec![]).await;
    stopped(&ran);
    println!("bulk memory: stopped after {:?}, the limit was 200 ms", started.elapsed());
}

#[tokio::test]
async fn memory_is_bounded() {
    let grow = |pages: u32| {
        let body = format!(
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (return (call $fail)))) (call $ok)"
        );
        guest("", &body)
    };
    let limits = Limits { memory_mib: 2, ..Limits::default() };
    // Four pages of 64 KiB are there at the start, 2 MiB are 32.
    let ran = run(&grow(28), limits, vec![]).await;
    assert_eq!(ran.output, Ok("null".into()));
    let ran = run(&grow(29), limits, vec![]).await;
    assert!(stopped(&ran).message.contains("limits.memory_mib"), "{ran:?}");
}

#[tokio::test]
async fn recursion_is_bounded() {
    let deep = |depth: u32| {
        let dive = "(func $dive (param i32) (result i32) (if (result i32) (local.get 0)
            (then (i32.add (call $dive (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))";
        guest(dive, &format!("(drop (call $dive (i32.const {depth}))) (call $ok)"))
    };
    let limits = Limits { fuel: FUEL_MAX, ..Limits::default() };
    assert_eq!(run(&deep(1000), limits, vec![]).await.output, Ok("null".into()));
    let ran = run(&deep(100_000_000), limits, vec![]).await;
    assert!(stopped(&ran).message.contains("nested too deeply"), "{ran:?}");
}

#[tokio::test]
async fn host_calls_are_counted() {
    let calls = |n| guest(HTTP, &repeat(n, "(call $http (i32.const 0) (i32.const 1024))"));
    assert_eq!(run(&calls(16), Limits::default(), vec![]).await.output, Ok("null".into()));
    let ran = run(&calls(17), Limits::default(), vec![]).await;
    assert!(stopped(&ran).message.contains("limits.host_calls"), "{ran:?}");
    assert_eq!(ran.observed, []);
}

#[tokio::test]
async fn a_flood_of_log_lines_is_dropped() {
    let flood = repeat(10_000, "(call $log (i32.const 1) (i32.const 16) (i32.const 4))");
    assert_eq!(run(&guest(LOG, &flood), Limits::default(), vec![]).await.output, Ok("null".into()));
}

#[tokio::test]
async fn output_is_bounded() {
    let limits = Limits { memory_mib: 512, response_bytes: 1000, ..Limits::default() };
    let say = |bytes: usize| {
        guest(
            "",
            &format!(
                "(drop (memory.grow (i32.const 8000))) (call $say (i32.const 0) (i32.const 65536) (i32.const {bytes}))"
            ),
        )
    };
    let max = output_bytes_max(&limits);
    assert_eq!(run(&say(max), limits, vec![]).await.output.unwrap().len(), max);
    for bytes in [max + 1, 500 << 20] {
        let ran = run(&say(bytes), limits, vec![]).await;
        assert!(stopped(&ran).message.contains("limits.response_bytes"), "{bytes}: {:?}", ran.stopped);
    }
    // What is said to lie outside the memory does not lie anywhere.
    stopped(&run(&say(1 << 30), limits, vec![]).await);
}

#[tokio::test]
async fn a_trap_stops_one_call_and_no_other() {
    let host = host(Roots::none());
    let broken = guest("", "unreachable");
    let ran = run_on(&host, &broken, Limits::default(), vec![]).await;
    assert!(stopped(&ran).message.contains("unreachable"), "{ran:?}");
    let ran = run_on(&host, &guest("", "(call $ok)"), Limits::default(), vec![]).await;
    assert_eq!(ran.output, Ok("null".into()));
}

#[tokio::test]
async fn an_error_of_the_guest_is_its_own_sentence() {
    let ran = run(&guest("", "(call $fail)"), Limits::default(), vec![]).await;
    assert_eq!((ran.output, ran.stopped, ran.runtime.exit_code), (Err("null".into()), None, 1));
}

#[tokio::test]
async fn nothing_is_left_of_an_earlier_call() {
    let host = host(Roots::none());
    let counts = "(global $count (mut i32) (i32.const 0))";
    let body = "(if (i32.or (global.get $count) (i32.load (i32.const 2048))) (then (return (call $fail))))
        (global.set $count (i32.const 1)) (i32.store (i32.const 2048) (i32.const 1)) (call $ok)";
    let guest = guest(counts, body);
    for _ in 0..3 {
        assert_eq!(run_on(&host, &guest, Limits::default(), vec![]).await.output, Ok("null".into()));
    }
}

/// On one thread: the spinning guest makes way at each tick.
#[tokio::test(flavor = "current_thread")]
async fn a_spinning_guest_does_not_block_others() {
    let host = host(Roots::none());
    let (spins, quick) = (guest("", "(loop $l (br $l)) (call $ok)"), guest("", "(call $ok)"));
    for component in [&spins, &quick] {
        let digest = latchgate_wire::digest::Digest::of(component);
        host.register("test", component, digest, super::support::ALL).unwrap();
    }
    let order = std::sync::Mutex::new(Vec::new());
    let call = |name, component: &[u8]| {
        let job = job(component, for_ms(300), vec![]);
        let (host, order) = (&host, &order);
        async move {
            let ran = host.run_job(job, "{}").await;
            order.lock().unwrap().push((name, ran.runtime.exit_code));
        }
    };
    tokio::join!(call("spins", &spins), call("quick", &quick));
    assert_eq!(*order.lock().unwrap(), [("quick", 0), ("spins", 2)]);
}
