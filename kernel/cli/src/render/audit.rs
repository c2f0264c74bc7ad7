//! Entries of the ledger in one line each.

use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use crate::table::{Rows, Tone};
use crate::{visible, when};

/// A table of entries, in the order given.
pub fn table(entries: &[Value], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["SEQ", "TIME (UTC)", "KIND", "WHO", "WHAT"], width);
    for entry in entries {
        let line = Line::of(entry);
        rows.add([
            (line.seq.as_str(), Tone::Quiet),
            (&line.time, Tone::Quiet),
            (&line.kind, Tone::Plain),
            (&line.who, Tone::Plain),
            (&line.what, line.tone),
        ]);
    }
    rows.render()
}

/// One entry as a line on its own, for whoever watches them come.
pub fn line(entry: &Value) -> String {
    let line = Line::of(entry);
    let what = visible::styled(&line.what);
    let what = match line.tone {
        Tone::Plain => what,
        Tone::Good => what.green().to_string(),
        Tone::Warn => what.yellow().to_string(),
        Tone::Bad => what.red().to_string(),
        Tone::Quiet => what.dimmed().to_string(),
    };
    let place = format!("{:>6}  {}", line.seq, line.time);
    let (kind, who) = (visible::styled(&line.kind), visible::styled(&line.who));
    format!("{}  {kind:<16}  {who:<10}  {what}", place.dimmed())
}

/// What a reader needs of an entry, in the words of others: to be made visible where it is shown.
pub struct Line {
    pub seq: String,
    time: String,
    pub kind: String,
    pub who: String,
    pub what: String,
    tone: Tone,
}

impl Line {
    pub fn of(entry: &Value) -> Self {
        let kind = text(entry, "/kind");
        let time: Option<Timestamp> = text(entry, "/time").parse().ok();
        let (who, what, tone) = account(&kind, entry);
        Self {
            seq: number(entry, "/seq"),
            time: time.map(when::short).unwrap_or_default(),
            kind,
            who,
            what,
            tone,
        }
    }
}

/// Who, what, and how it is to be taken.
fn account(kind: &str, entry: &Value) -> (String, String, Tone) {
    let at = |pointer: &str| text(entry, pointer);
    let of_call = |pointer: &str| at(&format!("/call{pointer}"));
    match kind {
        "call.outcome" => outcome(entry),
        "call.intent" => {
            let approval = maybe(entry, "/approval/id", " under ");
            (
                of_call("/who/principal"),
                format!("{} by rule {}{approval}", of_call("/action/id"), of_call("/policy/rule")),
                Tone::Quiet,
            )
        }
        "call.held" => {
            let what = format!(
                "{} {} by rule {}",
                of_call("/action/id"),
                at("/approval_id"),
                of_call("/policy/rule")
            );
            (of_call("/who/principal"), what, Tone::Warn)
        }
        "call.denied" => {
            let rule = maybe(entry, "/policy/rule", " by rule ");
            let would = maybe(entry, "/policy/would/verdict", "; without observing: ");
            let by = maybe(entry, "/policy/would/rule", " by rule ");
            let what = format!("{} {}{rule}{would}{by}", at("/action_id"), at("/error"));
            (at("/who/principal"), what, Tone::Bad)
        }
        "approval.decided" => {
            let tone = if at("/decision") == "approved" { Tone::Good } else { Tone::Bad };
            (at("/signed/operator"), format!("{} {}", at("/decision"), at("/approval_id")), tone)
        }
        "lease.issued" => {
            let label = maybe(entry, "/who/agent", ", calls itself ");
            (at("/who/principal"), format!("{}{label}", at("/who/session_id")), Tone::Quiet)
        }
        "lease.revoked" => (at("/operator"), compact(entry.pointer("/target")), Tone::Warn),
        "gate.started" => {
            (String::new(), format!("version {}, boundary {}", at("/version"), at("/boundary")), Tone::Quiet)
        }
        "jail.started" => {
            let what = format!("{} at level {}", at("/profile"), at("/level"));
            (format!("jail:{}", at("/jail")), what, Tone::Quiet)
        }
        "jail.connected" => {
            let connections = entry.pointer("/connections").and_then(Value::as_array);
            let each = connections.into_iter().flatten().map(|made| {
                format!(
                    "{}:{}{}",
                    text(made, "/host"),
                    number(made, "/port"),
                    maybe(made, "/refused", " refused: ")
                )
            });
            (format!("jail:{}", at("/jail")), each.collect::<Vec<_>>().join(", "), Tone::Quiet)
        }
        "jail.ended" => (format!("jail:{}", at("/jail")), at("/reason"), Tone::Quiet),
        "gate.stopped" => (String::new(), at("/reason"), Tone::Quiet),
        "gate.recovered" => {
            let open = entry.pointer("/open_intents").and_then(Value::as_array).map_or(0, Vec::len);
            (
                String::new(),
                format!("cut {} bytes, {open} calls interrupted", number(entry, "/cut_bytes")),
                Tone::Warn,
            )
        }
        "config.changed" => {
            let actions =
                entry.pointer("/actions").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            let what = match at("/allowance/change").as_str() {
                "" => format!("{actions} actions"),
                change => format!("{} {change}", at("/allowance/rule")),
            };
            (
                at("/allowance/signed/operator"),
                format!("{what}, policy {}", at("/policy_digest")),
                Tone::Quiet,
            )
        }
        "clock.accepted" => (at("/operator"), "the clock as it stands".into(), Tone::Warn),
        "calls.delivered" => {
            let count = entry.pointer("/intents").and_then(Value::as_array).map_or(0, Vec::len);
            (String::new(), format!("{count} answers"), Tone::Quiet)
        }
        "notify.changed" => {
            let names = entry.pointer("/receivers").and_then(Value::as_object);
            let names: Vec<_> = names.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            (String::new(), format!("told from here on: {}", names.join(", ")), Tone::Quiet)
        }
        "notify.delivered" => (String::new(), told(entry), Tone::Quiet),
        "notify.failed" => (
            at("/receiver"),
            format!("entries {} to {}: {}", number(entry, "/first"), number(entry, "/last"), at("/reason")),
            Tone::Bad,
        ),
        "notify.asked" => {
            (at("/signed/operator"), format!("{} {}", at("/ask"), at("/receiver")), Tone::Plain)
        }
        "refusals.counted" => (String::new(), compact(entry.pointer("/counts")), Tone::Quiet),
        _ => (String::new(), String::new(), Tone::Plain),
    }
}

/// How far each receiver was told.
fn told(entry: &Value) -> String {
    let receivers = entry.pointer("/receivers").and_then(Value::as_object);
    let one = |(name, progress): (&String, &Value)| format!("{name} up to {}", number(progress, "/next"));
    receivers.into_iter().flatten().map(one).collect::<Vec<_>>().join(", ")
}

fn outcome(entry: &Value) -> (String, String, Tone) {
    let result = entry.pointer("/result/kind").and_then(Value::as_str).unwrap_or("unknown");
    let status = text(entry, "/verification/status");
    let tone = match (result, status.as_str()) {
        ("success", "verified" | "unverifiable_declared") => Tone::Good,
        ("success", _) => Tone::Warn,
        _ => Tone::Bad,
    };
    let what = format!("{} {} {result}, {status}", text(entry, "/action/id"), text(entry, "/receipt_id"));
    (text(entry, "/principal"), what, tone)
}

fn text(entry: &Value, pointer: &str) -> String {
    entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn maybe(entry: &Value, pointer: &str, before: &str) -> String {
    entry.pointer(pointer).and_then(Value::as_str).map(|text| format!("{before}{text}")).unwrap_or_default()
}

fn number(entry: &Value, pointer: &str) -> String {
    entry.pointer(pointer).and_then(Value::as_u64).map(|n| n.to_string()).unwrap_or_default()
}

/// Small JSON without its punctuation.
fn compact(value: Option<&Value>) -> String {
    match value {
        Some(Value::Object(members)) => {
            let members = members.iter().map(|(name, value)| match value {
                Value::String(text) => format!("{name} {text}"),
                other => format!("{name} {other}"),
            });
            members.collect::<Vec<_>>().join(", ")
        }
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;
    use serde_json::json;

    #[test]
    fn an_outcome_names_action_receipt_and_result() {
        let entry = json!({
            "kind": "call.outcome", "seq": 7, "time": "2026-11-20T09:30:00.000Z", "principal": "uid:1000",
            "action": {"id": "fs_read"}, "receipt_id": "rcpt_01JD3G0000000000000000000E",
            "result": {"kind": "success"}, "verification": {"status": "verified"},
        });
        let expected = "\
SEQ  TIME (UTC)           KIND          WHO       WHAT
7    2026-11-20 09:30:00  call.outcome  uid:1000  fs_read rcpt_01JD3G0000000000000000000E success, verified";
        assert_eq!(stripped(&table(&[entry], None)), expected);
    }

    #[test]
    fn a_label_that_an_agent_chose_cannot_hide_anything() {
        let entry = json!({
            "kind": "lease.issued", "seq": 1, "time": "2026-11-20T09:30:00.000Z",
            "who": {"principal": "uid:1", "session_id": "s", "agent": "a\u{1B}[2K"},
        });
        assert!(stripped(&table(&[entry], None)).contains("s, calls itself a\\u{1B}[2K"));
    }

    #[test]
    fn a_line_on_its_own_says_the_same() {
        let entry = json!({
            "kind": "lease.revoked", "seq": 12, "time": "2026-11-20T09:30:00.000Z", "operator": "o\u{1B}[2J",
            "target": {"agent": "a"},
        });
        assert_eq!(
            stripped(&line(&entry)),
            "    12  2026-11-20 09:30:00  lease.revoked     o\\u{1B}[2J  agent a"
        );
    }

    #[test]
    fn an_unknown_kind_still_has_its_line() {
        let entry = json!({"kind": "moon.landed", "seq": 3, "time": "2026-11-20T09:30:00.000Z"});
        assert!(stripped(&table(&[entry], None)).contains("moon.landed"));
    }
}
