//! The clock of the machine is stepped, far and near, ahead and back, in the middle of calls and before a kill.

use latchgate_tests::{Chance, SteppedClock, eventually};

use crate::account::Account;
use crate::chance::{runs, seed};
use crate::load::Load;
use crate::scene::{World, builder};

const STEPS_S: [i64; 6] = [-86_400, -3_600, -20, 20, 3_600, 86_400];

#[test]
fn what_was_promised_before_a_kill_stands_whatever_the_clock_did() {
    let Some(clock) = SteppedClock::new() else { return };
    let (runs, seed) = (runs().div_ceil(10), seed());
    println!("LATCHGATE_CRASH_SEED={seed}");
    let (mut chance, world) = (Chance::new(seed), World::new());
    let mut gate = clock.given_to(builder()).start();
    let mut account = Account::on_a_failing_disk();
    for run in 1..=runs {
        let load = Load::new(&world.upstream, &world.numbers);
        let agent = gate.raw_agent();
        let step = *chance.of(&STEPS_S);
        load.run(&agent, &mut chance, |load| {
            let until = |calls: usize| eventually("answers", || (load.answered() >= calls).then_some(()));
            until(10);
            clock.step(step);
            until(load.answered() + 20);
            gate.kill9();
        });
        // A start by the stepped clock, and another one by the right one.
        if step < 0 {
            gate.start().unwrap_or_else(|refused| panic!("seed {seed}, run {run}: {refused:#?}"));
            gate.kill9();
        }
        clock.step(0);
        gate.start().unwrap_or_else(|refused| panic!("seed {seed}, run {run}: {refused:#?}"));
        gate.cli(&["clock", "accept"]).exited(0);
        let promises = load.promises();
        let answered = promises.len();
        let sum = account.check(&gate, &world.upstream, promises);
        println!("run {run}: stepped {step} s, {answered} answers; {sum:?}");
    }
    assert!(gate.terminate().success());
    gate.assert_sound();
}
