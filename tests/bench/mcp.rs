//! The same call through the MCP adapter and without it, on one gate in one run.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::Counts;
use crate::agent::Errand;
use crate::gate::Gate;
use crate::goals::{self, Goal};
use crate::load;
use crate::measure::{Samples, micros};

/// Calls at once.
const IN_FLIGHT: usize = 32;
const REVISION: &str = "2025-11-25";

/// The adapter behind pipes.
struct Adapter {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    last_id: u64,
}

impl Adapter {
    fn start(binary: &Path, gate: &Gate) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["serve", "--gate-socket"]).arg(gate.socket()).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("{} cannot be started", binary.display()))?;
        let stdin = child.stdin.take().context("no pipe")?;
        let stdout = BufReader::new(child.stdout.take().context("no pipe")?);
        Ok(Self { child, stdin, stdout, last_id: 0 })
    }

    fn begin(&mut self, method: &str, params: &Value) -> Result<u64> {
        self.last_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": self.last_id, "method": method, "params": params });
        self.stdin.write_all(format!("{message}\n").as_bytes())?;
        Ok(self.last_id)
    }

    /// The next answer to anything.
    fn answer(&mut self) -> Result<(u64, Value)> {
        loop {
            let mut line = String::new();
            ensure!(self.stdout.read_line(&mut line)? > 0, "the adapter ended");
            let message: Value = serde_json::from_str(&line)?;
            if let Some(id) = message["id"].as_u64() {
                ensure!(message["result"].is_object(), "refused: {message}");
                return Ok((id, message));
            }
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.begin(method, params)?;
        Ok(self.answer()?.1)
    }

    fn handshake(&mut self) -> Result<()> {
        let info = json!({ "name": "latchgate-bench", "version": "0" });
        let params = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": info });
        self.request("initialize", &params)?;
        Ok(self.stdin.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")?)
    }

    fn rss_kib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One way to the gate.
struct Way {
    serial: Samples,
    calls_per_s: f64,
}

/// Measures both ways in turns and prints what came of it.
pub async fn run(gate_binary: &Path, binary: &Path, dir: &Path, counts: &Counts, busy: f64) -> Result<()> {
    let gate = Gate::start(gate_binary, dir, &[]).await?;
    let first_list = first_lists(binary, &gate, counts.starts)?;
    let mut adapter = Adapter::start(binary, &gate)?;
    adapter.handshake()?;
    let errand = Errand::read();
    let call = json!({ "name": errand.action, "arguments": serde_json::from_str::<Value>(&errand.body)? });
    let direct = Way {
        serial: load::serial(&gate, &errand, counts.warm_up, counts.serial).await?.whole,
        calls_per_s: load::concurrent_signing(&gate, &errand, IN_FLIGHT, counts.concurrent).await?,
    };
    let through = Way {
        serial: serial(&mut adapter, &call, counts)?,
        calls_per_s: concurrent(&mut adapter, &call, counts.concurrent)?,
    };
    let rss = adapter.rss_kib()? as f64 / 1024.0;
    println!("fs_read            p50 us    p99 us   calls/s at {IN_FLIGHT}");
    for (name, way) in [("direct", &direct), ("through MCP", &through)] {
        let [p50, p99] = [0.5, 0.99].map(|q| micros(way.serial.quantile(q)));
        println!("{name:<14} {p50:>10.1} {p99:>9.1} {:>9.0}", way.calls_per_s);
    }
    let p50 = micros(through.serial.quantile(0.5)) / micros(direct.serial.quantile(0.5));
    let list_ms = first_list.quantile(0.5).as_secs_f64() * 1e3;
    let goals = vec![
        Goal::timed("a call through MCP, p50: direct calls".into(), p50, ("<=", 1.3)),
        Goal::timed(
            format!("calls/s through MCP at {IN_FLIGHT} in flight: of direct ones"),
            through.calls_per_s / direct.calls_per_s,
            (">=", 0.8),
        ),
        Goal::timed("ms from start to the first tools/list".into(), list_ms, ("<=", 100.0)),
        Goal::counted("MiB resident after all calls".into(), rss, ("<", 25.0)),
    ];
    goals::print_all(goals, busy);
    Ok(())
}

/// From the start of the process to the answer, handshake included.
fn first_lists(binary: &Path, gate: &Gate, starts: usize) -> Result<Samples> {
    let mut times = Vec::new();
    for _ in 0..starts {
        let start = Instant::now();
        let mut adapter = Adapter::start(binary, gate)?;
        adapter.handshake()?;
        let list = adapter.request("tools/list", &json!({}))?;
        times.push(start.elapsed());
        let tools = list["result"]["tools"].as_array().map_or(0, Vec::len);
        ensure!(tools > 1, "no action is listed: {list}");
    }
    Ok(Samples::new(times))
}

fn serial(adapter: &mut Adapter, call: &Value, counts: &Counts) -> Result<Samples> {
    let mut times = Vec::new();
    for n in 0..counts.warm_up + counts.serial {
        let start = Instant::now();
        let answer = adapter.request("tools/call", call)?;
        if n >= counts.warm_up {
            times.push(start.elapsed());
        }
        check(&answer)?;
    }
    Ok(Samples::new(times))
}

fn concurrent(adapter: &mut Adapter, call: &Value, calls: usize) -> Result<f64> {
    let mut open = HashSet::new();
    let start = Instant::now();
    let mut begun = 0;
    for _ in 0..calls {
        while begun < calls && open.len() < IN_FLIGHT {
            open.insert(adapter.begin("tools/call", call)?);
            begun += 1;
        }
        let (id, answer) = adapter.answer()?;
        ensure!(open.remove(&id), "an answer to nothing: {answer}");
        check(&answer)?;
    }
    Ok(calls as f64 / start.elapsed().max(Duration::from_micros(1)).as_secs_f64())
}

fn check(answer: &Value) -> Result<()> {
    ensure!(answer["result"]["isError"] == false, "the call failed: {answer}");
    Ok(())
}
