//! `status`: is there a gate, which, and how is it.

use clap::Args;
use latchgate_wire::api;
use latchgate_wire::notify::Summary;
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::budgets;
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Example:
  latchgate status --json";

/// Show whether the gate runs, its boundary, and what waits
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Status {
    #[command(flatten)]
    operator: AsOperator,
}

impl Status {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        // Whoever may not operate the gate still learns whether it takes calls.
        let ready = connect::public(global.socket())?.ready().await?;
        match connect::operator(global.socket(), &self.operator.name) {
            Ok(operator) => {
                let status = operator.status().await?;
                let principals = operator.budgets().await?.principals;
                if console.is_json() {
                    console.json(&Document { status: &status, budgets: &principals })
                } else {
                    console.result(&sheet(&status, &budgets::lines(&principals), when::now()))
                }?;
            }
            Err(why) => {
                if console.is_json() { console.json(&ready) } else { console.result(&ready_sheet(&ready)) }?;
                console.note(&format!("more is shown to operators only: {}", why.what));
            }
        }
        Ok(Exit::Done)
    }
}

/// The gate's status, and what everybody of the last day has used up.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    status: &'a api::Status,
    budgets: &'a [api::PrincipalBudgets],
}

fn sheet(status: &api::Status, budgets: &[String], now: Timestamp) -> String {
    let uptime = i64::try_from(status.uptime_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let last = match status.last_entry_at {
        Some(at) => format!(", the last {} ago", when::span(now.since(at))),
        None => String::new(),
    };
    let mut facts = Facts::default();
    facts
        .add("gate", format!("{} for {}, {}", word(&status.status), when::span(uptime), styled(&status.gate)))
        .add("version", styled(&status.version))
        .add("boundary", status.boundary.as_str())
        .add("home", styled(&status.home))
        .add("socket", styled(&status.agent_socket))
        .add("ledger", format!("{} entries{last}", status.entries))
        .add("policy", format!("{}, {} actions", status.policy_digest, status.actions_registered))
        .add(
            "calls",
            format!("{} running, {} waiting for approval", status.calls_running, status.approvals_pending),
        )
        .add("operator", styled(&status.operator))
        .add_lines("budgets", budgets);
    match (status.secrets_set, status.secrets_missing) {
        (0, 0) => {}
        (set, 0) => {
            facts.add("secrets", format!("{set} set"));
        }
        (set, missing) => {
            let missing = format!("{missing} missing: latchgate secrets list").yellow().to_string();
            facts.add("secrets", format!("{set} set, {missing}"));
        }
    }
    if status.observes {
        facts.add("OBSERVES", super::reload::OBSERVES.yellow().bold().to_string());
    }
    if status.unknown_outcomes > 0 {
        facts
            .add("unknown", format!("{} calls may have happened", status.unknown_outcomes).red().to_string());
    }
    if status.panics_caught > 0 {
        facts.add("faults", format!("{} caught; please report them", status.panics_caught).red().to_string());
    }
    let notify: Vec<_> = status.notify.iter().filter_map(receiver).collect();
    facts.add_lines("notify", &notify);
    facts.add("next", next_step(status));
    facts.render()
}

/// What stands in a receiver's way.
fn receiver(receiver: &Summary) -> Option<String> {
    let name = styled(&receiver.name);
    match (&receiver.failing, receiver.dead_letters) {
        (None, 0) => None,
        (failing, dead) => {
            let failing =
                failing.as_ref().map(|why| format!(", failing: {}", styled(why))).unwrap_or_default();
            let text = format!("{name}: {dead} dead letters{failing} (latchgate notify list)");
            Some(text.red().to_string())
        }
    }
}

fn next_step(status: &api::Status) -> &'static str {
    match (status.approvals_pending, status.unknown_outcomes) {
        (1.., _) => "latchgate approvals list",
        (0, 1..) => "latchgate audit --kind call.outcome",
        (0, 0) => "latchgate actions list",
    }
}

fn ready_sheet(ready: &api::Ready) -> String {
    let mut facts = Facts::default();
    facts
        .add("gate", word(&ready.status))
        .add("ledger", styled(&ready.ledger))
        .add("policy", format!("{}, {} actions", styled(&ready.policy), ready.actions_registered))
        .add("next", "latchgate actions list");
    facts.render()
}

fn word(status: &str) -> String {
    if status == "ready" { status.green().to_string() } else { styled(status).yellow().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_gate_at_rest_is_shown_with_the_next_step() {
        let status: api::Status = serde_json::from_value(serde_json::json!({
            "status": "ready", "version": "0.1.0", "gate": "latchgate/01J", "boundary": "same-user",
            "started_at": "2026-11-20T09:00:00.000Z", "uptime_s": 300, "entries": 12,
            "last_entry_at": "2026-11-20T09:29:00.000Z", "policy_digest": format!("sha256:{}", "a".repeat(64)),
            "actions_registered": 5, "approvals_pending": 1, "calls_running": 0, "unknown_outcomes": 0,
            "panics_caught": 0, "ledger_syncs": 3, "payload_syncs": 1, "ledger_bytes": 9, "public_base_url": "http://localhost:3000", "home": "/h",
            "agent_socket": "/h/run/gate.sock", "operator": "local",
        }))
        .unwrap();
        let budgets = ["uid:1  day ####------ 4 of 10 calls", "agent:ci  day ---------- 0 of 10 calls"];
        let budgets = budgets.map(str::to_owned);
        let expected = format!(
            "\
gate      ready for 5 min, latchgate/01J
version   0.1.0
boundary  same-user
home      /h
socket    /h/run/gate.sock
ledger    12 entries, the last 60 s ago
policy    sha256:{}, 5 actions
calls     0 running, 1 waiting for approval
operator  local
budgets   uid:1  day ####------ 4 of 10 calls
          agent:ci  day ---------- 0 of 10 calls
next      latchgate approvals list",
            "a".repeat(64)
        );
        assert_eq!(
            stripped(&sheet(&status, &budgets, "2026-11-20T09:30:00.000Z".parse().unwrap())),
            expected
        );
    }
}
