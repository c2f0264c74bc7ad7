//! A long log: verified, started on and asked.

use std::path::Path;
use std::time::{Duration, Instant};

use ed25519_dalek::Signer as _;
use latchgate_ledger::Ledger;
use latchgate_ledger::verify::{Request, Trust, verify};
use latchgate_wire::api::AuditQuery;
use latchgate_wire::principal::Principal;

use crate::{Failure, append, entries, log, machine, tell};

/// As long as an entry's signed bytes are on average.
const MESSAGE_BYTES: usize = 1_350;

/// Signatures that all cores check in a second, and nothing else.
pub fn bare_signatures(count: usize) -> f64 {
    let key = append::key();
    let message = |n: usize| [&n.to_be_bytes()[..], &[b'x'; MESSAGE_BYTES]].concat();
    let signed: Vec<_> = (0..count).map(|n| (message(n), key.sign(&message(n)))).collect();
    let (start, key) = (Instant::now(), key.verifying_key());
    let share = count.div_ceil(machine::cores()).max(1);
    std::thread::scope(|scope| {
        for signed in signed.chunks(share) {
            scope.spawn(move || {
                for (message, signature) in signed {
                    assert!(std::hint::black_box(key.verify_strict(message, signature)).is_ok());
                }
            });
        }
    });
    count as f64 / start.elapsed().as_secs_f64()
}

pub fn measure(dir: &Path, size: u64, bare: f64) -> Result<(), Failure> {
    println!("\n{size} entries");
    let ((), took) = timed(|| log::write(dir, size))?;
    println!("  written in {:.0} s", took.as_secs_f64());
    verified(dir, size, bare)?;
    // The first start reads everything, and builds the index and the tiles.
    let open = || timed(|| Ok(Ledger::open(append::config(dir)?)?));
    let (opened, took) = open()?;
    tell("start that reads all of it, s", None, &format!("{:.2}", took.as_secs_f64()));
    close(opened)?;
    let ((mut ledger, mut recovery), mut best) = open()?;
    for _ in 0..2 {
        close((ledger, recovery))?;
        let again = open()?;
        ((ledger, recovery), best) = (again.0, best.min(again.1));
    }
    if recovery.sealed == 0 && size >= 16_384 {
        return Err("the sealed state was not taken up".into());
    }
    let ready = best.as_secs_f64();
    tell("start from the sealed state, s", Some(("<", 1.0, ready < 1.0)), &format!("{ready:.3}"));
    queried(&ledger)?;
    close((ledger, recovery))?;
    Ok(std::fs::remove_dir_all(dir)?)
}

fn verified(dir: &Path, size: u64, bare: f64) -> Result<(), Failure> {
    machine::reset_peak();
    let request = Request {
        dir: &dir.join("ledger"),
        trust: Trust::Key(append::key().verifying_key()),
        remembered: &[],
        since: None,
        payload_key: None,
        progress: &|_| {},
    };
    let (report, took) = timed(|| Ok(verify(&request)?))?;
    if let Some(finding) = report.findings.first() {
        return Err(format!("the log is not sound: {finding:?}").into());
    }
    let per_s = size as f64 / took.as_secs_f64();
    let share = per_s / bare;
    tell(
        "verify: of the bare signature checks a second",
        Some((">=", 0.6, share >= 0.6)),
        &format!("{share:.2}"),
    );
    let peak = machine::peak_mib().map_or("n/a".into(), |peak| format!("{peak} MiB"));
    println!(
        "  {per_s:.0} entries/s, bare {bare:.0} signatures/s on {} cores; at most {peak} resident",
        machine::cores()
    );
    Ok(())
}

fn queried(ledger: &Ledger) -> Result<(), Failure> {
    let limit = Some(100);
    let rare = Some(Principal::Uid(entries::RARE_UID).to_string());
    let frequent = Some(Principal::Uid(1000).to_string());
    let middle = ledger.query(&AuditQuery {
        limit: Some(1),
        before: Some(ledger.stats().entries / 2),
        ..Default::default()
    })?;
    let middle = middle.entries.first().and_then(|entry| entry.get("time")?.as_str()?.parse().ok());
    let receipt = ledger.query(&AuditQuery {
        limit: Some(1),
        kind: Some("call.outcome".into()),
        ..Default::default()
    })?;
    let receipt =
        receipt.entries.first().and_then(|entry| Some(entry.get("receipt_id")?.as_str()?.to_owned()));
    let all = AuditQuery { limit, ..Default::default() };
    let queries = [
        ("all", all.clone()),
        ("a frequent kind", AuditQuery { kind: Some("call.intent".into()), ..all.clone() }),
        ("a rare kind", AuditQuery { kind: Some("gate.started".into()), ..all.clone() }),
        ("a frequent principal", AuditQuery { principal: frequent.clone(), ..all.clone() }),
        ("a rare principal", AuditQuery { principal: rare.clone(), ..all.clone() }),
        ("a rare action", AuditQuery { action: Some("rare_read".into()), ..all.clone() }),
        (
            "a rare action of a frequent kind",
            AuditQuery { action: Some("rare_read".into()), kind: Some("call.outcome".into()), ..all.clone() },
        ),
        (
            "principal and action that never meet",
            AuditQuery { principal: frequent.clone(), action: Some("rare_read".into()), ..all.clone() },
        ),
        ("a principal until the middle", AuditQuery { principal: frequent, until: middle, ..all.clone() }),
        ("a receipt", AuditQuery { id: receipt, ..all }),
    ];
    let mut worst = Duration::ZERO;
    for (name, query) in queries {
        ledger.query(&query)?;
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(timed(|| Ok(ledger.query(&query)?))?.1);
        }
        times.sort_unstable();
        worst = worst.max(times[2]);
        println!("  newest 100 of {name}: {:.1} ms", times[2].as_secs_f64() * 1e3);
    }
    let worst = worst.as_secs_f64() * 1e3;
    tell("the slowest of these queries, ms", Some(("<", 50.0, worst < 50.0)), &format!("{worst:.1}"));
    Ok(())
}

fn close((ledger, _): (Ledger, latchgate_ledger::Recovery)) -> Result<(), Failure> {
    Ok(pollster::block_on(ledger.close("bench"))?)
}

fn timed<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<(T, Duration), Failure> {
    let start = Instant::now();
    let made = work()?;
    Ok((made, start.elapsed()))
}
