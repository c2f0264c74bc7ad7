//! How often to kill, and by which chances.

use latchgate_tests::{Chance, env_number};

const RUNS: &str = "LATCHGATE_CRASH_RUNS";
const SEED: &str = "LATCHGATE_CRASH_SEED";
const RUNS_DEFAULT: u32 = 60;

/// How often to kill.
pub fn runs() -> u32 {
    env_number(RUNS).map_or(RUNS_DEFAULT, |runs| u32::try_from(runs).expect("a number of runs"))
}

/// The seed that was asked for, else a new one.
pub fn seed() -> u64 {
    env_number(SEED).unwrap_or_else(Chance::seed)
}
