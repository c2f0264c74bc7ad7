//! What is left to chance, drawn from one seed: a failure can be repeated as far as the scheduler lets it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The number in that variable of the environment, if it is set.
///
/// # Panics
/// If it is set to something else.
pub fn env_number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is `{text}`, expected a number")))
}

/// splitmix64: every seed is a good one.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A seed that was not used before.
    ///
    /// # Panics
    /// If the clock stands before 1970.
    pub fn seed() -> u64 {
        u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos())
    }

    /// From 0 to `bound`, exclusive.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// `parts` times out of a hundred.
    pub fn percent(&mut self, parts: u64) -> bool {
        self.below(100) < parts
    }

    /// One of them.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap_or(0)]
    }
}
