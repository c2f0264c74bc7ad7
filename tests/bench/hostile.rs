//! How long hostile guests last, and what innocent calls beside them wait, compared with calls alone in the same run.

mod guests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use latchgate_tests::guest;
use tokio::task::JoinSet;

use crate::agent::{Agent, Connection, check_executed};
use crate::gate::Gate;
use crate::goals::BUSY_MAX;
use crate::measure::Samples;
use guests::{GUESTS, Hostile, LIMIT_MS};

/// What a guest may last beyond its limit.
const GRACE: Duration = Duration::from_millis(250);
/// What an innocent call's p99 may become.
const TIMES_MAX: f64 = 2.0;
/// Hostile calls at a time.
const BESIDE: usize = 4;
/// From the beginning of one to that of the next, for each: calls that end at once would otherwise measure the gate under load,
/// not beside hostile guests.
const EACH: Duration = Duration::from_millis(100);

/// How often things are done.
struct Counts {
    stops: usize,
    innocent: usize,
}

struct Row {
    name: &'static str,
    /// From a call to its answer, one at a time and beside others.
    stop: Samples,
    crowded: Samples,
    alone: Samples,
    beside: Samples,
}

pub fn run(binary: &Path, dir: &Path, is_short: bool, busy: f64) -> Result<()> {
    let counts = match is_short {
        true => Counts { stops: 1, innocent: 50 },
        false => Counts { stops: 5, innocent: 1_000 },
    };
    // Hostile calls are made by threads of their own: this one only measures.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let gate = runtime.block_on(Gate::start(binary, dir, &manifests()))?;
    let rows = runtime.block_on(measure(&gate, &counts));
    let rows = rows.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    print(&rows, busy);
    Ok(())
}

fn manifests() -> Vec<(String, Vec<u8>)> {
    let files = GUESTS.iter().flat_map(|hostile| {
        let (action, module, limits) = (hostile.action(), hostile.module(), hostile.limits());
        let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
        let manifest = guest::manifest(&action, &module, &limits);
        [(format!("{action}.yaml"), manifest.into_bytes()), (format!("{action}.wasm"), module)]
    });
    files.collect()
}

async fn measure(gate: &Gate, counts: &Counts) -> Result<Vec<Row>> {
    let mut innocent = Innocent::new(gate).await?;
    innocent.calls(counts.innocent).await?;
    let mut rows = Vec::new();
    for hostile in GUESTS {
        let mut client = Client::new(gate, hostile, Arc::default()).await?;
        let mut stop = Vec::new();
        for _ in 0..counts.stops {
            stop.push(client.call().await?);
        }
        let mut alone = innocent.calls(counts.innocent.div_ceil(2)).await?;
        let (beside, crowded) = innocent.calls_beside(gate, hostile, counts).await?;
        alone.extend(innocent.calls(counts.innocent.div_ceil(2)).await?);
        rows.push(Row {
            name: hostile.name,
            stop: Samples::new(stop),
            crowded: Samples::new(crowded),
            alone: Samples::new(alone),
            beside: Samples::new(beside),
        });
    }
    Ok(rows)
}

/// Reads a small file, again and again.
struct Innocent {
    connection: Connection,
    agent: Agent,
}

impl Innocent {
    async fn new(gate: &Gate) -> Result<Self> {
        let mut connection = Connection::open(&gate.socket()).await?;
        let agent = Agent::new(&mut connection).await?;
        Ok(Self { connection, agent })
    }

    async fn calls(&mut self, count: usize) -> Result<Vec<Duration>> {
        let mut taken = Vec::with_capacity(count);
        for _ in 0..count {
            let request = self.agent.request(self.agent.sign()?)?;
            let start = Instant::now();
            let (status, answer) = self.connection.send(request).await?;
            taken.push(start.elapsed());
            check_executed(status, &answer)?;
        }
        Ok(taken)
    }

    /// Its own calls, and the hostile ones meanwhile, of which at least one ended for each client.
    async fn calls_beside(
        &mut self,
        gate: &Gate,
        hostile: &'static Hostile,
        counts: &Counts,
    ) -> Result<(Vec<Duration>, Vec<Duration>)> {
        let (is_over, numbers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(1000)));
        let mut clients = JoinSet::new();
        for _ in 0..BESIDE {
            let mut client = Client::new(gate, hostile, Arc::clone(&numbers)).await?;
            let is_over = Arc::clone(&is_over);
            clients.spawn(async move {
                let mut taken = vec![client.call().await?];
                while !is_over.load(Ordering::Relaxed) {
                    let next = tokio::time::Instant::now() + EACH;
                    taken.push(client.call().await?);
                    tokio::time::sleep_until(next).await;
                }
                anyhow::Ok(taken)
            });
        }
        let beside = self.calls(counts.innocent).await;
        is_over.store(true, Ordering::Relaxed);
        let mut crowded = Vec::new();
        while let Some(client) = clients.join_next().await {
            crowded.extend(client??);
        }
        Ok((beside?, crowded))
    }
}

/// Calls one hostile guest.
struct Client {
    connection: Connection,
    agent: Agent,
    action: String,
    /// No two calls are the same.
    numbers: Arc<AtomicU64>,
}

impl Client {
    async fn new(gate: &Gate, hostile: &Hostile, numbers: Arc<AtomicU64>) -> Result<Self> {
        let mut connection = Connection::open(&gate.socket()).await?;
        let agent = Agent::new(&mut connection).await?;
        Ok(Self { connection, agent, action: hostile.action(), numbers })
    }

    async fn call(&mut self) -> Result<Duration> {
        let body = format!(r#"{{"n":{}}}"#, self.numbers.fetch_add(1, Ordering::Relaxed));
        let proof = self.agent.sign_call(&self.action, &body)?;
        let request = self.agent.call(&self.action, body, proof)?;
        let start = Instant::now();
        let (status, answer) = self.connection.send(request).await?;
        let taken = start.elapsed();
        let text = String::from_utf8_lossy(&answer);
        let was_stopped = status == StatusCode::BAD_GATEWAY && text.contains("action_failed");
        ensure!(was_stopped, "{} was not stopped: {status} {text}", self.action);
        Ok(taken)
    }
}

fn print(rows: &[Row], busy: f64) {
    println!("hostile guests with a limit of {LIMIT_MS} ms: the whole call, alone and {BESIDE} at a time");
    println!(
        "innocent: fs_read, one call after the other, without and with {BESIDE} hostile ones at a time\n"
    );
    println!(
        "{:<18} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11} {:>11} {:>7}",
        "",
        "alone ms",
        "4x p50 ms",
        "4x max ms",
        "p50 alone",
        "p50 beside",
        "p99 alone",
        "p99 beside",
        "times"
    );
    for row in rows {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let innocent = |samples: &Samples, q| ms(samples.quantile(q));
        println!(
            "{:<18} {:>9.0} {:>9.0} {:>9.0} {:>11.2} {:>11.2} {:>11.2} {:>11.2} {:>7.1}",
            row.name,
            ms(row.stop.quantile(1.0)),
            ms(row.crowded.quantile(0.5)),
            ms(row.crowded.quantile(1.0)),
            innocent(&row.alone, 0.5),
            innocent(&row.beside, 0.5),
            innocent(&row.alone, 0.99),
            innocent(&row.beside, 0.99),
            row.times(),
        );
    }
    let limit = Duration::from_millis(u64::from(LIMIT_MS)) + GRACE;
    println!();
    let judge = |what: &str, holds: &dyn Fn(&Row) -> bool| {
        let missed: Vec<&str> = rows.iter().filter(|row| !holds(row)).map(|row| row.name).collect();
        let verdict = match (missed.is_empty(), busy > BUSY_MAX) {
            (true, _) => "pass".to_owned(),
            (false, true) => format!("unsure, the machine was busy: {}", missed.join(", ")),
            (false, false) => format!("MISS: {}", missed.join(", ")),
        };
        println!("{what:<58} {verdict}");
    };
    judge("stopped within the limit and 250 ms", &|row| {
        row.stop.quantile(1.0).max(row.crowded.quantile(1.0)) <= limit
    });
    judge("innocent p99 at most twice as long", &|row| row.times() <= TIMES_MAX);
}

impl Row {
    fn times(&self) -> f64 {
        self.beside.quantile(0.99).as_secs_f64() / self.alone.quantile(0.99).as_secs_f64()
    }
}
