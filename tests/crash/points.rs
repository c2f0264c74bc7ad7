//! The gate killed at each place where it hands something to the disk, in front of it, in the middle and behind it.

use std::collections::BTreeMap;
use std::time::Instant;

use latchgate_tests::{Chance, DiskFaults, Disturbance, Fault};

use crate::account::Account;
use crate::chance::{runs, seed};
use crate::scene::{Stage, World, builder};

/// A place by its name in the output: what the gate is in the middle of, the call, and the files that it is made on.
struct Point {
    name: &'static str,
    stage: Stage,
    op: &'static str,
    part: &'static str,
}

impl Point {
    /// How often it is passed within a few calls, at least.
    fn passes(&self) -> u64 {
        match (self.stage, self.op, self.part) {
            (Stage::Load, "write" | "sync", "/payload/" | "/log/") => 20,
            (Stage::Load, _, part) if part.ends_with(".new") => 2,
            _ => 1,
        }
    }
}

const fn point(name: &'static str, stage: Stage, op: &'static str, part: &'static str) -> Point {
    Point { name, stage, op, part }
}

const POINTS: [Point; 37] = [
    // The way of a commit.
    point("payload created", Stage::Load, "open", "/payload/"),
    point("payload directory synced", Stage::Load, "sync", "/payload$"),
    point("payload written", Stage::Load, "write", "/payload/"),
    point("payload synced", Stage::Load, "sync", "/payload/"),
    point("entries written", Stage::Load, "write", "/log/"),
    point("entries synced", Stage::Load, "sync", "/log/"),
    // The checkpoint behind it.
    point("tile created", Stage::Load, "open", "/tile/"),
    point("tile written", Stage::Load, "write", "/tile/"),
    point("tile renamed", Stage::Load, "rename", "/tile/"),
    point("checkpoint created", Stage::Load, "open", "/ledger/checkpoint.new"),
    point("checkpoint written", Stage::Load, "write", "/ledger/checkpoint.new"),
    point("checkpoint synced", Stage::Load, "sync", "/ledger/checkpoint.new"),
    point("checkpoint renamed", Stage::Load, "rename", "/ledger/checkpoint.new"),
    point("checkpoint directory synced", Stage::Load, "sync", "/state/ledger$"),
    point("copy written", Stage::Load, "write", "/keys/last-checkpoint.new"),
    point("copy synced", Stage::Load, "sync", "/keys/last-checkpoint.new"),
    point("copy renamed", Stage::Load, "rename", "/keys/last-checkpoint.new"),
    point("copy directory synced", Stage::Load, "sync", "/state/keys$"),
    point("history written", Stage::Load, "write", "/ledger/checkpoints$"),
    // Taking up what a crash left.
    point("lock written", Stage::Start, "write", "/ledger/lock"),
    point("log taken up", Stage::Start, "write", "/log/"),
    point("log made durable", Stage::Start, "sync", "/log/"),
    point("checkpoint of a start renamed", Stage::Start, "rename", "/ledger/checkpoint.new"),
    point("copy of a start renamed", Stage::Start, "rename", "/keys/last-checkpoint.new"),
    // Another key.
    point("next key written", Stage::Rotation, "write", "/keys/entry.next.key"),
    point("next key synced", Stage::Rotation, "sync", "/keys/entry.next.key"),
    point("next key put in place", Stage::Rotation, "any", "/keys/entry.key"),
    point("public key put in place", Stage::Rotation, "any", "/keys/entry.pub"),
    point("public key beside the log", Stage::Rotation, "any", "/ledger/keys/entry-"),
    point("next key taken away", Stage::Rotation, "unlink", "/keys/entry.next.key$"),
    // Keys of payloads destroyed.
    point("payload key destroyed", Stage::Forgetting, "write", "/payload/"),
    point("payload keys synced", Stage::Forgetting, "sync", "/payload/"),
    // The end.
    point("last entry written", Stage::Stop, "write", "/log/"),
    point("log cut to its size", Stage::Stop, "truncate", "/log/"),
    point("payloads cut to their size", Stage::Stop, "truncate", "/payload/"),
    point("last checkpoint renamed", Stage::Stop, "rename", "/ledger/checkpoint.new"),
    point("last copy renamed", Stage::Stop, "rename", "/keys/last-checkpoint.new"),
];

const KILLS: [Disturbance; 3] = [Disturbance::KillBefore, Disturbance::KillAfter, Disturbance::KillTorn];

#[test]
fn what_was_promised_before_a_kill_at_any_named_point_stands_after_it() {
    let Some(faults) = DiskFaults::new() else { return };
    let (runs, seed) = (runs() as usize, seed());
    println!("LATCHGATE_CRASH_SEED={seed} LATCHGATE_CRASH_RUNS={runs}");
    let (mut chance, world) = (Chance::new(seed), World::new());
    let mut gate = faults.given_to(builder()).start();
    let mut account = Account::new();
    let (begun, mut struck) = (Instant::now(), BTreeMap::new());
    for run in 0..runs {
        let point = &POINTS[run % POINTS.len()];
        let writes = point.op == "write";
        let what = KILLS[(run / POINTS.len() + run) % if writes { 3 } else { 2 }];
        // In the first round the first such call, then any of the next ones.
        let nth = if run < POINTS.len() { 1 } else { 1 + chance.below(point.passes()) };
        let fault = Fault { what, op: point.op, part: point.part, nth };
        let said = format!("seed {seed}, run {run}: {} {:?} {what:?} {nth}", point.name, point.stage);
        let promises = world.take_through(point.stage, &mut gate, &mut chance, || faults.plan(&fault));
        let fired = faults.fired();
        assert_eq!(fired.len(), 1, "{said}: the point was not reached: {fired:?}");
        faults.clear();
        gate.start().unwrap_or_else(|refused| panic!("{said}: {refused:#?}"));
        let answered = promises.len();
        let sum = account.check(&gate, &world.upstream, promises);
        *struck.entry(point.name).or_insert(0) += 1;
        println!("{said}: {answered} answers, then killed; {sum:?}");
    }
    assert!(runs < POINTS.len() || struck.len() == POINTS.len(), "{struck:?}");
    assert!(gate.terminate().success());
    gate.assert_sound();
    println!("{runs} kills at {} points in {} s", struck.len(), begun.elapsed().as_secs());
}

/// Every call on the disk of a first start, one after the other: whatever it left, the next one makes a whole gate of it.
#[test]
fn a_first_start_killed_at_any_call_is_taken_up() {
    let Some(faults) = DiskFaults::new() else { return };
    let (runs, mut chance) = (u64::from(runs()), Chance::new(seed()));
    let mut nth = 1;
    let mut killed = 0;
    loop {
        let what = *chance.of(&KILLS);
        faults.plan(&Fault { what, op: "any", part: "-", nth });
        let mut gate = faults.given_to(builder()).prepare();
        let started = gate.start();
        faults.clear();
        if faults.fired().is_empty() {
            started.unwrap();
            break;
        }
        // Killed behind the call that it was ready with.
        if started.is_ok() {
            gate.kill9();
        }
        gate.start().unwrap_or_else(|refused| panic!("{what:?} at call {nth}: {refused:#?}"));
        gate.assert_sound();
        killed += 1;
        nth += if runs >= 500 { 1 } else { 1 + chance.below(12) };
    }
    println!("{killed} kills in {nth} calls");
    assert!(killed > 10, "{killed}");
}
