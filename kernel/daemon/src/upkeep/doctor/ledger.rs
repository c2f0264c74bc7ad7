//! The ledger at a glance: its end, its checkpoints, and its last entry's time against the clock.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use latchgate_ledger::glance::{Glance, glance};

use super::finding::Finding;
use crate::home::places::Places;

/// How far the clock may lie behind the last entry: what gate time may be ahead of it.
const BEHIND_MS_MAX: i64 = 60_000;

pub fn examine(places: &Places) -> Vec<Finding> {
    let dir = places.ledger_dir();
    // Without its key there is nothing to say; that it is missing is said of the keys.
    let Some(key) = public_key(&places.entry_public_key()) else { return Vec::new() };
    if !dir.join("log").is_dir() && !places.last_checkpoint().exists() {
        return vec![Finding::ok("ledger", "there is none yet: the first start makes it")];
    }
    match glance(&dir, &places.last_checkpoint(), &key) {
        Ok(seen) => {
            let signed = seen.checkpoint_size.unwrap_or(0);
            let what = format!("{} entries, {signed} of them under a checkpoint", seen.entries);
            let mut findings = vec![Finding::ok("ledger", what)];
            findings.extend(behind(&seen));
            findings
        }
        Err(error) => vec![
            Finding::problem("ledger", error.to_string())
                .means("the gate does not start with it")
                .run("latchgate verify"),
        ],
    }
}

fn behind(seen: &Glance) -> Option<Finding> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    let behind = seen.last_entry_at?.as_ms() - now;
    (behind > BEHIND_MS_MAX).then(|| {
        let what = format!("the clock lies {} s behind the ledger's last entry", behind / 1000);
        Finding::problem("clock", what)
            .means("the gate refuses calls until an operator accepts the clock")
            .run("timedatectl set-ntp true && latchgate clock accept")
    })
}

fn public_key(path: &Path) -> Option<VerifyingKey> {
    VerifyingKey::from_public_key_pem(&std::fs::read_to_string(path).ok()?).ok()
}
