//! Power cuts at any moment: what was answered is there, and what is there verifies.

use std::sync::Arc;

use latchgate_wire::entry::*;

use crate::testing::disk::FaultyDisk;
use crate::testing::*;

/// xorshift64*: the same runs every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

#[test]
fn what_was_answered_survives_any_power_cut() {
    let torn: u64 = (1..=200).map(run).sum();
    assert!(torn > 100, "only {torn} of 600 cuts tore the end of the log");
}

/// Three lives of one ledger; how many ends were torn.
fn run(seed: u64) -> u64 {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut home = Home::in_memory();
    home.sizes.log.roll_bytes = 4 << 10;
    home.sizes.log.chunk_bytes = 8 << 10;
    let mut answered: Vec<Vec<u8>> = Vec::new();
    let (mut grants, mut torn) = (0, 0);
    for start in 0..3 {
        let disk = FaultyDisk::default();
        let (ledger, recovery) =
            home.open_on(Arc::new(disk.clone())).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        torn += u64::from(recovery.cut_bytes > 0);
        let found = ledger.entries(0, 10_000).unwrap();
        assert!(answered.iter().all(|line| found.contains(line)), "seed {seed}, start {start}");
        answered = found;
        say(&ledger, config("p")).unwrap();
        say(&ledger, lease(who(), max_calls(10_000))).unwrap();
        for _ in 0..chance.below(12) {
            grants += 1;
            let intent = intent(grant(grants), read_call(grants));
            let committed = say(&ledger, Body::CallIntent(intent.clone())).unwrap();
            answered.push(committed.line.bytes().to_vec());
            if chance.below(2) == 0 {
                let receipt = outcome(committed.seq, &intent);
                answered.push(say(&ledger, Body::CallOutcome(receipt)).unwrap().line.bytes().to_vec());
            }
        }
        if chance.below(4) == 0 {
            pollster::block_on(ledger.checkpoint()).unwrap();
        }
        // What is written from here on is never answered: its sync does not return.
        disk.fail_to_sync();
        grants += 1;
        assert!(say(&ledger, Body::CallIntent(intent(grant(grants), read_call(1)))).is_err());
        abandon(ledger);
        disk.cut_power(|| chance.below(2) == 0);
    }
    let (ledger, recovery) = home.open().unwrap();
    torn += u64::from(recovery.cut_bytes > 0);
    let found = ledger.entries(0, 10_000).unwrap();
    assert!(answered.iter().all(|line| found.contains(line)), "seed {seed}");
    close(&ledger);
    let report = verified(&home);
    assert_eq!(report.findings, [], "seed {seed}");
    torn
}
