//! How fast recorded calls are replayed against another policy set, by the command that operators use.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::agent::Errand;
use crate::gate::Gate;
use crate::goals::{self, Goal};
use crate::load;

const CALLS: usize = 100_000;
const CALLS_SHORT: usize = 500;
const CONNECTIONS: usize = 32;
/// Made between two looks, so that no one list of latencies grows without bound.
const AT_ONCE: usize = 4_000;

/// # Errors
/// A gate that does not do the calls, or a replay that leaves one out.
pub async fn run(binary: &Path, dir: &Path, is_short: bool, busy: f64) -> Result<()> {
    let calls = if is_short { CALLS_SHORT } else { CALLS };
    let gate = Gate::start(binary, dir, &[]).await?;
    let recorded = async {
        let mut made = 0;
        while made < calls {
            let now = AT_ONCE.min(calls - made);
            load::concurrent(&gate, &Errand::read(), CONNECTIONS, now).await?;
            made += now;
        }
        anyhow::Ok(())
    };
    recorded.await.with_context(|| format!("the gate said:\n{}", gate.said()))?;
    let ran = Command::new(binary)
        .args(["policy", "simulate", "--since", "1d", "--policy", "preset:coding", "--json"])
        .env("LATCHGATE_HOME", gate.home())
        .output()?;
    ensure!(ran.status.success(), "the replay failed: {}", String::from_utf8_lossy(&ran.stderr));
    let replay: Value = serde_json::from_slice(&ran.stdout)?;
    let number = |name: &str| replay[name].as_u64().with_context(|| format!("no {name} in {replay}"));
    let replayed = number("replayed")?;
    ensure!(replayed >= calls as u64, "{replayed} calls were replayed of {calls}");
    let rate = number("calls_per_s")?;
    println!("replay   {replayed} recorded calls in {} ms: {rate} calls/s\n", number("took_ms")?);
    goals::print_all(
        vec![Goal::timed("recorded calls replayed per second".into(), rate as f64, (">=", 20_000.0))],
        busy,
    );
    Ok(())
}
