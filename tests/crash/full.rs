//! Disks that fill up and empty again while calls are made and gates are killed.

use latchgate_tests::{Chance, Tmpfs, eventually};

use crate::account::Account;
use crate::chance::{runs, seed};
use crate::load::Load;
use crate::scene::{World, builder};

const DISK_BYTES: u64 = 24 << 20;

#[test]
fn what_was_promised_stands_on_a_small_disk_in_memory() {
    on(Tmpfs::mount);
}

#[test]
fn what_was_promised_stands_on_a_small_disk_of_blocks() {
    on(Tmpfs::mount_blocks);
}

/// Room for a start and some calls; less than is taken ahead while there is plenty.
const LITTLE: u64 = 1 << 20;

fn on(mount: fn(&std::path::Path, u64) -> Option<Tmpfs>) {
    let (runs, seed) = (runs().div_ceil(30), seed());
    println!("LATCHGATE_CRASH_SEED={seed}");
    let (mut chance, world) = (Chance::new(seed), World::new());
    let mut gate = builder().prepare();
    let Some(disk) = mount(&gate.home().join("state"), DISK_BYTES) else { return };
    gate.restart();
    let mut account = Account::on_a_failing_disk();
    for run in 1..=runs {
        let load = Load::new(&world.upstream, &world.numbers);
        gate.terminate();
        disk.fill_but(LITTLE + chance.below(LITTLE));
        gate.restart();
        let agent = gate.raw_agent();
        load.run(&agent, &mut chance, |load| {
            let until = |what: &str, calls: usize| {
                eventually(what, || (load.answered() >= calls).then_some(()));
            };
            until("calls on a disk that fills up", 10);
            disk.fill();
            eventually("refusals", || (load.refused() >= 5).then_some(()));
            if run % 2 == 0 {
                disk.empty();
                until("calls on a disk with room", load.answered() + 20);
            }
            assert!(gate.is_running(), "a full disk ends nothing: {}", gate.log());
            gate.kill9();
        });
        if run % 2 == 1 {
            disk.empty();
        }
        gate.start().unwrap_or_else(|refused| panic!("seed {seed}, run {run}: {refused:#?}"));
        let (answered, refused) = (load.answered(), load.refused());
        let sum = account.check(&gate, &world.upstream, load.promises());
        println!("run {run}: {answered} answers, {refused} refused; {sum:?}");
    }
    assert!(gate.terminate().success());
    gate.assert_sound();
    drop(gate);
    drop(disk);
}
