//! How long payloads are kept, by the class of their action: past that the gate forgets them by itself, with an entry that says so.

use std::sync::Arc;
use std::time::Duration;

use latchgate_ledger::Ledger;
use latchgate_monitor::denial::Denial;
use latchgate_monitor::manifest::Class;
use latchgate_monitor::ports::Clock as _;
use latchgate_wire::api::AuditQuery;
use latchgate_wire::entry::Forgotten;
use latchgate_wire::time::Timestamp;

use super::{blocking, bundle, forget};
use crate::config::RetentionSettings;
use crate::gate::Gate;

const EVERY: Duration = Duration::from_secs(60);

/// One class, and how far its entries were looked at.
struct Kept {
    class: Class,
    name: &'static str,
    for_s: u32,
    from: Option<u64>,
}

/// Forgets once a minute what is older than the settings say. Ends with the task that runs it.
pub async fn keep(gate: Arc<Gate>) {
    let mut kept = classes(&gate.config.retention);
    let mut interval = tokio::time::interval(EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !kept.is_empty() {
        interval.tick().await;
        for kept in &mut kept {
            if let Err(denial) = kept.forget(&gate).await {
                tracing::error!(class = kept.name, detail = %denial.detail, "payloads could not be forgotten");
            }
        }
    }
}

fn classes(settings: &RetentionSettings) -> Vec<Kept> {
    let all = [
        (Class::Read, "read", settings.read_s),
        (Class::Write, "write", settings.write_s),
        (Class::Send, "send", settings.send_s),
        (Class::Execute, "execute", settings.execute_s),
        (Class::Submit, "submit", settings.submit_s),
        (Class::TransferValue, "transfer_value", settings.transfer_value_s),
    ];
    let limited = all.into_iter().filter(|(.., for_s)| *for_s > 0);
    limited.map(|(class, name, for_s)| Kept { class, name, for_s, from: None }).collect()
}

impl Kept {
    async fn forget(&mut self, gate: &Gate) -> Result<(), Denial> {
        let before = gate.world.clock.now().plus_ms(-i64::from(self.for_s) * 1000);
        let (ledger, name, from) = (gate.world.ledger.clone(), self.name, self.from);
        let (catalog, class) = (gate.catalog.load_full(), self.class);
        let found = blocking(move || {
            let from = from.map_or_else(|| begin(&ledger, name), Ok)?;
            // An action that is gone has no class: its payloads are an operator's to forget.
            let is_of = |action: &str| catalog.actions.get(action).is_some_and(|a| a.manifest.class == class);
            forget::before(&ledger, from, before, is_of)
        });
        let (places, next) = found.await??;
        if !places.is_empty() {
            let of = Forgotten::Retention { class: self.name.into(), before };
            forget::carry_out(gate, of, &places, None, None).await?;
        }
        self.from = Some(next);
        Ok(())
    }
}

/// Where the last time ended, by the entry that it left: what lies before it is forgotten.
fn begin(ledger: &Ledger, class: &str) -> Result<u64, Denial> {
    let query =
        AuditQuery { kind: Some("payloads.forgotten".into()), limit: Some(1_000), ..Default::default() };
    let page = ledger.query(&query).map_err(bundle::unreadable)?;
    let of_class = page.entries.iter().map(|entry| &entry["of"]["retention"]);
    let last = of_class.filter(|of| of["class"] == class).find_map(|of| of["before"].as_str());
    let Some(time) = last.and_then(|time| time.parse::<Timestamp>().ok()) else { return Ok(0) };
    let query = AuditQuery { since: Some(time), from: Some(0), limit: Some(1), ..Default::default() };
    let page = ledger.query(&query).map_err(bundle::unreadable)?;
    Ok(page.entries.first().and_then(|entry| entry["seq"].as_u64()).unwrap_or(0))
}
