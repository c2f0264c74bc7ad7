//! Reads a manifest file: text to checked manifest, or every problem with file and line.
//!
//! In this order: YAML in the strict subset of `yaml`, the published schema, the types, the meaning (`check`). The schema
//! that is published is the one that is enforced: `manifests/schema.json` is compiled into the reader.

pub(crate) mod yaml;

use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize as _;
use serde_json::Value;

use super::Manifest;
use crate::schema::{RequestSchema, Violation, Violations};
use yaml::Document;

/// What is wrong with a manifest file, and what is expected. Displayed as `file:line: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    pub file: String,
    /// Counted from 1.
    pub line: Option<u64>,
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ManifestError {}

impl Manifest {
    /// Reads and checks the text of a manifest; `file` is for errors only.
    ///
    /// # Errors
    /// Every problem found, in the order of lines. A syntax error of YAML hides what comes after it, and a wrong type
    /// what only the meaning would show.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<ManifestError>> {
        let at =
            |line: u64, message: String| ManifestError { file: file.to_owned(), line: Some(line), message };
        let document = Document::read(text).map_err(|problems| {
            problems.into_iter().map(|problem| at(problem.line, problem.message)).collect::<Vec<_>>()
        })?;
        let (manifest, violations) = interpret(&document.value);
        let mut errors: Vec<_> = violations
            .into_iter()
            .map(|violation| at(document.line(&violation.pointer), message(violation)))
            .collect();
        errors.sort_by_key(|error| error.line);
        match manifest {
            Some(manifest) if errors.is_empty() => Ok(manifest),
            _ => Err(errors),
        }
    }
}

/// The manifest as far as its types are right, and what is wrong with it.
fn interpret(value: &Value) -> (Option<Manifest>, Vec<Violation>) {
    if let Some(newer) = newer_format(value) {
        return (None, vec![newer]);
    }
    let mut violations = match &*FORMAT {
        Ok(schema) => schema.violations(value, PROBLEMS_MAX),
        Err(broken) => broken.0.clone(),
    };
    match Manifest::deserialize(value) {
        Ok(manifest) => {
            violations.extend(manifest.check());
            (Some(manifest), violations)
        }
        // The schema names the place, serde does not.
        Err(error) if violations.is_empty() => (None, vec![Violation::new("", error.to_string())]),
        Err(_) => (None, violations),
    }
}

/// The rules of a newer format are unknown here, so nothing else about such a file is worth saying.
fn newer_format(value: &Value) -> Option<Violation> {
    let format = value.get("format")?.as_u64()?;
    let message = format!("this latchgate reads manifest format 1; format {format} needs a newer one");
    (format > 1).then(|| Violation::new("/format", message))
}

/// The line says where; the name of the member says what, except for the whole.
fn message(violation: Violation) -> String {
    match violation.pointer.strip_prefix('/') {
        Some(path) => format!("{}: {}", path.replace('/', "."), violation.message),
        None => violation.message,
    }
}

const PROBLEMS_MAX: usize = 100;

static FORMAT: LazyLock<Result<RequestSchema, Violations>> = LazyLock::new(|| {
    let text = include_str!("../../../../manifests/schema.json");
    let schema = serde_json::from_str(text)
        .map_err(|error| Violations(vec![Violation::new("", error.to_string())]))?;
    RequestSchema::compile(&schema)
});

#[cfg(test)]
mod tests;
