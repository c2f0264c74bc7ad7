//! From `revoke --all` to the last effect, and to the last of the calls that ran then: stopped, recorded and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::StatusCode;
use latchgate_wire::es256::SigningKey;
use latchgate_wire::jwk::Jwk;
use serde_json::json;
use tokio::task::JoinSet;

use crate::agent::{Agent, Connection, new_key};
use crate::gate::Gate;
use crate::measure::Samples;
use crate::upstream::{Path, Upstream};
use crate::{FETCH, micros};

/// Calls that run when they are revoked.
pub const CALLS: usize = 200;
/// Who makes them: places in the sandbox are shared out among principals, and one alone gets half.
const ENROLLED: usize = 4;
/// How long the calls may take to come to the point of running.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Revoked {
    /// To the last request that the service saw, of callers who call again and again.
    pub effects: Samples,
    /// To the last answer of calls whose service does not answer.
    pub stops: Samples,
}

/// # Errors
/// A call that ended otherwise than by the revocation.
pub fn measure(gate: &Gate, upstream: &Upstream, times: usize) -> Result<Revoked> {
    // Callers on threads of their own: two hundred of them are not to wait for each other.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let keys = enrol(gate).await?;
        let (mut effects, mut stops) = (Vec::new(), Vec::new());
        for _ in 0..times {
            let Ended { revoked_at, .. } = revoke_among(gate, &keys, upstream, Path::Slow).await?;
            let last = upstream.asked().last.context("the service was not asked")?;
            effects.push(last.saturating_duration_since(revoked_at));
            let Ended { revoked_at, last } = revoke_among(gate, &keys, upstream, Path::Never).await?;
            stops.push(last.saturating_duration_since(revoked_at));
        }
        Ok(Revoked { effects: Samples::new(effects), stops: Samples::new(stops) })
    })
}

/// Enrolled agents beside the user that everything here runs as.
async fn enrol(gate: &Gate) -> Result<Vec<SigningKey>> {
    let mut keys = vec![new_key()?];
    for n in 0..ENROLLED {
        let key = new_key()?;
        let body = json!({ "name": format!("revoked-{n}"), "jwk": Jwk::from(key.verifying_key()) });
        gate.operate("POST", "/v1/agents", Bytes::from(body.to_string())).await?;
        keys.push(key);
    }
    Ok(keys)
}

struct Ended {
    revoked_at: Instant,
    /// When the last caller was told.
    last: Instant,
}

async fn revoke_among(gate: &Gate, keys: &[SigningKey], upstream: &Upstream, path: Path) -> Result<Ended> {
    let mut agents = Vec::new();
    for key in keys {
        let mut connection = Connection::open(&gate.socket()).await?;
        agents.push(Arc::new(Agent::with_key(&mut connection, key.clone()).await?));
    }
    let before = upstream.asked().count;
    let mut callers = JoinSet::new();
    for agent in agents.iter().cycle().take(CALLS) {
        let connection = Connection::open(&gate.socket()).await?;
        callers.spawn(call_until_revoked(connection, Arc::clone(agent), upstream.body(path)));
    }
    // Where answers come, every caller has called once and again on the average.
    let begun = if path == Path::Never { CALLS } else { 2 * CALLS };
    let until = Instant::now() + PATIENCE;
    while upstream.asked().count - before < begun {
        ensure!(Instant::now() < until, "{} of {begun} calls ran", upstream.asked().count - before);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let revoked_at = Instant::now();
    let all = Bytes::from_static(br#"{"target":{"all":"everything"}}"#);
    gate.operate("POST", "/v1/revoke", all).await?;
    let mut last = revoked_at;
    while let Some(ended) = callers.join_next().await {
        last = last.max(ended??);
    }
    Ok(Ended { revoked_at, last })
}

/// The moment in which the caller was told that it is over.
async fn call_until_revoked(mut connection: Connection, agent: Arc<Agent>, body: String) -> Result<Instant> {
    loop {
        let request = agent.call(FETCH, body.clone(), agent.sign_call(FETCH, &body)?)?;
        let (status, answer) = connection.send(request).await?;
        if status == StatusCode::OK {
            continue;
        }
        let text = String::from_utf8_lossy(&answer);
        ensure!(text.contains("lease_revoked"), "a call was not revoked: {status} {text}");
        return Ok(Instant::now());
    }
}

impl Revoked {
    pub fn print(&self) {
        println!("\nrevoke --all with {CALLS} calls running, from the request on");
        println!("{:<36} {:>9} {:>9} {:>9}", "", "p50 ms", "p99 ms", "max ms");
        for (name, samples) in
            [("the last effect", &self.effects), ("the last call stopped and told", &self.stops)]
        {
            let [p50, p99, max] = [0.5, 0.99, 1.0].map(|q| micros(samples.quantile(q)) / 1e3);
            println!("{name:<36} {p50:>9.1} {p99:>9.1} {max:>9.1}");
        }
    }
}
