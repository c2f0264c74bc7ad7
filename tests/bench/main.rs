//! `latchgate-bench`: what a call through the gate costs, beside what the libraries under it cost alone.
//!
//! Everything is measured in one run on one machine, because only then the ratios mean something. A missed goal is shown
//! and is no failure; a measurement that could not be made is.

mod agent;
mod floor;
mod gate;
mod goals;
mod hostile;
mod load;
mod machine;
mod measure;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use gate::Gate;
use load::{Level, Serial};
use measure::micros;

#[derive(Parser)]
#[command(about = "Measure a gate against the libraries it is built on")]
struct Args {
    /// The binary `latchgate`
    #[arg(long)]
    gate: PathBuf,
    /// The component `fs`, for everything but --hostile
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
        true => Counts { floor: 100, warm_up: 20, serial: 100, concurrent: 200 },
        false => Counts { floor: 3_000, warm_up: 500, serial: 2_000, concurrent: 4_000 },
    };
    let dir = tempfile::Builder::new().prefix("b").tempdir_in(&args.dir);
    let dir = dir.with_context(|| format!("no directory below {}", args.dir.display()))?;
    let busy = machine::busy()?;
    println!("machine  {}", machine::describe(dir.path())?);
    println!("others   keep {:.0} % of it busy\n", busy * 100.0);

    if args.hostile {
        return hostile::run(&args.gate, dir.path(), args.short, busy);
    }
    let guest = args.guest.as_ref().context("--guest is missing")?;
    let floor = || floor::measure(guest, dir.path(), counts.floor);
    let before = floor()?;
    if args.floor_only {
        before.print();
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let gate = runtime.block_on(Gate::start(&args.gate, dir.path(), &[]))?;
    let measured = runtime.block_on(measure_gate(&gate, &counts));
    let measured = measured.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    let floor = before.or_less(floor()?);
    floor.print();
    measured.print();
    goals::print(&floor, &measured, busy)
}

/// What was seen of the gate.
pub struct Measured {
    pub serial: Serial,
    pub levels: Vec<Level>,
    /// Bytes in the log and in the payload store, per executed call.
    pub log_bytes: f64,
    pub payload_bytes: f64,
    pub rss_kib: u64,
}

async fn measure_gate(gate: &Gate, counts: &Counts) -> Result<Measured> {
    let serial = load::serial(gate, counts.warm_up, counts.serial).await?;
    let (log, payload) = gate.ledger_bytes()?;
    let mut levels = Vec::new();
    for connections in CONNECTIONS {
        levels.push(load::concurrent(gate, connections, counts.concurrent).await?);
    }
    let calls = (counts.concurrent * CONNECTIONS.len()) as f64;
    let (log_after, payload_after) = gate.ledger_bytes()?;
    Ok(Measured {
        serial,
        levels,
        log_bytes: (log_after - log) as f64 / calls,
        payload_bytes: (payload_after - payload) as f64 / calls,
        rss_kib: gate.rss_kib()?,
    })
}

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
        println!("memory   {} KiB resident", self.rss_kib);
    }
}
