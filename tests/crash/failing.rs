//! Calls on the disk that fail, one after the other: nothing that was answered is lost by it, and nothing is answered that was not done.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use latchgate_tests::{Chance, DiskFaults, Disturbance, Fault, Gate, PATIENCE, eventually};
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;
use crate::chance::{runs, seed};
use crate::load::{Answered, Load};
use crate::scene::{World, builder};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Answers behind a failure, after which the gate is taken for one that goes on.
const AFTERWARDS: usize = 15;

/// Call, files, and whether the gate may go on where it failed: it may not where an entry's durability is in doubt.
const FAILURES: [(&str, &str, bool); 17] = [
    ("write", "/log/", false),
    ("sync", "/log/", false),
    ("open", "/payload/", true),
    ("write", "/payload/", true),
    ("sync", "/payload/", false),
    ("open", "/ledger/checkpoint.new", true),
    ("write", "/ledger/checkpoint.new", true),
    ("sync", "/ledger/checkpoint.new", true),
    ("rename", "/ledger/checkpoint.new", true),
    ("open", "/keys/last-checkpoint.new", true),
    ("write", "/keys/last-checkpoint.new", true),
    ("sync", "/keys/last-checkpoint.new", true),
    ("rename", "/keys/last-checkpoint.new", true),
    ("write", "/ledger/checkpoints$", true),
    ("open", "/tile/", true),
    ("write", "/tile/", true),
    ("rename", "/tile/", true),
];

#[test]
fn what_was_promised_stands_whichever_call_fails() {
    let Some(faults) = DiskFaults::new() else { return };
    let seed = seed();
    println!("LATCHGATE_CRASH_SEED={seed}");
    let (mut chance, world) = (Chance::new(seed), World::new());
    let mut gate = faults.given_to(builder()).start();
    let mut account = Account::on_a_failing_disk();
    let begun = Instant::now();
    let rounds = runs().div_ceil(60) as usize;
    for run in 0..FAILURES.len() * rounds {
        let (op, part, may_go_on) = FAILURES[run % FAILURES.len()];
        let errno = *chance.of(&[EIO, ENOSPC]);
        // Once, or from then on.
        let nth = chance.below(2);
        let fault = Fault { what: Disturbance::Fail(errno), op, part, nth };
        let said = format!("seed {seed}, run {run}: {op} {part} gives {errno}, {nth}");
        let load = Load::new(&world.upstream, &world.numbers);
        let agent = gate.raw_agent();
        let mut ended = false;
        load.run(&agent, &mut chance, |load| {
            faults.plan(&fault);
            ended = ends_behind(&mut gate, load, &said, || !faults.fired().is_empty());
        });
        assert!(may_go_on || ended, "{said}: the gate went on");
        faults.clear();
        take_up(&mut gate, ended, &said);
        let promises = load.promises();
        let (answers, kinds) = (promises.len(), statuses(&promises));
        let sum = account.check(&gate, &world.upstream, promises);
        println!("{said}: {answers} answers {kinds:?}, ended {ended}; {sum:?}");
    }
    assert!(gate.terminate().success());
    println!("{} failures in {} s", FAILURES.len() * rounds, begun.elapsed().as_secs());
}

/// What the kernel itself says no to, also to what calls it without the C library.
const SYSCALLS: [(&str, &str); 6] = [
    ("fallocate", "ENOSPC"),
    ("fallocate", "EIO"),
    ("fdatasync", "EIO"),
    ("pwrite64", "ENOSPC"),
    ("rename", "EIO"),
    ("openat", "EMFILE"),
];

#[test]
fn what_was_promised_stands_whichever_system_call_fails() {
    if Command::new("strace").arg("--version").output().is_err() {
        eprintln!("LEFT OUT: system calls can only be failed with strace");
        return;
    }
    let seed = seed();
    println!("LATCHGATE_CRASH_SEED={seed}");
    let (mut chance, world) = (Chance::new(seed), World::new());
    let mut gate = builder().start();
    let mut account = Account::on_a_failing_disk();
    let rounds = runs().div_ceil(60) as usize;
    for run in 0..SYSCALLS.len() * rounds {
        let (syscall, error) = SYSCALLS[run % SYSCALLS.len()];
        let said = format!("seed {seed}, run {run}: {syscall} gives {error}");
        if syscall == "fallocate" {
            // Space is taken ahead with the first payload of a start.
            gate.restart();
        }
        let nth = if syscall == "fallocate" { 1 } else { 1 + chance.below(10) };
        let load = Load::new(&world.upstream, &world.numbers);
        let agent = gate.raw_agent();
        let Some(strace) = Strace::of(&gate, syscall, error, nth) else { return };
        let mut ended = false;
        load.run(&agent, &mut chance, |load| {
            ended = ends_behind(&mut gate, load, &said, || strace.has_injected());
        });
        drop(strace);
        take_up(&mut gate, ended, &said);
        let promises = load.promises();
        let (answers, kinds) = (promises.len(), statuses(&promises));
        let sum = account.check(&gate, &world.upstream, promises);
        println!("{said} at {nth}: {answers} answers {kinds:?}, ended {ended}; {sum:?}");
    }
    assert!(gate.terminate().success());
}

/// Waits for the failure, and then for the end of the gate or for some answers more.
fn ends_behind(gate: &mut Gate, load: &Load<'_>, said: &str, has_failed: impl Fn() -> bool) -> bool {
    let until = Instant::now() + PATIENCE;
    let mut answered = None;
    loop {
        assert!(Instant::now() < until, "{said}: nothing comes of it");
        if !gate.is_running() {
            let status = gate.wait();
            assert_eq!(status.code(), Some(1), "{said}: {}", gate.log());
            return true;
        }
        match answered {
            None if has_failed() => answered = Some(load.answered()),
            Some(before) if load.answered() >= before + AFTERWARDS => break,
            _ => std::thread::sleep(std::time::Duration::from_millis(2)),
        }
    }
    gate.kill9();
    false
}

fn take_up(gate: &mut Gate, ended: bool, said: &str) {
    gate.start().unwrap_or_else(|refused| panic!("{said}, ended {ended}: {refused:#?}"));
    assert!(!gate.log().contains("panicked"), "{said}: {}", gate.log());
}

fn statuses(promises: &[Answered]) -> std::collections::BTreeMap<u16, usize> {
    let mut counted = std::collections::BTreeMap::new();
    promises.iter().for_each(|answered| *counted.entry(answered.status).or_insert(0) += 1);
    counted
}

/// A tracer of a running gate that has one system call of each of its threads fail.
struct Strace {
    child: Child,
    dir: tempfile::TempDir,
}

impl Strace {
    /// `None` where a process cannot be traced, and that is said.
    fn of(gate: &Gate, syscall: &str, error: &str, nth: u64) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command
            .args(["-f", "-e", &format!("trace={syscall}")])
            .args(["-e", &format!("inject={syscall}:error={error}:when={nth}")])
            .arg("-o")
            .arg(dir.path().join("calls"))
            .args(["-p", &gate.pid().to_string()]);
        let said = dir.path().join("said");
        command.stdin(Stdio::null()).stderr(fs::File::create(&said).unwrap());
        let mut child = command.spawn().unwrap();
        let attached = eventually("the tracer", || {
            let text = fs::read_to_string(&said).unwrap();
            let is_gone = child.try_wait().unwrap().is_some();
            (is_gone || text.contains("attached")).then_some(!is_gone)
        });
        if !attached {
            eprintln!("LEFT OUT: strace may not trace here: {}", fs::read_to_string(&said).unwrap());
            return None;
        }
        Some(Self { child, dir })
    }

    fn has_injected(&self) -> bool {
        fs::read_to_string(self.dir.path().join("calls")).is_ok_and(|calls| calls.contains("INJECTED"))
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _gone = kill_process(pid, Signal::TERM);
        }
        let _reaped = self.child.wait();
    }
}
