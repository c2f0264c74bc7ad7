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

    /// The error at the line where the rule uses `word`, or at its first line if that cannot be told.
    pub fn error_at(&self, word: &str, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyError {
        let offset = self.find(word).unwrap_or(self.span.start);
        self.source.error(offset, problem, remedy)
    }

    /// The first use of `word` as a name: after `.`, `@`, `has` or an opening quote. Cedar's syntax tree has no
    /// positions for names; the words of comments and of other strings are mostly passed over, and a wrong guess costs
    /// only the precision of a line number.
    fn find(&self, word: &str) -> Option<usize> {
        let text = self.source.text.get(self.span.clone())?;
        let hit = text.match_indices(word).find(|(at, _)| {
            let before = text[..*at].trim_end();
            let after = text[at + word.len()..].chars().next();
            let ends = !after.is_some_and(|c| c.is_alphanumeric() || c == '_');
            ends && (before.ends_with(['.', '@', '"']) || before.ends_with("has"))
        });
        hit.map(|(at, _)| self.span.start + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_line_of_the_word() {
        let text = "// host\npermit (principal,\n action, resource)\nwhen { context.op.host == \"x\" };";
        let source = Source { name: "a.cedar".into(), text: text.into() };
        let place = Place { source: &source, span: 8..text.len() };
        assert_eq!(place.error_at("host", "p", "r").to_string(), "a.cedar:4: p; r");
        assert_eq!(place.error_at("hos", "p", "r").line, 2);
        assert_eq!(place.error("p", "r").line, 2);
    }
}
