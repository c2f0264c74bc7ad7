//! A held call as the person who decides it reads it: who, what, why it is asked, how long there is.

use latchgate_wire::api::{ApprovalDetail, ApprovalInfo};
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::facts::Facts;
use super::plan;
use crate::table::{Rows, Tone};
use crate::visible::styled;
use crate::when;

/// Everything. `width` is that of the terminal, `None` if there is none.
pub fn sheet(detail: &ApprovalDetail, now: Timestamp, width: Option<usize>) -> String {
    let info = &detail.info;
    let mut sheet = Facts::default();
    sheet.add("approval", format!("{} ({})", info.approval_id.bold(), styled(&info.status)));
    sheet.add("action", format!("{}: {}", styled(&info.action_id).bold(), styled(&info.title)));
    sheet.add("asked by", format!("{} (verified)", info.principal.bold()));
    if let Some(agent) = &info.agent {
        sheet.more(format!("calls itself \"{}\" {}", styled(agent), "(claimed, not verified)".yellow()));
    }
    sheet.add("session", info.session_id.to_string());
    sheet.add("risk", risk(&info.risk_level));
    sheet.add("rule", rule(detail));
    sheet.add("boundary", detail.boundary.as_str());
    sheet.add("time", time(info, now));
    sheet.add("plan", plan::kind(&detail.plan));
    sheet.more(format!("{}", info.plan_digest));
    sheet.line("").line(plan::render(&detail.plan, width));
    sheet.line("").line(format!("{}", "arguments as the agent sent them, defaults filled in".dimmed()));
    sheet.line(plan::as_json(&detail.arguments, width));
    sheet.render()
}

/// What to type, for a call that waits.
pub fn next_step(info: &ApprovalInfo) -> String {
    let id = info.approval_id;
    match info.status.as_str() {
        "pending" => {
            format!(
                "next: latchgate approvals approve {id}\n  or: latchgate approvals deny {id} --reason TEXT"
            )
        }
        _ => format!("next: {}", record(info)),
    }
}

/// The command that shows what became of it.
pub fn record(info: &ApprovalInfo) -> String {
    let id = info.receipt_id.map_or_else(|| info.approval_id.to_string(), |receipt| receipt.to_string());
    format!("latchgate audit --id {id}")
}

/// One line per held call.
pub fn table(approvals: &[ApprovalInfo], now: Timestamp, width: Option<usize>) -> String {
    let mut rows = Rows::new(&["APPROVAL", "STATUS", "ACTION", "RISK", "ASKED BY", "TIME"], width);
    for info in approvals {
        rows.add([
            (info.approval_id.to_string().as_str(), Tone::Plain),
            (&info.status, status_tone(&info.status)),
            (&info.action_id, Tone::Plain),
            (&info.risk_level, risk_tone(&info.risk_level)),
            (info.principal.to_string().as_str(), Tone::Plain),
            (&time(info, now), Tone::Quiet),
        ]);
    }
    rows.render()
}

fn time(info: &ApprovalInfo, now: Timestamp) -> String {
    let held = when::span(now.since(info.held_at));
    let left_ms = info.expires_at.since(now);
    match (info.status.as_str(), left_ms) {
        ("pending", 1..) => format!("held {held} ago, {} left", when::span(left_ms)),
        _ => format!("held {held} ago"),
    }
}

fn rule(detail: &ApprovalDetail) -> String {
    match &detail.rule_reason {
        Some(reason) => format!("{}: {}", styled(&detail.rule), styled(reason)),
        None => styled(&detail.rule),
    }
}

fn risk(level: &str) -> String {
    match risk_tone(level) {
        Tone::Bad => styled(level).red().bold().to_string(),
        Tone::Warn => styled(level).yellow().to_string(),
        Tone::Plain | Tone::Good | Tone::Quiet => styled(level),
    }
}

fn risk_tone(level: &str) -> Tone {
    match level {
        "high" | "critical" => Tone::Bad,
        "medium" => Tone::Warn,
        _ => Tone::Plain,
    }
}

fn status_tone(status: &str) -> Tone {
    match status {
        "pending" => Tone::Warn,
        "executed" => Tone::Good,
        "unknown" | "denied" => Tone::Bad,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::render::stripped;
    use serde_json::json;

    pub fn detail() -> ApprovalDetail {
        let detail = json!({
            "approval_id": "appr_01JD3G0000000000000000000F",
            "status": "pending",
            "action_id": "fs_write",
            "title": "Write a file",
            "risk_level": "medium",
            "principal": "uid:1000",
            "agent": "claude\u{202E}x",
            "session_id": "sess_01JD3G0000000000000000000A",
            "held_at": "2026-11-20T09:28:00.000Z",
            "expires_at": "2026-11-20T09:43:00.000Z",
            "plan_digest": format!("sha256:{}", "0".repeat(64)),
            "description": "Writes text to one file.",
            "rule": "ask-to-write",
            "rule_reason": "the action changes something",
            "arguments": {"path": "a", "content": "x\n"},
            "plan": {"kind": "exact", "steps": [{
                "kind": "fs", "operation": "write", "path": "a", "bytes_max": 9,
                "before": "absent", "content": {"text": "x\n"},
            }]},
            "boundary": "same-user",
        });
        serde_json::from_value(detail).unwrap()
    }

    #[test]
    fn the_sheet_says_who_what_why_and_how_long() {
        let now = "2026-11-20T09:30:00.000Z".parse().unwrap();
        let expected = format!(
            "\
approval  appr_01JD3G0000000000000000000F (pending)
action    fs_write: Write a file
asked by  uid:1000 (verified)
          calls itself \"claude\\u{{202E}}x\" (claimed, not verified)
session   sess_01JD3G0000000000000000000A
risk      medium
rule      ask-to-write: the action changes something
boundary  same-user
time      held 2 min ago, 13 min left
plan      exact: these steps, each once, and nothing else
          sha256:{}

step 1 of 1: write
path      a
now       there is no such file
content   2 bytes, 1 line
     1 │ x

arguments as the agent sent them, defaults filled in
     1 │ {{
     2 │   \"content\": \"x\\n\",
     3 │   \"path\": \"a\"
     4 │ }}",
            "0".repeat(64)
        );
        let sheet = stripped(&sheet(&detail(), now, None));
        // The order of members is the parser's affair.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text
                .lines()
                .map(|l| l.trim_end_matches(',').replace("2 │", "n │").replace("3 │", "n │"))
                .collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&sheet), sorted(&expected), "{sheet}");
    }

    #[test]
    fn a_pending_call_says_what_to_type() {
        let next = next_step(&detail().info);
        assert!(next.contains("latchgate approvals approve appr_01JD3G0000000000000000000F"), "{next}");
    }
}
