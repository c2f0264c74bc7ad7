//! Plain rules: YAML that users write, compiled to the Cedar that [`Policy::load`](super::Policy::load) checks and judges by.
//!
//! ```yaml
//! format: 1
//! rules:
//!   - id: docs-in-hours
//!     then: allow
//!     reason: the documentation may be read in working hours
//!     when:
//!       action: http_*
//!       host: [docs.example.com, "*.docs.example.com"]
//!       time: { days: [mon, tue, wed, thu, fri], from: "08:00", to: "18:00" }
//! ```
//!
//! In this order, as with manifests: YAML in the strict subset, the published schema (`policies/rules.schema.json`, compiled
//! in here), the meaning. Whatever the user wrote reaches Cedar only as the content of a string literal, as a number or as
//! one of our own words, so a rule cannot end before its text does.
//!
//! A name that a client gives itself is no authority: it can make a rule ask or deny, never allow.

mod argument;
mod condition;
mod format;
mod literal;
mod scope;
mod write;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::Deserialize as _;
use serde_json::Value;

use super::budget::Budget;
use super::schema::{ActionType, real_actions};
use super::source::PolicyError;
use crate::manifest::Manifest;
use crate::manifest::read::yaml::Document;
use crate::schema::{RequestSchema, Violation, Violations};
use format::Rule;
use write::Line;

/// The Cedar of the rules in `yaml`, for `actions`; `file` is for errors only.
///
/// # Errors
/// Every problem that can be told from the rules and the actions, in the order of lines. What the Cedar means is checked
/// by [`Policy::load`](super::Policy::load), which compiles for itself, and whose errors name lines of the YAML, too.
pub fn compile(file: &str, yaml: &str, actions: &[&Manifest]) -> Result<String, Vec<PolicyError>> {
    translate(file, yaml, &real_actions(actions)).map(|compiled| compiled.text)
}

/// Rules as Cedar.
pub(super) struct Compiled {
    pub text: String,
    /// For each line of the text, the line of the YAML that it comes from.
    pub lines: Vec<usize>,
    pub budgets: Vec<Budget>,
}

/// [`compile`], with the places.
pub(super) fn translate(
    file: &str,
    yaml: &str,
    actions: &[ActionType],
) -> Result<Compiled, Vec<PolicyError>> {
    let document = Document::read(yaml).map_err(|problems| {
        let remedy = "write YAML 1.2 without anchors, tags and ambiguous values";
        let error = |line, problem| PolicyError { file: file.into(), line, problem, remedy: remedy.into() };
        problems.into_iter().map(|found| error(number(found.line), found.message)).collect::<Vec<_>>()
    })?;
    let mut wrong = Vec::new();
    let lines = read(&document.value, actions, &mut wrong);
    let budgets = if wrong.is_empty() { budgets(&document.value, &mut wrong) } else { Vec::new() };
    if wrong.is_empty() {
        return Ok(Compiled::of(&lines, budgets, &document));
    }
    let mut errors: Vec<PolicyError> = wrong
        .into_iter()
        .map(|wrong| PolicyError {
            file: file.to_owned(),
            line: number(document.line(&wrong.at)),
            problem: wrong.problem,
            remedy: wrong.remedy,
        })
        .collect();
    errors.sort_by_key(|error| error.line);
    Err(errors)
}

/// A place in the YAML, by JSON pointer, and what is wrong there.
struct Wrong {
    at: String,
    problem: String,
    remedy: String,
}

impl Wrong {
    fn new(at: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// What does not fit the schema.
    fn misfit(violation: Violation) -> Self {
        let problem = match violation.pointer.strip_prefix('/') {
            Some(path) => format!("{}: {}", path.replace('/', "."), violation.message),
            None => violation.message,
        };
        Self::new(violation.pointer, problem, "compare with the schema of rules, rules.schema.json")
    }
}

impl Compiled {
    fn of(lines: &[Line], budgets: Vec<Budget>, document: &Document) -> Self {
        let text = lines.iter().map(|line| format!("{}\n", line.text)).collect();
        Self { text, lines: lines.iter().map(|line| number(document.line(&line.at))).collect(), budgets }
    }
}

/// The Cedar of every rule that fits the schema; what does not fit is told, and what the others cannot mean.
fn read(value: &Value, actions: &[ActionType], wrong: &mut Vec<Wrong>) -> Vec<Line> {
    if let Some(newer) = newer_format(value) {
        wrong.push(newer);
        return Vec::new();
    }
    let violations = match &*FORMAT {
        Ok(schema) => schema.violations(value, PROBLEMS_MAX),
        Err(broken) => broken.0.clone(),
    };
    let rules = value.get("rules").and_then(Value::as_array).into_iter().flatten();
    let mut lines = Vec::new();
    for (i, rule) in rules.enumerate() {
        let at = format!("/rules/{i}");
        let below = format!("{at}/");
        if violations.iter().any(|v| v.pointer == at || v.pointer.starts_with(&below)) {
            continue;
        }
        match Rule::deserialize(rule) {
            Ok(rule) => lines.extend(write::rule(&rule, &at, actions, wrong)),
            Err(error) => wrong.push(Wrong::misfit(Violation::new(at, error.to_string()))),
        }
    }
    wrong.extend(violations.into_iter().map(Wrong::misfit));
    lines
}

/// The budgets; the schema has taken them already.
fn budgets(value: &Value, wrong: &mut Vec<Wrong>) -> Vec<Budget> {
    let written = value.get("budgets").and_then(Value::as_array).into_iter().flatten();
    let read = written.enumerate().filter_map(|(i, budget)| {
        let at = format!("/budgets/{i}");
        Budget::deserialize(budget)
            .map_err(|error| wrong.push(Wrong::misfit(Violation::new(at, error.to_string()))))
            .ok()
    });
    read.collect()
}

/// The rules of a newer format are unknown here, so nothing else about such a file is worth saying.
fn newer_format(value: &Value) -> Option<Wrong> {
    let format = value.get("format")?.as_u64()?;
    let problem = format!("this latchgate reads rules of format 1, and these have format {format}");
    (format > 1).then(|| Wrong::new("/format", problem, "update latchgate"))
}

fn number(line: u64) -> usize {
    usize::try_from(line).unwrap_or(usize::MAX)
}

const PROBLEMS_MAX: usize = 100;

static FORMAT: LazyLock<Result<RequestSchema, Violations>> = LazyLock::new(|| {
    let text = include_str!("../../../../policies/rules.schema.json");
    let schema = serde_json::from_str(text)
        .map_err(|error| Violations(vec![Violation::new("", error.to_string())]))?;
    RequestSchema::compile(&schema)
});
