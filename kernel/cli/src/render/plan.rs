//! A plan as a person reads it: every step with everything in it, and what is there now beside what comes.

mod shape;

use latchgate_wire::digest::Digest;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::diff::Diff;
use super::facts::{Facts, LABEL_COLUMNS};
use super::view::View;
use super::{content, json};
use crate::visible;
use shape::{Before, Content, FsStep, HttpStep, Plan, Search, Step};

/// Every step. `present` is what lies in the file that the first writing or deleting step names.
pub fn render(plan: &Value, present: Option<&str>, view: View) -> String {
    let Some(known) = read(plan) else { return json::numbered(plan, view.width) };
    let mut sheet = Sheet { facts: Facts::default(), view, present };
    let count = known.steps.len();
    for (i, step) in known.steps.iter().enumerate() {
        if i > 0 {
            sheet.facts.line("");
        }
        let label = format!("step {} of {count}", i + 1);
        match step {
            Step::Http(step) => sheet.http(&label, step),
            Step::Fs(step) => sheet.fs(&label, step),
        }
    }
    if count == 0 {
        sheet.facts.line("nothing will be done");
    }
    sheet.facts.render()
}

/// The texts that [`render`] puts onto the sheet.
pub fn texts(plan: &Value) -> Vec<String> {
    let steps = read(plan).map(|plan| plan.steps).unwrap_or_default();
    let contents = steps.into_iter().filter_map(|step| match step {
        Step::Http(step) => step.body,
        Step::Fs(step) => step.content,
    });
    let text = |content| match content {
        Content::Text(text) => Some(text),
        Content::Base64(_) => None,
    };
    contents.filter_map(text).collect()
}

/// Method or operation and place of each step: what an approval beyond this call keeps as it is.
pub fn targets(plan: &Value) -> Vec<String> {
    let steps = read(plan).map(|plan| plan.steps).unwrap_or_default();
    let target = |step: &Step| match step {
        Step::Http(step) => {
            format!("{} {}", step.method, step.url.split(['?', '#']).next().unwrap_or_default())
        }
        Step::Fs(step) => format!("{} {}", step.operation, named(&step.path)),
    };
    steps.iter().map(target).collect()
}

fn read(plan: &Value) -> Option<Plan> {
    serde_json::from_value(plan.clone()).ok()
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

fn named(path: &str) -> &str {
    if path.is_empty() { "(the root itself)" } else { path }
}

/// The steps as they are laid out.
struct Sheet<'a> {
    facts: Facts,
    view: View,
    /// Taken by the step that it belongs to.
    present: Option<&'a str>,
}

impl Sheet<'_> {
    fn http(&mut self, label: &str, step: &HttpStep) {
        self.facts.line(format!("{label}: {}", visible::styled(&step.method).bold()));
        self.value("url", &step.url);
        let headers = step.headers.iter().map(|(name, value)| format!("{name}: {value}"));
        let columns = self.columns();
        let headers: Vec<String> = headers.flat_map(|header| content::broken(&header, columns)).collect();
        self.facts.add_lines("headers", &headers);
        for secret in &step.secrets {
            let (name, place) = (visible::styled(&secret.name), visible::styled(&secret.placement));
            let text = format!("{} goes to {place}; its value is added by the gate", name.bold());
            self.facts.add("secret", text);
        }
        match &step.body {
            Some(body) => self.body(body),
            None => {
                self.facts.add("body", "none");
            }
        }
        self.facts.add("answer", format!("at most {}", content::bytes(step.response_bytes_max)));
    }

    /// JSON is laid out for reading; what is sent is the text without that.
    fn body(&mut self, body: &Content) {
        let laid_out = match body {
            Content::Text(text) => json::laid_out(text).map(|laid_out| (text, laid_out)),
            Content::Base64(_) => None,
        };
        match laid_out {
            Some((text, laid_out)) => {
                let size = content::size(text);
                self.facts
                    .add("body", format!("{size} of json, here with line breaks and indentation put in"));
                self.lines(content::numbered(&laid_out, self.view.width));
            }
            None => self.content("body", body),
        }
    }

    fn fs(&mut self, label: &str, step: &FsStep) {
        self.facts.line(format!("{label}: {}", visible::styled(&step.operation).bold()));
        self.value("path", named(&step.path));
        self.now(step.before.as_ref());
        if let Some(search) = &step.search {
            self.search(search);
        }
        // It belongs to the first step that writes or deletes, and to no other.
        let changes = matches!(step.operation.as_str(), "write" | "delete");
        let present = if changes { self.present.take() } else { None };
        if present.is_some_and(|present| !is_as_planned(step.before.as_ref(), present)) {
            let warning =
                "the file is another one than when this was planned: approved, nothing will be done";
            self.facts.add("changed", warning.red().bold().to_string());
        }
        match (&step.content, present) {
            (Some(Content::Text(new)), Some(old)) => {
                let diff = Diff::of(old, new);
                self.facts.add("content", format!("{}; {}", content::size(new), diff.summary()));
                self.facts.lines(diff.lines(self.view));
            }
            (Some(Content::Text(new)), None) if is_new(step) && !new.is_empty() => {
                self.facts.add("content", format!("new: {}", content::size(new)));
                self.facts.lines(Diff::of("", new).lines(self.view));
            }
            (Some(written), _) => self.content("content", written),
            (None, Some(old)) => {
                self.facts.add("lost", content::size(old));
                self.facts.lines(Diff::of(old, "").lines(self.view));
            }
            (None, None) => {
                self.facts.add("limit", format!("at most {}", content::bytes(step.bytes_max)));
            }
        }
    }

    fn now(&mut self, before: Option<&Before>) {
        match before {
            Some(Before::Absent) => {
                self.facts.add("now", "there is no such file");
            }
            Some(Before::File { digest, size }) => {
                let digest = visible::styled(digest);
                let size = content::bytes(*size);
                self.facts.add("now", format!("a file of {size}, which this replaces or removes"));
                self.facts.more(format!("{}", digest.dimmed()));
            }
            None => {}
        }
    }

    /// The rules are part of what is approved: a search reads every file that they let it.
    fn search(&mut self, search: &Search) {
        let kind =
            if search.is_regex { "lines that match the regular expression" } else { "lines with the text" };
        let case = if search.is_case_sensitive { "" } else { ", in capitals or not" };
        self.facts.add("looks for", format!("{kind}{case}"));
        for line in content::broken(&search.pattern, self.columns()) {
            self.facts.more(line);
        }
        self.value("in files", &search.glob);
        for (label, globs) in [("of", &search.allow), ("never in", &search.deny)] {
            let columns = self.columns();
            let lines: Vec<String> = globs.iter().flat_map(|glob| content::broken(glob, columns)).collect();
            self.facts.add_lines(label, &lines);
        }
        self.facts.add("results", format!("at most {} lines", search.results_max));
    }

    fn content(&mut self, label: &str, found: &Content) {
        let lines = match found {
            Content::Text(text) => {
                self.facts.add(label, content::size(text));
                content::numbered(text, self.view.width)
            }
            Content::Base64(text) => {
                self.facts.add(label, format!("no text; in base64 ({} characters):", text.len()));
                content::numbered(&format!("{text}\n"), Some(self.view.width.unwrap_or(85)))
            }
        };
        self.lines(lines);
    }

    fn lines(&mut self, lines: Vec<String>) {
        self.facts.lines(self.view.fold(lines));
    }

    fn value(&mut self, label: &str, value: &str) {
        let lines = content::broken(value, self.columns());
        self.facts.add_lines(label, &lines);
    }

    /// What is left of the terminal for a value.
    fn columns(&self) -> Option<usize> {
        self.view.width.map(|width| width.saturating_sub(LABEL_COLUMNS))
    }
}

fn is_new(step: &FsStep) -> bool {
    matches!(step.before, Some(Before::Absent))
}

fn is_as_planned(before: Option<&Before>, present: &str) -> bool {
    match before {
        Some(Before::File { digest, .. }) => *digest == Digest::of(present.as_bytes()).to_string(),
        Some(Before::Absent) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;
    use crate::render::view::Extent;
    use serde_json::json;

    const VIEW: View = View { width: None, extent: Extent::Changes };

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
        assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
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
body      2 bytes, 1 line of json, here with line breaks and indentation put in
     1 │ {}
answer    at most 10 bytes";
        assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
    }

    #[test]
    fn a_plan_with_an_unknown_member_is_shown_whole() {
        let plan = json!({"kind": "exact", "steps": [{
            "kind": "fs", "operation": "delete", "path": "a", "bytes_max": 1, "recursive": true,
        }]});
        let shown = stripped(&render(&plan, None, VIEW));
        assert!(shown.contains("\"recursive\": true"), "{shown}");
    }

    #[test]
    fn what_the_gate_builds_is_understood() {
        let plan = json!({"kind": "exact", "steps": [
            {"kind": "fs", "operation": "write", "path": "a", "bytes_max": 1, "before": "absent", "content": {"base64": "AA=="}},
            {"kind": "fs", "operation": "list", "path": "", "bytes_max": 1},
        ]});
        let shown = stripped(&render(&plan, None, VIEW));
        assert!(shown.contains("now       there is no such file"), "{shown}");
        assert!(shown.contains("no text; in base64 (4 characters):\n     1 │ AA=="), "{shown}");
        assert!(
            shown.contains("step 2 of 2: list\npath      (the root itself)\nlimit     at most 1 byte"),
            "{shown}"
        );
    }

    #[test]
    fn a_text_that_replaces_another_is_shown_as_what_changes() {
        let old = "a\nb\n";
        let plan = |operation: &str, content: Option<Value>| {
            json!({"kind": "exact", "steps": [{
                "kind": "fs", "operation": operation, "path": "p", "bytes_max": 9, "content": content,
                "before": {"file": {"digest": Digest::of(old.as_bytes()).to_string(), "size": 4}},
            }]})
        };
        let write = plan("write", Some(json!({"text": "a\nc\n"})));
        let shown = stripped(&render(&write, Some(old), VIEW));
        let expected = "\
content   4 bytes, 2 lines; 1 line put in, 1 taken away
     1   a
     2 - b
     2 + c";
        assert!(shown.ends_with(expected), "{shown}");
        assert!(!shown.contains("another one than when this was planned"), "{shown}");
        let changed = stripped(&render(&write, Some("x\n"), VIEW));
        assert!(changed.contains("another one than when this was planned"), "{changed}");
        let delete = stripped(&render(&plan("delete", None), Some(old), VIEW));
        assert!(delete.ends_with("lost      4 bytes, 2 lines\n     1 - a\n     2 - b"), "{delete}");
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
        assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
    }

    #[test]
    fn targets_are_places_without_queries() {
        let plan = json!({"kind": "exact", "steps": [
            {"kind": "http", "method": "GET", "url": "https://api.test/x?q=1", "target": "t", "headers": [],
             "response_bytes_max": 1},
            {"kind": "fs", "operation": "list", "path": "", "bytes_max": 1},
        ]});
        assert_eq!(targets(&plan), ["GET https://api.test/x", "list (the root itself)"]);
    }
}
