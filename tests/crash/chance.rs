//! Everything that is left to chance, drawn from one seed: a failure can be repeated as far as the scheduler lets it.

use std::time::{SystemTime, UNIX_EPOCH};

const RUNS: &str = "LATCHGATE_CRASH_RUNS";
const SEED: &str = "LATCHGATE_CRASH_SEED";
const RUNS_DEFAULT: u32 = 50;

/// How often to kill.
pub fn runs() -> u32 {
    number(RUNS).map_or(RUNS_DEFAULT, |runs| u32::try_from(runs).expect("a number of runs"))
}

/// The seed that was asked for, else a new one.
pub fn seed() -> u64 {
    let clock = || u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    number(SEED).unwrap_or_else(clock)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, expected a number")))
}

/// splitmix64: every seed is a good one.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound`, exclusive.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
