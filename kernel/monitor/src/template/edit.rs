//! Edits: a write whose content is what is there, with one text replaced by another.
//!
//! The whole new content is made while planning, so that policy, approver and ledger see what will be written, and the digest
//! of the old content binds it.

use crate::manifest::EditTemplate;
use crate::schema::Violation;

use super::arguments::Arguments;
use super::count::Count;
use super::text::Text;
use super::{Args, TemplateError};

#[derive(Debug)]
pub(super) struct EditCompiled {
    old_text: Text,
    new_text: Text,
    count: Count,
}

/// What a call replaces in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    old_text: String,
    new_text: String,
    /// How often `old_text` must occur: at least once.
    count: u64,
    /// The arguments that the texts are made of, for errors.
    old_name: Option<String>,
    new_name: Option<String>,
}

impl EditCompiled {
    pub(super) fn compile(
        template: &EditTemplate,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Option<Self> {
        let mut text = |name: &str, text: &str| {
            let parsed = Text::parse(text).and_then(|text| match text.objection(arguments) {
                Some(objection) => Err(objection),
                None => Ok(text),
            });
            parsed.map_err(|why| wrong.push(Violation::new(format!("/template/edit/{name}"), why))).ok()
        };
        let old_text = text("old_text", &template.old_text);
        let new_text = text("new_text", &template.new_text);
        let count = Count::parse(&template.count, arguments);
        let count = count.map_err(|why| wrong.push(Violation::new("/template/edit/count", why))).ok();
        Some(Self { old_text: old_text?, new_text: new_text?, count: count? })
    }

    pub(super) fn expand(&self, args: &Args) -> Result<Edit, TemplateError> {
        let name = |text: &Text| text.names().next().map(str::to_owned);
        let old_text = self.old_text.plain(args)?;
        if old_text.is_empty() {
            return Err(of(name(&self.old_text), "expected a text to replace, found none"));
        }
        let new_text = self.new_text.plain(args)?;
        if new_text == old_text {
            return Err(of(name(&self.new_text), "expected another text than the one it replaces"));
        }
        let count = self.count.expand(args)?;
        let (old_name, new_name) = (name(&self.old_text), name(&self.new_text));
        Ok(Edit { old_text, new_text, count, old_name, new_name })
    }
}

impl Edit {
    /// `old` with every occurrence of the old text replaced, found from the beginning, none overlapping another.
    ///
    /// # Errors
    /// If `old` is no text, does not contain the old text as often as it must, or the result has more than `bytes_max` bytes.
    pub fn apply(&self, old: &[u8], bytes_max: u64) -> Result<String, TemplateError> {
        let old = std::str::from_utf8(old).map_err(|_| {
            self.of_old("expected a file of UTF-8 text, found other bytes")
                .remedy("write the file as a whole")
        })?;
        let found = old.matches(&self.old_text).count() as u64;
        if found != self.count {
            return Err(self.miscounted(found));
        }
        let (removed, added) = (self.old_text.len() as u64, self.new_text.len() as u64);
        let bytes = (old.len() as u64 - found * removed).saturating_add(found.saturating_mul(added));
        if bytes > bytes_max {
            let message = format!("the file would have {bytes} bytes, at most {bytes_max} are accepted");
            return Err(of(self.new_name.clone(), message));
        }
        Ok(old.replace(&self.old_text, &self.new_text))
    }

    fn miscounted(&self, found: u64) -> TemplateError {
        if found == 0 {
            return self
                .of_old("the text to replace was not found in the file")
                .remedy("read the file and repeat that part exactly, white space and line ends included");
        }
        let times = |n: u64| if n == 1 { "once".to_owned() } else { format!("{n} times") };
        let message =
            format!("the text to replace was found {}, expected {}", times(found), times(self.count));
        self.of_old(message).remedy(format!(
            "give more of what surrounds it, so that it is found as often as expected, or expect {found}"
        ))
    }

    fn of_old(&self, message: impl Into<String>) -> TemplateError {
        of(self.old_name.clone(), message)
    }
}

fn of(name: Option<String>, message: impl Into<String>) -> TemplateError {
    match name {
        Some(name) => TemplateError::of(&name, message),
        None => TemplateError::new(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old_text: &str, new_text: &str, count: u64) -> Edit {
        let [old_name, new_name] = ["old", "new"].map(|name| Some(name.to_owned()));
        Edit { old_text: old_text.into(), new_text: new_text.into(), count, old_name, new_name }
    }

    #[test]
    fn every_occurrence_is_replaced() {
        for (old, new, count, given, result) in [
            ("b", "x", 1, "abc", "axc"),
            ("b", "", 2, "abcb", "ac"),
            ("b\n", "b\r\n", 1, "a\nb\n", "a\nb\r\n"),
            ("é", "ee", 1, "é", "ee"),
            // From the beginning, none overlapping another; what is put in is not searched again.
            ("aa", "b", 1, "aaa", "ba"),
            ("a", "aa", 2, "aa", "aaaa"),
        ] {
            assert_eq!(edit(old, new, count).apply(given.as_bytes(), 100).as_deref(), Ok(result), "{given}");
        }
    }

    #[test]
    fn a_text_that_is_not_found_as_often_as_expected_is_refused() {
        for (count, given, start) in [
            (1, "xyz", "the text to replace was not found"),
            (1, "abab", "the text to replace was found 2 times, expected once"),
            (2, "ab", "the text to replace was found once, expected 2 times"),
            (3, "abab", "the text to replace was found 2 times, expected 3 times"),
        ] {
            let error = edit("ab", "x", count).apply(given.as_bytes(), 100).unwrap_err();
            assert!(error.message.starts_with(start), "{error:?}");
            assert_eq!(error.pointer.as_deref(), Some("/old"));
            assert!(error.remediation.is_some());
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_left_alone() {
        let error = edit("a", "b", 1).apply(b"a\xff", 100).unwrap_err();
        assert_eq!(error.message, "expected a file of UTF-8 text, found other bytes");
    }

    #[test]
    fn the_result_is_bounded_before_it_is_made() {
        let growing = edit("a", "bcd", 2);
        assert_eq!(growing.apply(b"a-a", 7).as_deref(), Ok("bcd-bcd"));
        let error = growing.apply(b"a-a", 6).unwrap_err();
        assert_eq!(error.message, "the file would have 7 bytes, at most 6 are accepted");
        assert_eq!(error.pointer.as_deref(), Some("/new"));
    }
}
