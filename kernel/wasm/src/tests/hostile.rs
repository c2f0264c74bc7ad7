//! Hostile guests, one thing each, and their twins: the same guest without that thing.
//!
//! No clock decides anything here: each check of the epoch is a tick ([`scripted`]), a guest's time is so many of them, and
//! everything else that stops a guest is counted anyway. What it takes in real time is measured by `cargo xtask bench hostile`.

mod boundary;
mod compute;
mod floods;
mod memory;
mod start;
mod state;

use latchgate_monitor::manifest::Limits;
use latchgate_monitor::steps::Ran;

use super::support::{run_on, scripted, stopped};
use crate::Host;

/// Time of a guest, in ticks.
const TICKS: u64 = 100;

/// Fuel that is not what ends anybody here.
const FUEL: u64 = 10_000_000_000;

fn limits() -> Limits {
    Limits { fuel: FUEL, ..Limits::default() }
}

/// The host stops `hostile` for a reason that says `word`, it has done nothing, and its twin runs right after it.
async fn check(what: &str, hostile: &[u8], word: &str, twin: &[u8]) {
    check_within(what, limits(), hostile, word, twin).await;
}

async fn check_within(what: &str, limits: Limits, hostile: &[u8], word: &str, twin: &[u8]) {
    let host = scripted(TICKS);
    let ran = run_on(&host, hostile, limits, vec![]).await;
    let message = &stopped(&ran).message;
    assert!(message.contains(word), "{what}: {message}");
    assert_eq!(ran.observed, [], "{what}");
    innocent(&host, what, twin, limits).await;
}

async fn innocent(host: &Host, what: &str, twin: &[u8], limits: Limits) -> Ran {
    let ran = run_on(host, twin, limits, vec![]).await;
    assert_eq!((&ran.output, &ran.stopped), (&Ok("null".into()), &None), "the twin of {what}");
    ran
}

/// Counts `$i` to `n`, doing `act` each time.
fn repeat(n: u32, act: &str) -> String {
    format!(
        "(loop $l {act} (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const {n}))))"
    )
}

const FOREVER: u32 = u32::MAX;
