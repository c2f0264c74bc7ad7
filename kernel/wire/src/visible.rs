//! Text from others, made visible: what a terminal would hide, reorder or obey is shown as `\u{..}`.
//!
//! Agents and services choose what stands in arguments, paths and answers. Escape sequences, bidirectional overrides,
//! zero-width and other invisible characters could make a person approve something else than what is shown (see
//! [UTS 55](https://www.unicode.org/reports/tr55/)). The escapes are unambiguous: backslashes in front of an escape, or
//! in front of a literal `u{`, are doubled.

use std::fmt::Write as _;

/// In place of a tab, which is common and would be tiring as `\u{9}`.
const TAB: char = '⇥';

/// Combining marks shown as they are behind one character; a pile of them could cover what stands around it.
const MARKS_MAX: usize = 2;

/// One line: line breaks are escaped as well.
pub fn plain(text: &str) -> String {
    render(text, str::to_owned, str::to_owned)
}

/// JSON text with every such character as a JSON escape: the same value, and nothing in it that a terminal obeys.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // Outside of strings JSON is ASCII without controls (but for the line breaks of pretty printing).
        if c == '\n' || !is_hidden(c) {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _infallible = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Whether a terminal may show nothing for this character, or something other than the character itself.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    is_blank_letter(c) || is_unprintable(c) || is_invisible_mark(c)
}

/// The text with its own runs tinted and the escapes styled.
pub fn render(text: &str, tint: impl Fn(&str) -> String, style: impl Fn(&str) -> String) -> String {
    let mut out = Runs { done: String::with_capacity(text.len()), run: String::new(), tint };
    let mut marks = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\\' {
            let mut run = 1;
            while rest.next_if_eq(&'\\').is_some() {
                run += 1;
            }
            let count = if is_escape_ahead(rest.clone(), marks) { 2 * run } else { run };
            out.run.extend(std::iter::repeat_n('\\', count));
            marks = 0;
            continue;
        }
        if c == '\t' {
            out.mark(&style(&TAB.to_string()));
            marks = 0;
            continue;
        }
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if c == TAB || is_hidden(c) || marks > MARKS_MAX {
            out.mark(&style(&escape(c)));
        } else {
            out.run.push(c);
        }
    }
    out.finish()
}

/// Text as it grows: runs of the text itself, tinted as a whole, between marks of ours.
struct Runs<T> {
    done: String,
    run: String,
    tint: T,
}

impl<T: Fn(&str) -> String> Runs<T> {
    fn mark(&mut self, mark: &str) {
        self.flush();
        self.done.push_str(mark);
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.done.push_str(&(self.tint)(&self.run));
            self.run.clear();
        }
    }

    fn finish(mut self) -> String {
        self.flush();
        self.done
    }
}

/// Whether what follows backslashes is an escape of ours, or looks like one.
fn is_escape_ahead(mut rest: std::iter::Peekable<std::str::Chars<'_>>, marks: usize) -> bool {
    match rest.next() {
        Some('u') => rest.next() == Some('{'),
        Some('\t') | None => false,
        Some(c) => c == TAB || is_hidden(c) || (is_mark(c) && marks >= MARKS_MAX),
    }
}

fn escape(c: char) -> String {
    format!("\\u{{{:X}}}", u32::from(c))
}

/// General categories Cc, Cf, Cs, Co, Cn, Zl, Zp and Zs but for the space: what the standard library's debug form
/// escapes. It also escapes combining marks, unless they stand behind another character.
fn is_unprintable(c: char) -> bool {
    let mut buffer = [0; 5];
    buffer[0] = b'a';
    let len = 1 + c.encode_utf8(&mut buffer[1..]).len();
    // Invariant: an ASCII letter and one encoded character are UTF-8.
    let text = std::str::from_utf8(&buffer[..len]).unwrap_or_default();
    text.escape_debug().nth(1) == Some('\\')
}

/// Combining marks: they change the character in front of them.
fn is_mark(c: char) -> bool {
    !c.is_ascii() && c.escape_debug().next() == Some('\\') && !is_unprintable(c)
}

/// Marks without a shape: grapheme joiner, Khmer inherent vowels, variation selectors (Mongolian, common, supplementary).
fn is_invisible_mark(c: char) -> bool {
    matches!(c, '\u{34F}' | '\u{17B4}'..='\u{17B5}' | '\u{180B}'..='\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Letters and symbols that are drawn as nothing: Hangul fillers, blank braille.
fn is_blank_letter(c: char) -> bool {
    matches!(c, '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' | '\u{2800}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        for text in [
            "a b-c_d/e.f",
            "C:\\dir\\file",
            "äöü ß é",
            "Привет",
            "你好",
            "नमस्ते",
            "שלום",
            "👍 → ✓",
            "e\u{301}",
        ] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn what_is_invisible_or_obeyed_is_escaped() {
        for (text, shown) in [
            ("a\u{202E}b", "a\\u{202E}b"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200B}b\u{200D}c\u{FEFF}", "a\\u{200B}b\\u{200D}c\\u{FEFF}"),
            ("\u{1B}[2J", "\\u{1B}[2J"),
            ("\u{9B}2J", "\\u{9B}2J"),
            ("a\rb\nc", "a\\u{D}b\\u{A}c"),
            ("a\u{A0}b", "a\\u{A0}b"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("x\u{AD}y", "x\\u{AD}y"),
            ("\u{3164}", "\\u{3164}"),
            ("v\u{FE0F}", "v\\u{FE0F}"),
            ("t\u{E0041}", "t\\u{E0041}"),
            ("\u{E000}", "\\u{E000}"),
            ("\u{7F}", "\\u{7F}"),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    #[test]
    fn a_literal_escape_differs_from_a_real_one() {
        assert_eq!(plain("\\u{202E}"), "\\\\u{202E}");
        assert_eq!(plain("\\\u{202E}"), "\\\\\\u{202E}");
        assert_eq!(plain("\\\\u{1}"), "\\\\\\\\u{1}");
        assert_eq!(plain("\\x \\u0041"), "\\x \\u0041");
    }

    #[test]
    fn tabs_are_shown_and_their_sign_cannot_be_forged() {
        assert_eq!(plain("\tx"), "⇥x");
        assert_eq!(plain("⇥x"), "\\u{21E5}x");
    }

    #[test]
    fn piles_of_marks_end_after_two() {
        assert_eq!(plain("a\u{301}\u{302}\u{303}b"), "a\u{301}\u{302}\\u{303}b");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a": "x\u{202E}\u{1B}\u{E0041}\n ä"});
        let shown = json(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!shown.chars().any(|c| c != '\n' && is_hidden(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
