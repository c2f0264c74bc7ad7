//! Calls through the gate: one after the other, and many at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use http::HeaderValue;
use tokio::task::JoinSet;

use crate::agent::{Agent, Connection, Errand};
use crate::gate::Gate;
use crate::measure::{Samples, cpu_of_process};

/// One connection, one call at a time.
pub struct Serial {
    pub signing: Samples,
    /// From the first byte sent to the last byte read.
    pub answer: Samples,
    pub whole: Samples,
}

/// Many connections, each with one call at a time.
pub struct Level {
    pub connections: usize,
    pub calls_per_s: f64,
    pub latency: Samples,
    /// Per call. Connections and proofs were made before.
    pub gate_cpu: Duration,
    pub client_cpu: Duration,
    pub syncs: Option<f64>,
}

pub async fn serial(gate: &Gate, errand: &Errand, warm_up: usize, calls: usize) -> Result<Serial> {
    let mut connection = Connection::open(&gate.socket()).await?;
    let agent = Agent::new(&mut connection).await?;
    let (mut signing, mut answer, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    for call in 0..warm_up + calls {
        let start = Instant::now();
        let proof = agent.sign_call(&errand.action, &errand.body)?;
        let signed = Instant::now();
        let request = agent.call(&errand.action, errand.body.clone(), proof)?;
        let (status, body) = connection.send(request).await?;
        let end = Instant::now();
        errand.check(status, &body)?;
        if call >= warm_up {
            signing.push(signed - start);
            answer.push(end - signed);
            whole.push(end - start);
        }
    }
    Ok(Serial { signing: Samples::new(signing), answer: Samples::new(answer), whole: Samples::new(whole) })
}

pub async fn concurrent(gate: &Gate, errand: &Errand, connections: usize, calls: usize) -> Result<Level> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(&gate.socket()).await?);
    }
    let agent = Arc::new(Agent::new(&mut Connection::open(&gate.socket()).await?).await?);
    let syncs = gate.syncs().await?;
    let proofs: Result<Vec<HeaderValue>> =
        (0..calls).map(|_| agent.sign_call(&errand.action, &errand.body)).collect();
    let proofs = Arc::new(Mutex::new(proofs?));

    let (gate_cpu, client_cpu, start) = (gate.cpu()?, cpu_of_process(), Instant::now());
    let mut workers = JoinSet::new();
    for connection in open {
        workers.spawn(work(connection, Arc::clone(&agent), errand.clone(), Arc::clone(&proofs)));
    }
    let mut latency = Vec::with_capacity(calls);
    while let Some(done) = workers.join_next().await {
        latency.extend(done??);
    }
    let (time, gate_cpu, client_cpu) =
        (start.elapsed(), gate.cpu()? - gate_cpu, cpu_of_process() - client_cpu);

    ensure!(latency.len() == calls, "{} of {calls} calls were made", latency.len());
    let syncs_after = gate.syncs().await?;
    let per_call = |total: Duration| total.div_f64(calls as f64);
    Ok(Level {
        connections,
        calls_per_s: calls as f64 / time.as_secs_f64(),
        latency: Samples::new(latency),
        gate_cpu: per_call(gate_cpu),
        client_cpu: per_call(client_cpu),
        syncs: syncs.zip(syncs_after).map(|(before, after)| (after - before) as f64 / calls as f64),
    })
}

/// Calls a second over so many connections, each proof signed when it is needed: as an agent has it.
pub async fn concurrent_signing(
    gate: &Gate,
    errand: &Errand,
    connections: usize,
    calls: usize,
) -> Result<f64> {
    let agent = Arc::new(Agent::new(&mut Connection::open(&gate.socket()).await?).await?);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(&gate.socket()).await?);
    }
    let left = Arc::new(AtomicUsize::new(calls));
    let (start, mut workers) = (Instant::now(), JoinSet::new());
    for mut connection in open {
        let (agent, errand, left) = (Arc::clone(&agent), errand.clone(), Arc::clone(&left));
        workers.spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            {
                let proof = agent.sign_call(&errand.action, &errand.body)?;
                let request = agent.call(&errand.action, errand.body.clone(), proof)?;
                let (status, body) = connection.send(request).await?;
                errand.check(status, &body)?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = workers.join_next().await {
        done??;
    }
    Ok(calls as f64 / start.elapsed().as_secs_f64())
}

/// Takes proofs until there are none.
async fn work(
    mut connection: Connection,
    agent: Arc<Agent>,
    errand: Errand,
    proofs: Arc<Mutex<Vec<HeaderValue>>>,
) -> Result<Vec<Duration>> {
    let mut latency = Vec::new();
    loop {
        let proof = proofs.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(proof) = proof else { return Ok(latency) };
        let start = Instant::now();
        let request = agent.call(&errand.action, errand.body.clone(), proof)?;
        let (status, body) = connection.send(request).await?;
        latency.push(start.elapsed());
        errand.check(status, &body)?;
    }
}
