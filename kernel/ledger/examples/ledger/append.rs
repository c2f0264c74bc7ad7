//! Commits by some callers at once, beside the bare append of the same bytes: one write and one fdatasync for as many lines as there
//! are callers, into space that was allocated and written before, as the log's is.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use latchgate_ledger::{Ledger, OpenConfig, exit_process};
use latchgate_monitor::ports::{Clock, Commit, Durability, Log as _};
use latchgate_wire::entry::Body;
use latchgate_wire::receipt::Boundary;
use latchgate_wire::time::Timestamp;
use tokio::task::JoinSet;

use crate::{Failure, entries, machine, tell};

const CALLERS: [usize; 4] = [1, 4, 16, 64];

pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(0))
    }
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// What a ledger in that directory is opened with.
pub fn config(dir: &Path) -> Result<OpenConfig, Failure> {
    std::fs::create_dir_all(dir.join("keys"))?;
    Ok(OpenConfig {
        dir: dir.join("ledger"),
        index_dir: dir.join("index"),
        last_checkpoint: dir.join("keys/last-checkpoint"),
        origin: entries::ORIGIN.into(),
        entry_key: key(),
        next_key: None,
        payload_key: [2; 32].into(),
        state_key: [3; 32].into(),
        clock: Arc::new(WallClock),
        version: "bench".into(),
        boundary: Boundary::SameUser,
        on_fatal: exit_process(),
    })
}

pub fn measure(dir: &Path, commits: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (ledger, _) = Ledger::open(config(&dir.join("append"))?)?;
    let commit = |body| Commit { trace_id: None, body, payload: Durability::Buffered };
    let now = WallClock.now();
    for body in [entries::config()].into_iter().chain(entries::leases(now)) {
        runtime.block_on(ledger.commit(commit(body)))?;
    }
    let next = Arc::new(AtomicU64::new(0));
    for callers in CALLERS {
        let (stats, sectors) = (ledger.stats(), machine::sectors_written(dir));
        let took = runtime.block_on(all(&ledger, callers, commits / 2, &next))?;
        let (after, sectors_after) = (ledger.stats(), machine::sectors_written(dir));
        let entries = after.entries - stats.entries;
        let lines = ledger.entries(stats.entries, usize::try_from(entries)?)?;
        let bare = bare(&dir.join("bare"), &lines, callers)?;
        let ratio = took.as_secs_f64() / bare.as_secs_f64();
        let per_s = |took: Duration| entries as f64 / took.as_secs_f64();
        let goal = match callers {
            1 => Some(("<=", 1.3, ratio <= 1.3)),
            64 => Some(("<=", 2.0, ratio <= 2.0)),
            _ => None,
        };
        let name = format!("append, {callers} committers: time of the bare append");
        tell(&name, goal, &format!("{ratio:.2}"));
        let rates = format!("  {:.0} commits/s, bare {:.0}/s", per_s(took), per_s(bare));
        let syncs = (after.syncs - stats.syncs) as f64 / entries as f64;
        let bytes = (after.bytes_written - stats.bytes_written) as f64 / entries as f64;
        let sectors =
            sectors.zip(sectors_after).map(|(before, after)| (after - before) as f64 / entries as f64);
        let sectors = sectors.map_or("n/a".into(), |sectors| format!("{sectors:.1}"));
        println!("{rates}; {bytes:.0} bytes and {syncs:.2} syncs a commit, {sectors} sectors by everybody");
    }
    runtime.block_on(ledger.close("bench"))?;
    Ok(())
}

/// Calls of two commits each, by so many callers.
async fn all(
    ledger: &Ledger,
    callers: usize,
    calls: usize,
    next: &Arc<AtomicU64>,
) -> Result<Duration, Failure> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (ledger, next, share) = (ledger.clone(), Arc::clone(next), (calls / callers).max(1));
        tasks.spawn(async move {
            for _ in 0..share {
                call(&ledger, next.fetch_add(1, Ordering::Relaxed)).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    tasks.join_all().await.into_iter().collect::<Result<(), _>>()?;
    Ok(start.elapsed())
}

async fn call(ledger: &Ledger, n: u64) -> Result<(), Failure> {
    let now = WallClock.now();
    let intent = entries::intent(n, now);
    let commit =
        |body| Commit { trace_id: Some(entries::trace_id(n, now)), body, payload: Durability::Buffered };
    let seq = ledger.commit(commit(Body::CallIntent(intent.clone()))).await?.seq;
    let receipt = entries::outcome(n, seq, &intent, WallClock.now());
    ledger.commit(commit(Body::CallOutcome(receipt))).await?;
    Ok(())
}

/// The better of two runs.
fn bare(path: &Path, lines: &[Vec<u8>], together: usize) -> Result<Duration, Failure> {
    let batches: Vec<Vec<u8>> = lines
        .chunks(together)
        .map(|lines| lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect())
        .collect();
    let total: usize = batches.iter().map(Vec::len).sum();
    let mut best = Duration::MAX;
    for _ in 0..2 {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&vec![0; total], 0)?;
        file.sync_all()?;
        let (start, mut at) = (Instant::now(), 0);
        for batch in &batches {
            file.write_all_at(batch, at)?;
            file.sync_data()?;
            at += batch.len() as u64;
        }
        best = best.min(start.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(best)
}
