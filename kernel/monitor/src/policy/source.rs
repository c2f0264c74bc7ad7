//! Where rules are written: policy files, places in them, and errors that name both.
//!
//! Plain rules (`*.yaml`) are compiled first; errors found in the Cedar that they become name the line of the YAML.

use std::ops::Range;

use super::budget::Budget;
use super::rules;
use super::schema::ActionType;

/// One policy file: plain rules if the name ends in `.yaml`, otherwise Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As errors show it: a file name.
    pub name: String,
    pub text: String,
}

/// Why a policy set was not accepted. Shown as `file:line: problem; remedy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {problem}; {remedy}")]
pub struct PolicyError {
    pub file: String,
    /// 1-based.
    pub line: usize,
    pub problem: String,
    /// What the author of the policy should do.
    pub remedy: String,
}

/// A policy file as Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub name: String,
    pub cedar: String,
    pub written: Written,
    pub budgets: Vec<Budget>,
}

/// What the author wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The Cedar itself.
    Cedar,
    Rules {
        yaml: String,
        /// For each line of the Cedar, the line of the YAML that it comes from.
        lines: Vec<usize>,
    },
}

/// One rule's place in its file, annotations included.
#[derive(Clone, Debug)]
pub(super) struct Place<'s> {
    pub source: &'s Loaded,
    /// Byte offsets into the text.
    pub span: Range<usize>,
}

impl Source {
    /// # Errors
    /// What is wrong with plain rules; Cedar is read later.
    pub(super) fn load(&self, actions: &[ActionType]) -> Result<Loaded, Vec<PolicyError>> {
        if !self.name.ends_with(".yaml") {
            let (name, cedar) = (self.name.clone(), self.text.clone());
            return Ok(Loaded { name, cedar, written: Written::Cedar, budgets: Vec::new() });
        }
        let compiled = rules::translate(&self.name, &self.text, actions)?;
        let written = Written::Rules { yaml: self.text.clone(), lines: compiled.lines };
        let (name, budgets) = (self.name.clone(), compiled.budgets);
        Ok(Loaded { name, cedar: compiled.text, written, budgets })
    }
}

impl Loaded {
    /// The error at the line that contains the byte `offset` of the Cedar.
    pub(super) fn error(
        &self,
        offset: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> PolicyError {
        let line = self.line(offset);
        PolicyError { file: self.name.clone(), line, problem: problem.into(), remedy: remedy.into() }
    }

    /// The line, as its author wrote it, that contains the byte `offset` of the Cedar.
    pub(super) fn line(&self, offset: usize) -> usize {
        let before = self.cedar.as_bytes().iter().take(offset);
        let index = before.filter(|byte| **byte == b'\n').count();
        match &self.written {
            Written::Cedar => 1 + index,
            Written::Rules { lines, .. } => lines.get(index).copied().unwrap_or(1),
        }
    }
}

impl Place<'_> {
    /// The error at the rule's first line.
    pub fn error(&self, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        self.source.error(self.span.start, problem, remedy)
    }

    /// The rule's first line.
    pub fn line(&self) -> usize {
        self.source.line(self.span.start)
    }

    /// The error at the line of the annotation `@name`, or at the rule's first line if it has none.
    pub fn error_at(&self, name: &str, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        let rule = self.source.cedar.get(self.span.clone()).unwrap_or_default();
        let offset = rule.find(&format!("@{name}")).unwrap_or_default();
        self.source.error(self.span.start + offset, problem, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_line_of_the_annotation() {
        let text = "// @ask\n@id(\"a\")\n@ask(\"b\")\npermit (principal, action, resource);";
        let (name, budgets) = ("a.cedar".into(), Vec::new());
        let source = Loaded { name, cedar: text.into(), written: Written::Cedar, budgets };
        let place = Place { source: &source, span: 8..text.len() };
        assert_eq!(place.error_at("ask", "p", "r").to_string(), "a.cedar:3: p; r");
        assert_eq!(place.error_at("reason", "p", "r").line, 2);
        assert_eq!(place.error("p", "r").line, 2);
    }
}
