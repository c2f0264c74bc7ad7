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
            let names = secret.names().collect::<Vec<_>>().join(", ");
            let (names, place) = (visible::styled(&names), secret.placement.to_string());
            let place = visible::styled(&place);
            let host = visible::styled(&secret.host);
            let text = format!("{} goes to {host} in {place}; the gate adds the value", names.bold());
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
mod tests;
