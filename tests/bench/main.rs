//! `latchgate-bench`: what a call through the gate costs, beside what the libraries under it cost alone.
//!
//! Everything is measured in one run on one machine, because only then the ratios mean something. A missed goal is shown
//! and is no failure; a measurement that could not be made is.

mod agent;
mod disk;
mod floor;
mod gate;
mod goals;
mod hostile;
mod load;
mod machine;
mod mcp;
mod measure;
mod policy;
mod revoke;
mod upstream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use agent::Errand;
use gate::Gate;
use load::{Level, Serial};
use measure::{Samples, micros};
use upstream::Upstream;

#[derive(Parser)]
#[command(about = "Measure a gate against the libraries it is built on")]
struct Args {
    /// The binary `latchgate`
    #[arg(long)]
    gate: PathBuf,
    /// The component `fs`, for everything but --hostile and --mcp and --revoke
    #[arg(long)]
    guest: Option<PathBuf>,
    /// Where the gate's home is made; its file system is the one measured
    #[arg(long)]
    dir: PathBuf,
    /// Small counts: shows that everything can be measured, not how fast it is
    #[arg(long)]
    short: bool,
    /// Measure how long hostile guests last, and what innocent calls beside them wait
    #[arg(long)]
    hostile: bool,
    /// Measure how long a revocation of everything takes to be over
    #[arg(long, conflicts_with = "hostile")]
    revoke: bool,
    /// Measure how fast recorded calls are replayed against another policy set
    #[arg(long, conflicts_with_all = ["hostile", "revoke"])]
    policy: bool,
    /// Measure calls through this binary `latchgate-mcp` beside direct ones
    #[arg(long, value_name = "ADAPTER")]
    mcp: Option<PathBuf>,
    /// Measure the libraries alone
    #[arg(long)]
    floor_only: bool,
}

/// How often things are done.
struct Counts {
    floor: usize,
    warm_up: usize,
    serial: usize,
    /// Per level of concurrency.
    concurrent: usize,
    /// In all, to see what memory becomes.
    endurance: usize,
    starts: usize,
    revocations: usize,
}

const CONNECTIONS: [usize; 4] = [1, 8, 32, 64];

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    latchgate_wire::jws::install_crypto();
    let counts = match args.short {
        true => Counts {
            floor: 100,
            warm_up: 20,
            serial: 100,
            concurrent: 200,
            endurance: 400,
            starts: 1,
            revocations: 2,
        },
        false => Counts {
            floor: 3_000,
            warm_up: 500,
            serial: 2_000,
            concurrent: 4_000,
            endurance: 200_000,
            starts: 5,
            revocations: 100,
        },
    };
    let dir = tempfile::Builder::new().prefix("b").tempdir_in(&args.dir);
    let dir = dir.with_context(|| format!("no directory below {}", args.dir.display()))?;
    let busy = machine::busy()?;
    println!("machine  {}", machine::describe(dir.path())?);
    println!("others   keep {:.0} % of it busy\n", busy * 100.0);

    if args.hostile {
        return hostile::run(&args.gate, dir.path(), args.short, busy);
    }
    if args.revoke {
        return revoke_only(&args.gate, dir.path(), counts.revocations, busy);
    }
    if args.policy {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(policy::run(&args.gate, dir.path(), args.short, busy));
    }
    if let Some(adapter) = &args.mcp {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(mcp::run(&args.gate, adapter, dir.path(), &counts, busy));
    }
    let guest = args.guest.as_ref().context("--guest is missing")?;
    let floor = || floor::measure(guest, dir.path(), counts.floor);
    let before = floor()?;
    if args.floor_only {
        before.print();
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstream = Upstream::start()?;
    let fetch = (format!("{FETCH}.yaml"), fetch_manifest(&upstream).into_bytes());
    let mut gate = runtime.block_on(Gate::start(&args.gate, dir.path(), &[fetch]))?;
    let measured = runtime.block_on(measure_gate(&mut gate, &args.gate, dir.path(), &upstream, &counts));
    let measured = measured.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    let revoked = revoke::measure(&gate, &upstream, counts.revocations);
    let revoked = revoked.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    let floor = before.or_less(floor()?);
    floor.print();
    measured.print();
    revoked.print();
    goals::print(&floor, &measured, &revoked, busy)
}

fn revoke_only(binary: &Path, dir: &Path, times: usize, busy: f64) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let upstream = Upstream::start()?;
    let fetch = (format!("{FETCH}.yaml"), fetch_manifest(&upstream).into_bytes());
    let gate = runtime.block_on(Gate::start(binary, dir, &[fetch]))?;
    let revoked = revoke::measure(&gate, &upstream, times);
    let revoked = revoked.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    revoked.print();
    goals::print_revoked(&revoked, busy);
    Ok(())
}

/// What was seen of the gate.
pub struct Measured {
    pub serial: Serial,
    pub levels: Vec<Level>,
    /// Bytes in the log and in the payload store, per executed call.
    pub log_bytes: f64,
    pub payload_bytes: f64,
    /// Written to the device per executed call; `None` where that cannot be told.
    pub sectors: Option<f64>,
    pub rss: Rss,
    /// A refusal by policy, one after the other.
    pub denied: Serial,
    /// `http_fetch` from loopback.
    pub fetch_serial: Serial,
    pub fetch: Level,
    /// From the start of the process, with modules compiled before.
    pub ready: Samples,
}

/// Resident memory of the gate, in KiB.
pub struct Rss {
    /// Before the first call.
    pub idle: u64,
    pub after: u64,
    /// Calls in between.
    pub calls: usize,
}

/// `http_fetch`, but from this machine's own upstream.
const FETCH: &str = "loopback_fetch";

fn fetch_manifest(upstream: &Upstream) -> String {
    let manifest = include_str!("../../manifests/http_fetch.yaml");
    let (manifest, _) = manifest.split_once("examples:").unwrap_or((manifest, ""));
    let ports = format!("ports: [{}]", upstream.port());
    let manifest = manifest
        .replace("action_id: http_fetch", &format!("action_id: {FETCH}"))
        .replace("ports: [80, 443]", &ports);
    // The examples there are of other ports.
    let url = format!("http://127.0.0.1:{}/", upstream.port());
    let (arguments, expect) = (format!("{{ url: \"{url}\" }}"), format!("{{ method: GET, url: \"{url}\" }}"));
    format!("{manifest}examples:\n  - title: a page\n    arguments: {arguments}\n    expect: {expect}\n")
}

async fn measure_gate(
    gate: &mut Gate,
    binary: &Path,
    dir: &Path,
    upstream: &Upstream,
    counts: &Counts,
) -> Result<Measured> {
    let mut ready = Vec::new();
    for _ in 0..counts.starts {
        ready.push(gate.restart(binary).await?);
    }
    let idle = gate.rss_kib()?;
    let read = Errand::read();
    let serial = load::serial(gate, &read, counts.warm_up, counts.serial).await?;
    let denied = load::serial(gate, &Errand::denied(), counts.warm_up, counts.serial).await?;
    let (log, payload) = gate.ledger_bytes()?;
    let sectors = disk::sectors_written(dir);
    let mut levels = Vec::new();
    for connections in CONNECTIONS {
        levels.push(load::concurrent(gate, &read, connections, counts.concurrent).await?);
    }
    let calls = counts.concurrent * CONNECTIONS.len();
    let (log_after, payload_after) = gate.ledger_bytes()?;
    let sectors_after = disk::sectors_written(dir);
    let errand = Errand::executed(FETCH, upstream.body(upstream::Path::Prompt));
    let fetch_serial = load::serial(gate, &errand, counts.warm_up, counts.serial).await?;
    let fetch = load::concurrent(gate, &errand, FETCH_CONNECTIONS, counts.concurrent).await?;
    let mut made = 2 * calls;
    while made < counts.endurance {
        load::concurrent(gate, &read, 32, counts.concurrent).await?;
        made += counts.concurrent;
    }
    let per_call = |total: u64| total as f64 / calls as f64;
    Ok(Measured {
        serial,
        levels,
        log_bytes: per_call(log_after - log),
        payload_bytes: per_call(payload_after - payload),
        sectors: sectors.zip(sectors_after).map(|(before, after)| per_call(after - before)),
        rss: Rss { idle, after: gate.rss_kib()?, calls: made },
        denied,
        fetch_serial,
        fetch,
        ready: Samples::new(ready),
    })
}

const FETCH_CONNECTIONS: usize = 32;

impl Measured {
    fn print(&self) {
        println!("\nfs_read through the gate, one call after the other on one connection");
        println!("{:<36} {:>9} {:>9} {:>9}", "", "p50 us", "p90 us", "p99 us");
        let Serial { signing, answer, whole } = &self.serial;
        for (name, samples) in
            [("answer", answer), ("the client's signing", signing), ("both, as an agent sees it", whole)]
        {
            let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|q| micros(samples.quantile(q)));
            println!("{name:<36} {p50:>9.1} {p90:>9.1} {p99:>9.1}");
        }
        println!("\nfs_read through the gate, proofs signed beforehand");
        println!(
            "{:<12} {:>9} {:>9} {:>9} {:>13} {:>15} {:>12}",
            "connections", "calls/s", "p50 us", "p99 us", "gate CPU us", "client CPU us", "syncs/call"
        );
        for level in &self.levels {
            println!(
                "{:<12} {:>9.0} {:>9.1} {:>9.1} {:>13.1} {:>15.1} {:>12}",
                level.connections,
                level.calls_per_s,
                micros(level.latency.quantile(0.5)),
                micros(level.latency.quantile(0.99)),
                micros(level.gate_cpu),
                micros(level.client_cpu),
                goals::shown(level.syncs),
            );
        }
        println!(
            "\nledger   {:.0} bytes of log and {:.0} of payload per call",
            self.log_bytes, self.payload_bytes
        );
        match self.sectors {
            Some(sectors) => {
                println!("disk     {sectors:.1} sectors written to the device per call, by everybody on it")
            }
            None => println!("disk     sectors cannot be told here"),
        }
        let Rss { idle, after, calls } = self.rss;
        println!("memory   {idle} KiB resident before the first call, {after} KiB after {calls} calls");
        let middle = |serial: &Serial| micros(serial.answer.quantile(0.5));
        println!("denied   {:.1} us (p50), {:.2} of an executed call", middle(&self.denied), self.denied());
        println!(
            "fetch    {:.1} us (p50) one after the other; {:.0} calls/s and {:.0} us of the gate's CPU at {}",
            middle(&self.fetch_serial),
            self.fetch.calls_per_s,
            micros(self.fetch.gate_cpu),
            self.fetch.connections,
        );
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let [best, worst] = [0.0, 1.0].map(|q| ms(self.ready.quantile(q)));
        println!(
            "ready    {best:.0} to {worst:.0} ms after the start of the process, modules compiled before"
        );
    }

    /// A refusal, in executed calls.
    pub fn denied(&self) -> f64 {
        micros(self.denied.answer.quantile(0.5)) / micros(self.serial.answer.quantile(0.5))
    }
}
