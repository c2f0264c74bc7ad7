//! Measures commits in this process: `cargo run -p latchgate-ledger --example commits -- [CALLS] [CALLERS] [WORK_US]`.
//!
//! A call is two commits, an intent and its outcome, as the gate makes them, with `WORK_US` microseconds of computing before
//! each. Printed, never asserted.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use latchgate_ledger::{Ledger, OpenConfig, Stats, exit_process};
use latchgate_monitor::ports::{Clock, Commit, Durability, Log as _, Payloads as _};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::*;
use latchgate_wire::ids::*;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;
use tokio::task::JoinSet;

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(0))
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>());
    let calls = args.next().transpose()?.unwrap_or(2_000);
    let callers = args.next().transpose()?.filter(|callers| *callers > 0);
    let work = Duration::from_micros(args.next().transpose()?.unwrap_or(0));
    let dir = tempfile::tempdir()?;
    std::fs::create_dir(dir.path().join("keys"))?;
    let (ledger, _) = Ledger::open(OpenConfig {
        dir: dir.path().join("ledger"),
        index_dir: dir.path().join("index"),
        last_checkpoint: dir.path().join("keys/last-checkpoint"),
        origin: "bench/01BENCHBENCHBENCHBENCHBENCH".into(),
        entry_key: SigningKey::from_bytes(&[1; 32]),

        next_key: None,
        payload_key: [2; 32].into(),
        state_key: [3; 32].into(),
        clock: Arc::new(WallClock),
        version: "bench".into(),
        boundary: Boundary::SameUser,
        on_fatal: exit_process(),
    })?;
    prepare(&ledger).await?;
    for callers in callers.map_or(vec![1, 4, 32], |callers| vec![callers]) {
        for (kind, is_read) in [("reads", true), ("writes", false)] {
            measure(&ledger, kind, is_read, calls, callers, work).await?;
        }
    }
    ledger.close("bench").await?;
    Ok(())
}

async fn prepare(ledger: &Ledger) -> Result<(), Failure> {
    let now = WallClock.now();
    let config = ConfigChanged {
        policy_digest: Digest::of(b"policy"),
        actions: [("notes_write".to_owned(), Digest::of(b"manifest"))].into(),
    };
    let lease = LeaseIssued {
        who: who(),
        jkt: "jkt".into(),
        scopes: vec!["tools:call".into()],
        budgets: Budgets { max_calls: Some(10_000_000), max_cost_usd_cents: None },
        expires_at: now.plus_ms(3_600_000),
        session_expires_at: now.plus_ms(86_400_000),
        renews: None,
        proof: None,
    };
    for body in [Body::ConfigChanged(config), Body::LeaseIssued(lease)] {
        ledger.commit(Commit { trace_id: None, body, payload: Durability::Buffered }).await?;
    }
    Ok(())
}

async fn measure(
    ledger: &Ledger,
    kind: &str,
    is_read: bool,
    calls: u64,
    callers: u64,
    work: Duration,
) -> Result<(), Failure> {
    let (before, cpu, start) = (ledger.stats(), cpu_us()?, Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut times = Vec::new();
            for _ in 0..calls / callers {
                let start = Instant::now();
                call(&ledger, is_read, work).await?;
                times.push(start.elapsed().as_micros());
            }
            Ok::<_, Failure>(times)
        });
    }
    let mut times = Vec::new();
    for result in tasks.join_all().await {
        times.extend(result?);
    }
    let (wall, cpu) = (start.elapsed(), cpu_us()? - cpu);
    times.sort_unstable();
    let Stats { syncs, payload_syncs, entries, .. } = ledger.stats();
    let done = times.len().max(1);
    let per_call = |n: u64| n as f64 / done as f64;
    println!(
        "{kind:6} callers {callers:3}  {:7.0} calls/s  p50 {:6} us  p99 {:6} us  cpu {:5.1} us/commit  syncs/call {:.2} + {:.2} payload",
        done as f64 / wall.as_secs_f64(),
        times[done / 2],
        times[done * 99 / 100],
        cpu as f64 / (entries - before.entries) as f64,
        per_call(syncs - before.syncs),
        per_call(payload_syncs - before.payload_syncs),
    );
    Ok(())
}

async fn call(ledger: &Ledger, is_read: bool, work: Duration) -> Result<(), Failure> {
    compute(work);
    let mut random = [0; 48];
    getrandom::fill(&mut random)?;
    let payload = ledger.payloads().put(&[7; 500])?;
    let entropy = u128::from_le_bytes(random[..16].try_into()?);
    let now = WallClock.now();
    let made = u64::try_from(now.as_ms())?;
    let intent = CallIntent {
        grant_id: GrantId::new(made, entropy),
        call: Call {
            who: who(),
            action: ActionRef {
                id: "notes_write".into(),
                version: "1.0.0".into(),
                manifest_digest: Digest::of(b"manifest"),
                module_digest: Digest::of(b"module"),
            },
            request_hash: Digest::of(&random),
            operation: Operation {
                summary: "Write a note".into(),
                target: "https://api.example.com/notes/{id}".into(),
                digest: Digest::of(b"plan"),
            },
            plan: PlanRef { digest: Digest::of(b"plan"), kind: PlanKind::Exact },
            args_digest: Digest::of(b"args"),
            payload,
            policy: PolicyRef {
                digest: Digest::of(b"policy"),
                rule: "allow-notes".into(),
                verdict: Verdict::Allow,
                at_most: None,
            },
            idempotency_key: None,
            is_read,
            proof: Some(ProofId { jkt: "k".repeat(43), jti: entropy.to_string(), iat: now.as_secs() }),
        },
        approval: None,
        cost: Cost { calls: 1, ..Cost::default() },
        deadline: now.plus_ms(30_000),
        pins: None,
        limits: Vec::new(),
    };
    let durability = if is_read { Durability::Buffered } else { Durability::Synced };
    let trace_id = Some(TraceId::new(made, entropy));
    let commit = |body| Commit { trace_id, body, payload: durability };
    let seq = ledger.commit(commit(Body::CallIntent(intent.clone()))).await?.seq;
    compute(work);
    let result = ledger.payloads().put(&[8; 500])?;
    let receipt = outcome(seq, &intent, result, ReceiptId::new(made, entropy));
    ledger.commit(commit(Body::CallOutcome(receipt))).await?;
    Ok(())
}

/// What the rest of a call costs the processor.
fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn outcome(intent_seq: u64, intent: &CallIntent, payload: PayloadAt, receipt_id: ReceiptId) -> Receipt {
    let call = &intent.call;
    Receipt {
        receipt_id,
        intent_seq,
        grant_id: intent.grant_id,
        action: call.action.clone(),
        principal: call.who.principal.clone(),
        agent: call.who.agent.clone(),
        session_id: call.who.session_id,
        operation: call.operation.clone(),
        effects: vec![Effect {
            kind: "http.request".into(),
            target: call.operation.target.clone(),
            status: EffectStatus::Done,
            http_status: Some(200),
            bytes: 500,
            digest: Some(Digest::of(b"body")),
        }],
        verification: Verification { status: VerificationStatus::Verified },
        result: Some(ResultRef {
            kind: ResultKind::Success,
            digest: Digest::of(b"out"),
            bytes: 500,
            payload: Some(payload),
        }),
        approval: None,
        boundary: Boundary::SameUser,
        runtime: Runtime { duration_ms: 3, exit_code: 0, fuel_consumed: 123_456 },
        cost: intent.cost,
        started_at: WallClock.now(),
        finished_at: WallClock.now(),
        failure_class: None,
    }
}

fn who() -> Who {
    Who {
        principal: Principal::Uid(1000),
        session_id: SessionId::new(1, 1),
        lease_jti: LeaseId::new(1, 1),
        agent: Some("bench".into()),
    }
}

/// User and system time of this process so far (proc(5): fields 14 and 15 of `stat`, in hundredths of a second).
fn cpu_us() -> Result<u64, Failure> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<u64> =
        after_name.split_whitespace().skip(11).take(2).filter_map(|f| f.parse().ok()).collect();
    Ok(fields.iter().sum::<u64>() * 10_000)
}
