//! One home, killed again and again at moments counted in calls, and taken up each time.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use latchgate_tests::{Chance, Gate, PATIENCE, Upstream};

use crate::account::{Account, Sum};
use crate::chance::{runs, seed};
use crate::load::Load;
use crate::scene::builder;

/// Calls that are answered before the kill, at most: enough to fill batches and checkpoints now and then.
const CALLS_MAX: u64 = 60;

#[test]
fn what_was_promised_before_a_kill_stands_after_it() {
    let (runs, seed) = (runs(), seed());
    println!("LATCHGATE_CRASH_SEED={seed} LATCHGATE_CRASH_RUNS={runs}");
    let mut chance = Chance::new(seed);
    let (upstream, numbers) = (Upstream::start(), AtomicU64::new(0));
    let mut gate = builder().start();
    let mut account = Account::new();
    let begun = Instant::now();
    let mut sum = account.check(&gate, &upstream, Vec::new());
    for run in 1..=runs {
        let calls = chance.below(CALLS_MAX + 1);
        let load = Load::new(&upstream, &numbers);
        let agent = gate.raw_agent();
        load.run(&agent, &mut chance, |load| {
            await_calls(&mut gate, load, calls);
            gate.kill9();
        });
        gate.start().unwrap_or_else(|refused| panic!("seed {seed}, run {run}: {refused:#?}"));
        let promises = load.promises();
        let answered = promises.len();
        sum = account.check(&gate, &upstream, promises);
        let Sum { entries, done, unknown, effects } = sum;
        println!(
            "run {run}: {answered} answers, then killed; {entries} entries, {done} done, {unknown} unknown, {effects} effects"
        );
    }
    assert!(runs < 10 || sum.done > 0, "the load sent nothing: {sum:?}");
    assert_eq!(gate.raw_operator().status()["panics_caught"], 0);
    assert!(!gate.log().contains("panicked"), "{}", gate.log());
    assert!(gate.terminate().success());
    gate.assert_sound();
    println!("{runs} kills in {} s", begun.elapsed().as_secs());
}

/// Not a time but a number of answers: the others are anywhere between their first byte and their last.
fn await_calls(gate: &mut Gate, load: &Load<'_>, calls: u64) {
    let until = Instant::now() + PATIENCE;
    while (load.answered() as u64) < calls {
        assert!(gate.is_running(), "the gate ended by itself: {}", gate.log());
        assert!(Instant::now() < until, "{} of {calls} calls were answered", load.answered());
        std::thread::sleep(Duration::from_micros(200));
    }
}
