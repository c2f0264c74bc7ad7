//! Entries as lines of CSV (RFC 4180), which no spreadsheet takes for formulas.

use serde_json::Value;

use super::audit::Line;
use crate::visible;

/// The line of names.
pub fn head() -> String {
    line(["seq", "time", "kind", "trace_id", "who", "action", "rule", "id", "what"].map(str::to_owned))
}

pub fn row(entry: &Value) -> String {
    let at = |pointers: &[&str]| {
        let found = pointers.iter().find_map(|pointer| entry.pointer(pointer));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let shown = Line::of(entry);
    line([
        shown.seq,
        at(&["/time"]),
        shown.kind,
        at(&["/trace_id"]),
        shown.who,
        at(&["/call/action/id", "/action/id", "/action_id"]),
        at(&["/call/policy/rule", "/policy/rule"]),
        at(&["/receipt_id", "/approval_id", "/grant_id", "/who/session_id"]),
        shown.what,
    ])
}

fn line(cells: [String; 9]) -> String {
    format!("{}\r\n", cells.map(|text| cell(&text)).join(","))
}

/// Programs take a cell that begins with one of these for a formula, whoever wrote it; behind an apostrophe it is text.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = visible::plain(text);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_cell_that_begins_as_a_formula_is_text() {
        for (text, expected) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@a", "'@a"),
            ("\tx", "'⇥x"),
            ("\r=x", "'\\u{D}=x"),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }

    #[test]
    fn commas_and_quotes_are_quoted_and_lines_end_as_the_rfc_says() {
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("a\"b"), "\"a\"\"b\"");
        let entry = json!({"kind": "call.denied", "seq": 4, "time": "2026-11-20T09:30:00.000Z",
            "who": {"principal": "uid:1"}, "action_id": "=x", "error": "policy_denied", "policy": {"rule": "r"}});
        assert_eq!(
            row(&entry),
            "4,2026-11-20T09:30:00.000Z,call.denied,,uid:1,'=x,r,,'=x policy_denied by rule r\r\n"
        );
        assert_eq!(head().matches(',').count(), row(&entry).matches(',').count());
    }
}
