//! The power goes: a gate's disk is recorded under load, and real gates take up what a cut at any moment may have left of it.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use latchgate_tests::{Chance, DiskFaults, Event, Gate, Response, Upstream, eventually};
use serde_json::Value;

use crate::account::{self, Sum};
use crate::chance::{runs, seed};
use crate::image::{Disk, Loss};
use crate::load::{Answered, Load};
use crate::scene::{World, builder};

/// Answers of a recording: some batches, checkpoints, a change of keys in the middle.
const CALLS: usize = 120;

/// Numbers that the service was sent, each with the moment of the recording at which it came.
type Effects = Arc<Mutex<Vec<(u64, u64)>>>;

/// What was done and promised while the disk was written down.
struct Recording {
    disk: Disk,
    events: Vec<(u64, Event)>,
    promises: Vec<Answered>,
    effects: Vec<(u64, u64)>,
}

fn record(gate: &mut Gate, faults: &DiskFaults, chance: &mut Chance) -> Recording {
    let effects = Effects::default();
    let upstream = Upstream::answering({
        let (effects, moment) = (Arc::clone(&effects), faults.clock());
        move |seen| {
            let number = seen.json()["number"].as_u64().unwrap();
            effects.lock().unwrap().push((moment(), number));
            Response::ok("ok")
        }
    });
    let world = World { upstream, ..World::new() };
    let disk = Disk::holding(&[gate.ledger(), gate.keys()]);
    faults.record();
    gate.start().unwrap();
    let load = Load::new(&world.upstream, &world.numbers).timed(faults.clock());
    let agent = gate.raw_agent();
    load.run(&agent, chance, |load| {
        let already = |calls| move || (load.answered() >= calls).then_some(());
        eventually("half of the answers", already(CALLS / 2));
        gate.cli(&["ledger", "rotate-key"]).exited(0);
        gate.cli(&["ledger", "forget", "--before", "0s"]).exited(0);
        eventually("the answers", already(CALLS));
        gate.terminate();
    });
    let promises = load.promises();
    let effects = effects.lock().unwrap().clone();
    assert!(world.numbers.load(Ordering::Relaxed) > 0 && !effects.is_empty());
    Recording { disk, events: faults.recording(), promises, effects }
}

#[test]
fn whatever_a_power_cut_leaves_is_taken_up_with_all_that_was_promised() {
    let Some(faults) = DiskFaults::new() else { return };
    let (runs, seed) = (runs().div_ceil(3) as usize, seed());
    println!("LATCHGATE_CRASH_SEED={seed}");
    let mut chance = Chance::new(seed);
    let mut gate = faults.given_to(builder()).start();
    gate.terminate();
    let begun = Instant::now();
    let Recording { mut disk, events, promises, effects } = record(&mut gate, &faults, &mut chance);
    // Cuts at moments drawn over the whole recording, its start and its end included.
    let mut cuts: Vec<usize> =
        (0..runs).map(|_| usize::try_from(chance.below(events.len() as u64 + 1)).unwrap()).collect();
    cuts.sort_unstable();
    let mut followed = 0;
    for (run, cut) in cuts.into_iter().enumerate() {
        events[followed..cut].iter().for_each(|(_, event)| disk.follow(event));
        followed = cut;
        let moment = cut.checked_sub(1).map_or(0, |last| events[last].0);
        let loss = *chance.of(&[Loss::All, Loss::Nothing, Loss::Chance, Loss::Chance]);
        let said = format!("seed {seed}, cut {run} behind event {cut} of {}, {loss:?} lost", events.len());
        disk.leave(loss, &mut chance);
        forget_what_others_saw(gate.home());
        if chance.percent(50) {
            let _none = fs::remove_dir_all(gate.home().join("state/index"));
        }
        gate.start().unwrap_or_else(|refused| panic!("{said}: {refused:#?}"));
        let promised: Vec<_> =
            promises.iter().filter(|answered| answered.moment <= moment).cloned().collect();
        let happened = effects.iter().filter(|(at, _)| *at <= moment).count();
        let sum = check(&gate, &promised, happened);
        println!("{said}: {} promises, {happened} effects; {sum:?}", promised.len());
        gate.kill9();
    }
    println!("{runs} cuts in {} s", begun.elapsed().as_secs());
}

/// The operator's client remembers a later past than this one.
fn forget_what_others_saw(home: &Path) {
    let _none = fs::remove_dir_all(home.join("state/seen"));
}

/// The tiles are behind a start; with the next checkpoint they are there.
fn check(gate: &Gate, promised: &[Answered], happened: usize) -> Sum {
    gate.cli(&["ledger", "checkpoint"]).exited(0);
    gate.assert_sound();
    let entries: Vec<Value> = gate.entries();
    account::assert_numbered(&entries);
    account::assert_answers_stand(&entries, promised);
    account::assert_settled(&entries);
    let sum = account::sum(&entries, happened);
    assert!((sum.done..=sum.done + sum.unknown).contains(&sum.effects), "{sum:?}");
    sum
}
