//! One line of `gate.log` as a person reads it: time, level, what happened, and its fields.

use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;
use serde_json::{Map, Value};

use crate::visible::styled;

/// Members that have a place of their own, or say nothing to a reader.
const PLACED: [&str; 6] = ["timestamp", "level", "message", "target", "span", "spans"];

/// A line that is no JSON object is shown as it is.
pub fn line(text: &str) -> String {
    let Ok(Value::Object(entry)) = serde_json::from_str(text) else { return styled(text) };
    let member = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut shown = format!(
        "{}  {}  {}",
        time(member("timestamp")).dimmed(),
        level(member("level")),
        styled(member("message"))
    );
    for (name, value) in fields(&entry) {
        shown.push_str(&format!("  {}{}", format!("{}=", styled(name)).dimmed(), styled(&value)));
    }
    shown
}

/// To the second, in UTC: the log has microseconds.
fn time(text: &str) -> String {
    let parsed: Result<jiff::Timestamp, _> = text.parse();
    match parsed {
        Ok(time) => {
            let text = Timestamp::from_ms(time.as_millisecond()).to_string();
            text.split_once('.').map(|(seconds, _)| format!("{seconds}Z")).unwrap_or(text)
        }
        Err(_) => styled(text),
    }
}

fn level(word: &str) -> String {
    let padded = format!("{word:<5}");
    match word {
        "ERROR" => padded.red().bold().to_string(),
        "WARN" => padded.yellow().to_string(),
        "INFO" => padded.green().to_string(),
        _ => styled(&padded).dimmed().to_string(),
    }
}

fn fields(entry: &Map<String, Value>) -> impl Iterator<Item = (&str, String)> {
    let own = entry.iter().filter(|(name, _)| !PLACED.contains(&name.as_str()));
    own.map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.as_str(), text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn an_event_is_one_readable_line() {
        let text = r#"{"timestamp":"2026-11-20T09:30:00.123456Z","level":"WARN","message":"an entry was not written","error":"disk full","count":2,"target":"latchgate_daemon::gate"}"#;
        assert_eq!(
            stripped(&line(text)),
            "2026-11-20T09:30:00Z  WARN   an entry was not written  error=disk full  count=2"
        );
    }

    #[test]
    fn a_torn_line_is_shown_and_nothing_in_it_is_obeyed() {
        assert_eq!(stripped(&line("{\"level\":\"IN")), "{\"level\":\"IN");
        let hostile = r#"{"level":"INFO","message":"\u001b[2Jgone","x\u202ey":"\u200b"}"#;
        let shown = stripped(&line(hostile));
        assert!(shown.contains("gone") && !shown.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{shown:?}");
    }
}
