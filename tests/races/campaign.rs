//! Rounds by one seed, on one gate after another, and what became of every kind of event.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use latchgate_tests::{Chance, env_number};

use crate::books::{self, End};
use crate::event::Event;
use crate::ground::Ground;
use crate::round::Round;

const ROUNDS: &str = "LATCHGATE_RACES_ROUNDS";
const SEED: &str = "LATCHGATE_RACES_SEED";
const ROUNDS_DEFAULT: u64 = 60;
/// A gate's log is read whole after each round.
const ROUNDS_A_GATE: u64 = 100;
/// Of a hundred rounds.
const RESTARTS: u64 = 4;

/// What became of one kind of event.
#[derive(Default)]
struct Count {
    taken: u64,
    refused: u64,
    /// The gate ended first, or nothing is answered to it.
    silent: u64,
}

#[derive(Default)]
struct Counts {
    events: BTreeMap<Event, Count>,
    ends: BTreeMap<End, u64>,
    effects: usize,
    unknown: usize,
}

#[test]
fn whatever_happens_at_once_a_held_call_ends_once_and_has_one_effect_at_most() {
    let rounds = env_number(ROUNDS).unwrap_or(ROUNDS_DEFAULT);
    let seed = env_number(SEED).unwrap_or_else(Chance::seed);
    println!("{SEED}={seed} {ROUNDS}={rounds}");
    let (begun, mut counts) = (Instant::now(), Counts::default());
    let mut from = 1;
    while from <= rounds {
        let to = (from + ROUNDS_A_GATE - 1).min(rounds);
        on_one_gate(seed, from, to, &mut counts);
        println!("{to} rounds, {} s", begun.elapsed().as_secs());
        from = to + 1;
    }
    println!("{counts}");
    assert!(rounds < 50 || counts.effects > 0, "nothing was ever executed");
}

fn on_one_gate(seed: u64, from: u64, to: u64, counts: &mut Counts) {
    let mut ground = Ground::new();
    for number in from..=to {
        // Each round by a seed of its own, so that one can be repeated without those before it.
        let mut chance = Chance::new(seed ^ number.wrapping_mul(0x9E37_79B9));
        let restarts = chance.percent(RESTARTS);
        let before = ground.gate.entries().len();
        let told = Told { seed, number };
        let round = Round::run(&mut ground, number, restarts, &mut chance);
        let entries = ground.gate.entries();
        let drawn = Drawn(&round);
        let sum = books::check(&ground, &round, &entries[before..]);
        if round.events.iter().any(|(event, _)| event.changes_configuration()) {
            ground.assert_whole(number);
            ground.restore();
        }
        drop((told, drawn));
        counts.add(&round, &sum);
    }
    assert_eq!(ground.local.status()["panics_caught"], 0, "{}", ground.gate.log());
    assert!(!ground.gate.log().contains("panicked"), "{}", ground.gate.log());
    assert!(ground.gate.terminate().success(), "{}", ground.gate.log());
    ground.gate.assert_sound();
}

/// Says in which round a test failed.
struct Told {
    seed: u64,
    number: u64,
}

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("seed {}, round {}", self.seed, self.number);
        }
    }
}

/// Says what was drawn where a test failed.
struct Drawn<'a>(&'a Round);

impl Drop for Drawn<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{} {}: {:?}", self.0.held.action, self.0.held.id, self.0.events);
        }
    }
}

impl Counts {
    fn add(&mut self, round: &Round, sum: &books::Sum) {
        for (event, status) in &round.events {
            let count = self.events.entry(*event).or_default();
            match status {
                Some(200..=299) => count.taken += 1,
                Some(_) => count.refused += 1,
                None => count.silent += 1,
            }
        }
        *self.ends.entry(sum.end).or_default() += 1;
        self.effects += sum.effects;
        self.unknown += sum.unknown;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<18}{:>8}{:>9}{:>9}", "event", "taken", "refused", "silent")?;
        for (event, Count { taken, refused, silent }) in &self.events {
            writeln!(f, "{:<18}{taken:>8}{refused:>9}{silent:>9}", event.to_string())?;
        }
        for (end, count) in &self.ends {
            writeln!(f, "{:<18}{count:>8}", format!("{end:?}"))?;
        }
        write!(f, "{} effects of held calls, {} outcomes unknown", self.effects, self.unknown)
    }
}
