//! A held call as the person who decides it reads it: who, what, why it is asked, how long there is.

use latchgate_wire::api::{ApprovalDetail, ApprovalInfo, EarlierDecision};
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::facts::{Facts, LABEL_COLUMNS};
use super::view::View;
use super::{arguments, compared, content, plan};
use crate::table::{Rows, Tone};
use crate::visible::styled;
use crate::when;

/// Everything.
pub fn sheet(detail: &ApprovalDetail, now: Timestamp, view: View) -> String {
    let info = &detail.info;
    let mut sheet = Facts::default();
    sheet.add("approval", format!("{} ({})", info.approval_id.bold(), styled(&info.status)));
    sheet.add("action", format!("{}: {}", styled(&info.action_id).bold(), styled(&info.title)));
    sheet.add("asked by", format!("{} (verified), {}", info.principal.bold(), info.session_id));
    if let Some(agent) = &info.agent {
        claim(&mut sheet, "agent", "it calls itself", agent, view);
    }
    if let Some(reason) = &detail.agent_reason {
        claim(&mut sheet, "reason", "it says why", reason, view);
    }
    sheet.add("rule", rule(detail));
    sheet.add("risk", format!("{}; boundary {}", risk(&info.risk_level), detail.boundary.as_str()));
    sheet.add("time", format!("{}; {}", time(info, now), approvers(detail)));
    sheet.add("plan", plan::kind(&detail.plan));
    sheet.more(format!("{}", info.plan_digest.dimmed()));
    sheet.line("").line(plan::render(&detail.plan, detail.present.as_deref(), view));
    sheet.line("");
    sheet.lines(compared::lines(detail.changes.as_deref(), view));
    if !detail.earlier.is_empty() {
        sheet.line("").line("earlier calls of this action by this principal".dimmed().to_string());
        sheet.lines(detail.earlier.iter().map(|earlier| decided(earlier, now)).collect());
    }
    sheet.line("").line("arguments as the agent sent them, defaults filled in".dimmed().to_string());
    let texts = plan::texts(&detail.plan);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    sheet.lines(arguments::lines(&detail.arguments, &texts, view));
    sheet.render()
}

/// The caller's own words: said to be untrusted before they begin, and in no style of ours.
fn claim(sheet: &mut Facts, label: &str, what: &str, words: &str, view: View) {
    sheet.add(label, format!("{}, {what}:", "untrusted".yellow().bold()));
    let columns = view.width.map(|width| width.saturating_sub(LABEL_COLUMNS + 2));
    for line in content::broken(words, columns) {
        sheet.more(format!("{} {line}", "│".dimmed()));
    }
}

fn approvers(detail: &ApprovalDetail) -> String {
    let given: Vec<String> = detail.approved_by.iter().map(|name| styled(name)).collect();
    match (detail.approvers, given.as_slice()) {
        (0 | 1, []) => "one approval decides".into(),
        (needed, []) => format!("{needed} approvals needed, none given"),
        (needed, given) => format!("{} of {needed} approvals given: {}", given.len(), given.join(", ")),
    }
}

fn decided(earlier: &EarlierDecision, now: Timestamp) -> String {
    let ago = when::span(now.since(earlier.held_at));
    let mut line =
        format!("  {} ({}), held {ago} ago", styled(&earlier.status), earlier.approval_id.dimmed());
    if !earlier.operator.is_empty() {
        line.push_str(&format!(", by {}", styled(&earlier.operator)));
    }
    if let Some(reason) = &earlier.reason {
        line.push_str(&format!(": {}", styled(reason)));
    }
    line
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

/// When it was held, and how long there is.
pub fn time(info: &ApprovalInfo, now: Timestamp) -> String {
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
    use crate::render::view::Extent;
    use serde_json::json;

    const VIEW: View = View { width: None, extent: Extent::Changes };

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
            "approvers": 1,
            "approved_by": [],
            "agent_reason": "tidy \u{1B}[2Jup",
            "earlier": [{
                "approval_id": "appr_01JD3G0000000000000000000A", "status": "denied",
                "held_at": "2026-11-20T09:20:00.000Z", "operator": "local", "reason": "not now",
            }],
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
asked by  uid:1000 (verified), sess_01JD3G0000000000000000000A
agent     untrusted, it calls itself:
          │ claude\\u{{202E}}x
reason    untrusted, it says why:
          │ tidy \\u{{1B}}[2Jup
rule      ask-to-write: the action changes something
risk      medium; boundary same-user
time      held 2 min ago, 13 min left; one approval decides
plan      exact: these steps, each once, and nothing else
          sha256:{}

step 1 of 1: write
path      a
now       there is no such file
content   new: 2 bytes, 1 line
     1 + x

no earlier call of this action and principal was approved, as far as is remembered

earlier calls of this action by this principal
  denied (appr_01JD3G0000000000000000000A), held 10 min ago, by local: not now

arguments as the agent sent them, defaults filled in
",
            "0".repeat(64)
        );
        let sheet = stripped(&sheet(&detail(), now, VIEW));
        let (facts, arguments) = sheet.split_at(expected.len().min(sheet.len()));
        assert_eq!(facts, expected, "{sheet}");
        // The order of members is the parser's affair.
        let mut arguments: Vec<&str> = arguments.lines().collect();
        arguments.sort_unstable();
        assert_eq!(arguments, ["  content = \"x\\n\"", "  path = \"a\""]);
    }

    #[test]
    fn what_the_agent_says_has_no_style_and_cannot_leave_its_gutter() {
        let mut detail = detail();
        detail.agent_reason = Some(format!("{}risk      low", " ".repeat(28)));
        let sheet = sheet(&detail, detail.info.held_at, View { width: Some(40), extent: Extent::Folded });
        let lines: Vec<&str> = sheet.lines().collect();
        let at = lines.iter().position(|line| line.contains("it says why")).unwrap();
        assert!(lines[at + 1..at + 3].iter().all(|line| line.starts_with("          \u{1B}")), "{lines:#?}");
        assert!(lines[at + 2].ends_with("risk      low"), "{lines:#?}");
    }

    #[test]
    fn how_many_must_approve_is_said() {
        let mut detail = detail();
        detail.approvers = 2;
        assert_eq!(approvers(&detail), "2 approvals needed, none given");
        detail.approved_by = vec!["ana".into()];
        assert_eq!(approvers(&detail), "1 of 2 approvals given: ana");
    }

    #[test]
    fn a_pending_call_says_what_to_type() {
        let next = next_step(&detail().info);
        assert!(next.contains("latchgate approvals approve appr_01JD3G0000000000000000000F"), "{next}");
    }
}
