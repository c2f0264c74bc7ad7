//! Where rules are written: policy files, places in them, and errors that name both.

use std::ops::Range;

/// One policy file.
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

/// One rule's place in its file, annotations included.
#[derive(Clone, Debug)]
pub(super) struct Place<'s> {
    pub source: &'s Source,
    /// Byte offsets into the text.
    pub span: Range<usize>,
}

impl Source {
    /// The error at the line that contains the byte `offset`.
    pub(super) fn error(
        &self,
        offset: usize,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> PolicyError {
        let before = self.text.as_bytes().iter().take(offset);
        PolicyError {
            file: self.name.clone(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }
}

impl Place<'_> {
    /// The error at the rule's first line.
    pub fn error(&self, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        self.source.error(self.span.start, problem, remedy)
    }

    /// The error at the line of the annotation `@name`, or at the rule's first line if it has none.
    pub fn error_at(&self, name: &str, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        let rule = self.source.text.get(self.span.clone()).unwrap_or_default();
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
        let source = Source { name: "a.cedar".into(), text: text.into() };
        let place = Place { source: &source, span: 8..text.len() };
        assert_eq!(place.error_at("ask", "p", "r").to_string(), "a.cedar:3: p; r");
        assert_eq!(place.error_at("reason", "p", "r").line, 2);
        assert_eq!(place.error("p", "r").line, 2);
    }
}
