//! A disk that fails, tears, kills or writes down what a gate does with it, call by call: every call of the C library on the
//! files of a home's `state` is a place where it can be told to. The gate knows nothing of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use crate::builder::GateBuilder;
use crate::preload;

/// What is watched: the ledger and the keys. Index and compiled modules may be lost at any time.
const BELOW: &str = "/state/ledger:/state/keys";

pub struct DiskFaults {
    dir: TempDir,
    library: PathBuf,
    plans: AtomicU64,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// SIGKILL instead of it.
    KillBefore,
    /// SIGKILL behind it.
    KillAfter,
    /// SIGKILL once half of the bytes are written.
    KillTorn,
    /// It does nothing and gives this error number.
    Fail(i32),
}

/// A disturbance of one call: `op` is `open`, `write`, `sync`, `truncate`, `rename`, `link`, `unlink`, `mkdir` or `any`; `part` is in
/// the file's path (at its end with a `$` behind it), `-` in all of them; `nth` counts from 1 since the plan was made, 0 is each.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    pub what: Disturbance,
    pub op: &'a str,
    pub part: &'a str,
    pub nth: u64,
}

/// One event of a recording.
#[derive(Clone, Debug)]
pub enum Event {
    Began { id: u64, call: Call },
    Ended { id: u64, result: i64 },
}

/// A call as it was made.
#[derive(Clone, Debug)]
pub enum Call {
    Open { path: String, creates: bool, empties: bool },
    Write { path: String, offset: u64, bytes: Vec<u8> },
    Sync { path: String },
    Truncate { path: String, len: u64 },
    Rename { from: String, to: String },
    Link { from: String, to: String },
    Unlink { path: String },
    Mkdir { path: String },
}

impl DiskFaults {
    /// `None` where there is no C compiler, and that is said.
    ///
    /// # Panics
    /// If it does not compile.
    pub fn new() -> Option<Self> {
        let dir = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
        let library = preload::compile(dir.path(), include_str!("disk_faults.c"), "a disk can be disturbed")?;
        Some(Self { dir, library, plans: AtomicU64::new(1) })
    }

    /// A gate on this disk. Commands beside it are left alone.
    #[must_use]
    pub fn given_to(&self, builder: GateBuilder) -> GateBuilder {
        builder
            .env("LD_PRELOAD", self.library.to_str().unwrap())
            .env("DISK_FAULTS", self.dir.path().to_str().unwrap())
            .env("DISK_FAULTS_BELOW", BELOW)
    }

    /// From here on, also in a gate that runs.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn plan(&self, fault: &Fault<'_>) {
        let _none = fs::remove_file(self.path("fired"));
        let number = self.plans.fetch_add(1, Ordering::Relaxed);
        let action = match fault.what {
            Disturbance::KillBefore => "kill-before".to_owned(),
            Disturbance::KillAfter => "kill-after".to_owned(),
            Disturbance::KillTorn => "kill-torn".to_owned(),
            Disturbance::Fail(errno) => format!("fail-{errno}"),
        };
        let line = format!("{number} {action} {} {} {}\n", fault.op, fault.part, fault.nth);
        fs::write(self.path("next"), line).unwrap();
        fs::rename(self.path("next"), self.path("plan")).unwrap();
    }

    /// Nothing is disturbed from here on.
    pub fn clear(&self) {
        let _none = fs::remove_file(self.path("plan"));
    }

    /// The calls that were disturbed since the plan was made.
    pub fn fired(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("fired")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Writes down what is done, from the next start on.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn record(&self) {
        fs::write(self.path("trace"), b"").unwrap();
    }

    /// Ends with the gate that is recorded; the next start is not.
    ///
    /// # Panics
    /// If nothing was recorded.
    pub fn recording(&self) -> Vec<(u64, Event)> {
        let bytes = fs::read(self.path("trace")).unwrap();
        fs::remove_file(self.path("trace")).unwrap();
        events(&bytes)
    }

    /// How many bytes the recording has: a moment, as [`Self::recording`] names them.
    pub fn moment(&self) -> u64 {
        moment(&self.path("trace"))
    }

    /// Tells the moment from another thread.
    pub fn clock(&self) -> impl Fn() -> u64 + Send + Sync + 'static {
        let trace = self.path("trace");
        move || moment(&trace)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn moment(trace: &Path) -> u64 {
    fs::metadata(trace).map_or(0, |found| found.len())
}

/// Each event with the moment at which it was written down.
fn events(bytes: &[u8]) -> Vec<(u64, Event)> {
    let (mut events, mut at) = (Vec::new(), 0);
    while let Some(len) = bytes[at..].iter().position(|byte| *byte == b'\n') {
        let line = std::str::from_utf8(&bytes[at..at + len]).expect("a line of the recording");
        at += len + 1;
        let words: Vec<&str> = line.splitn(6, ' ').collect();
        let number = |n: usize| words[n].parse::<u64>().expect("a number of the recording");
        let event = if words[0] == "E" {
            Event::Ended { id: number(1), result: words[2].parse().expect("a result") }
        } else {
            let written = usize::try_from(number(4)).expect("a length");
            let bytes = bytes[at..at + written].to_vec();
            at += written;
            Event::Began { id: number(1), call: call(words[2], words[3], words[5], bytes) }
        };
        events.push((at as u64, event));
    }
    events
}

fn call(op: &str, offset: &str, paths: &str, bytes: Vec<u8>) -> Call {
    let offset: u64 = offset.parse().expect("an offset");
    let (path, other) = paths.split_once('\t').expect("two paths");
    let path = path.to_owned();
    match op {
        "open" => Call::Open { path, creates: offset & 1 != 0, empties: offset & 2 != 0 },
        "write" => Call::Write { path, offset, bytes },
        "sync" => Call::Sync { path },
        "truncate" => Call::Truncate { path, len: offset },
        "rename" => Call::Rename { from: path, to: other.to_owned() },
        "link" => Call::Link { from: path, to: other.to_owned() },
        "unlink" => Call::Unlink { path },
        "mkdir" => Call::Mkdir { path },
        _ => panic!("{op} is not recorded"),
    }
}
