//! A plan as a person reads it: every step with everything in it.
//!
//! The shapes below are read strictly. A plan with a member that this program does not know is shown as its JSON,
//! because a reader who skips what it does not understand shows less than will be done.

use owo_colors::OwoColorize as _;
use serde::Deserialize;
use serde_json::Value;

use super::content;
use super::facts::{Facts, LABEL_COLUMNS};
use crate::visible;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    #[serde(rename = "kind")]
    _kind: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Step {
    Http(HttpStep),
    Fs(FsStep),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpStep {
    method: String,
    url: String,
    #[serde(rename = "target")]
    _target: String,
    headers: Vec<(String, String)>,
    body: Option<Content>,
    #[serde(default)]
    secrets: Vec<SecretUse>,
    response_bytes_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretUse {
    name: String,
    placement: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FsStep {
    operation: String,
    path: String,
    content: Option<Content>,
    before: Option<Before>,
    search: Option<Search>,
    bytes_max: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    pattern: String,
    is_regex: bool,
    is_case_sensitive: bool,
    glob: String,
    results_max: u64,
    allow: Vec<String>,
    deny: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Before {
    Absent,
    File { digest: String, size: u64 },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Base64(String),
}

/// Every step. `width` as for [`content::numbered`].
pub fn render(plan: &Value, width: Option<usize>) -> String {
    let Ok(known) = serde_json::from_value::<Plan>(plan.clone()) else { return as_json(plan, width) };
    let mut sheet = Facts::default();
    let count = known.steps.len();
    for (i, step) in known.steps.iter().enumerate() {
        if i > 0 {
            sheet.line("");
        }
        let label = format!("step {} of {count}", i + 1);
        match step {
            Step::Http(step) => http(&mut sheet, &label, step, width),
            Step::Fs(step) => fs(&mut sheet, &label, step, width),
        }
    }
    if count == 0 {
        sheet.line("nothing will be done");
    }
    sheet.render()
}

/// What kind of plan it is, in words.
pub fn kind(plan: &Value) -> String {
    match plan.get("kind").and_then(Value::as_str) {
        Some("exact") => "exact: these steps, each once, and nothing else".into(),
        Some("envelope") => "envelope: bounds within which the action composes its own requests".into(),
        Some(other) => visible::styled(other),
        None => "of a kind that this program does not know".into(),
    }
}

/// JSON on several lines, numbered.
pub fn as_json(value: &Value, width: Option<usize>) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    text.push('\n');
    content::numbered(&text, width).join("\n")
}

fn http(sheet: &mut Facts, label: &str, step: &HttpStep, width: Option<usize>) {
    sheet.line(format!("{label}: {}", visible::styled(&step.method).bold()));
    sheet.add_lines("url", &content::broken(&step.url, columns(width)));
    let headers = step.headers.iter().map(|(name, value)| format!("{name}: {value}"));
    let headers: Vec<String> = headers.flat_map(|header| content::broken(&header, columns(width))).collect();
    sheet.add_lines("headers", &headers);
    for secret in &step.secrets {
        let (name, place) = (visible::styled(&secret.name), visible::styled(&secret.placement));
        sheet.add("secret", format!("{} goes to {place}; its value is added by the gate", name.bold()));
    }
    match &step.body {
        Some(body) => put_content(sheet, "body", body, width),
        None => {
            sheet.add("body", "none");
        }
    }
    sheet.add("answer", format!("at most {}", content::bytes(step.response_bytes_max)));
}

fn fs(sheet: &mut Facts, label: &str, step: &FsStep, width: Option<usize>) {
    sheet.line(format!("{label}: {}", visible::styled(&step.operation).bold()));
    let path = if step.path.is_empty() { "(the root itself)" } else { &step.path };
    sheet.add_lines("path", &content::broken(path, columns(width)));
    match &step.before {
        Some(Before::Absent) => {
            sheet.add("now", "there is no such file");
        }
        Some(Before::File { digest, size }) => {
            let digest = visible::styled(digest);
            sheet.add("now", format!("a file of {}, which this replaces or removes", content::bytes(*size)));
            sheet.more(format!("{}", digest.dimmed()));
        }
        None => {}
    }
    if let Some(search) = &step.search {
        put_search(sheet, search, width);
    }
    match &step.content {
        Some(written) => put_content(sheet, "content", written, width),
        None => {
            sheet.add("limit", format!("at most {}", content::bytes(step.bytes_max)));
        }
    }
}

/// The rules are part of what is approved: a search reads every file that they let it.
fn put_search(sheet: &mut Facts, search: &Search, width: Option<usize>) {
    let kind =
        if search.is_regex { "lines that match the regular expression" } else { "lines with the text" };
    let case = if search.is_case_sensitive { "" } else { ", in capitals or not" };
    sheet.add("looks for", format!("{kind}{case}"));
    for line in content::broken(&search.pattern, columns(width)) {
        sheet.more(line);
    }
    sheet.add_lines("in files", &content::broken(&search.glob, columns(width)));
    for (label, globs) in [("of", &search.allow), ("never in", &search.deny)] {
        let lines: Vec<String> =
            globs.iter().flat_map(|glob| content::broken(glob, columns(width))).collect();
        sheet.add_lines(label, &lines);
    }
    sheet.add("results", format!("at most {} lines", search.results_max));
}

/// What is left of the terminal for a value.
fn columns(width: Option<usize>) -> Option<usize> {
    width.map(|width| width.saturating_sub(LABEL_COLUMNS))
}

fn put_content(sheet: &mut Facts, label: &str, found: &Content, width: Option<usize>) {
    let lines = match found {
        Content::Text(text) => {
            sheet.add(label, content::size(text));
            content::numbered(text, width)
        }
        Content::Base64(text) => {
            sheet.add(label, format!("no text; in base64 ({} characters):", text.len()));
            content::numbered(&format!("{text}\n"), Some(width.unwrap_or(85)))
        }
    };
    for line in lines {
        sheet.line(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;
    use serde_json::json;

    #[test]
    fn a_write_shows_path_what_is_there_and_every_line() {
        let plan = json!({"kind": "exact", "steps": [{
            "kind": "fs", "operation": "write", "path": "notes.md", "bytes_max": 1000,
            "before": {"file": {"digest": "sha256:ab", "size": 3}},
            "content": {"text": "# Notes\nx\u{202E}y\n"},
        }]});
        let expected = "\
step 1 of 1: write
path      notes.md
now       a file of 3 bytes, which this replaces or removes
          sha256:ab
content   14 bytes, 2 lines
     1 │ # Notes
     2 │ x\\u{202E}y";
        assert_eq!(stripped(&render(&plan, None)), expected);
    }

    #[test]
    fn a_request_shows_url_headers_secrets_by_name_and_body() {
        let plan = json!({"kind": "exact", "steps": [{
            "kind": "http", "method": "POST", "url": "https://api.test/x", "target": "https://api.test/{p}",
            "headers": [["accept", "a/b"], ["x-note", "c"]],
            "secrets": [{"name": "TOKEN", "placement": "header authorization"}],
            "body": {"text": "{}"}, "response_bytes_max": 10,
        }]});
        let expected = "\
step 1 of 1: POST
url       https://api.test/x
headers   accept: a/b
          x-note: c
secret    TOKEN goes to header authorization; its value is added by the gate
body      2 bytes, 1 line
     1 │ {}
       (no line break at the end)
answer    at most 10 bytes";
        assert_eq!(stripped(&render(&plan, None)), expected);
    }

    #[test]
    fn a_search_shows_what_is_looked_for_and_where() {
        let plan = json!({"kind": "exact", "steps": [{
            "kind": "fs", "operation": "search", "path": "src", "bytes_max": 1000,
            "search": {"pattern": "pass\u{202E}word", "is_regex": true, "is_case_sensitive": false, "glob": "*.rs",
                "results_max": 50, "allow": ["**"], "deny": ["**/.env", "**/.git/**"]},
        }]});
        let expected = "\
step 1 of 1: search
path      src
looks for lines that match the regular expression, in capitals or not
          pass\\u{202E}word
in files  *.rs
of        **
never in  **/.env
          **/.git/**
results   at most 50 lines
limit     at most 1000 bytes";
        assert_eq!(stripped(&render(&plan, None)), expected);
    }

    #[test]
    fn a_plan_with_an_unknown_member_is_shown_whole() {
        let plan = json!({"kind": "exact", "steps": [{
            "kind": "fs", "operation": "delete", "path": "a", "bytes_max": 1, "recursive": true,
        }]});
        let shown = stripped(&render(&plan, None));
        assert!(shown.contains("\"recursive\": true"), "{shown}");
    }

    #[test]
    fn what_the_gate_builds_is_understood() {
        let plan = json!({"kind": "exact", "steps": [
            {"kind": "fs", "operation": "write", "path": "a", "bytes_max": 1, "before": "absent", "content": {"base64": "AA=="}},
            {"kind": "fs", "operation": "list", "path": "", "bytes_max": 1},
        ]});
        let shown = stripped(&render(&plan, None));
        assert!(shown.contains("now       there is no such file"), "{shown}");
        assert!(shown.contains("no text; in base64 (4 characters):\n     1 │ AA=="), "{shown}");
        assert!(
            shown.contains("step 2 of 2: list\npath      (the root itself)\nlimit     at most 1 byte"),
            "{shown}"
        );
    }
}
