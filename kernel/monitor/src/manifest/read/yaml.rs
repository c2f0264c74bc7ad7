//! YAML 1.2 without what makes two parsers read one file differently.
//!
//! Refused: anchors, aliases, tags, merge keys, directives, several documents, duplicate keys, keys that are not plain
//! texts, invisible characters, and unquoted scalars on which YAML 1.1, the YAML 1.2 core schema and JSON do not agree
//! (`yes`, `010`, `0x1f`, `.inf`, `~`). What is left is JSON in other clothes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag, options};

use latchgate_wire::json;

use crate::schema::below;

/// One document, and on which line each part of it begins.
#[derive(Debug)]
pub(crate) struct Document {
    pub value: Value,
    /// By JSON pointer.
    lines: BTreeMap<String, u64>,
}

/// What is wrong on a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub line: u64,
    pub message: String,
}

/// Bytes of a file at most.
const FILE_BYTES_MAX: usize = 256 * 1024;

/// Mappings and sequences inside one another, inclusive.
const DEPTH_MAX: usize = 64;

impl Document {
    /// # Errors
    /// Everything outside the subset, up to the first syntax error.
    pub(crate) fn read(text: &str) -> Result<Self, Vec<Problem>> {
        if text.len() > FILE_BYTES_MAX {
            return Err(vec![problem(1, "expected a file of at most 256 KiB")]);
        }
        let mut builder = Builder::default();
        let options = options! {
            disallow_directives: true,
            emit_unresolved_aliases: true,
            strict_indentation: true,
        };
        for event in Parser::new_from_str_with_options(text, options) {
            match event {
                Ok((event, span)) => builder.take(event, span),
                Err(error) => {
                    let line = u64::try_from(error.marker().line()).unwrap_or(u64::MAX);
                    builder.problems.push(problem(line, format!("expected YAML 1.2: {}", error.info())));
                    return Err(builder.problems);
                }
            }
            if builder.stack.len() > DEPTH_MAX {
                builder.complain(format!("expected at most {DEPTH_MAX} levels of nesting"));
                return Err(builder.problems);
            }
        }
        builder.finish()
    }

    /// The line of the part at `pointer`, or of the nearest part around it.
    pub(crate) fn line(&self, pointer: &str) -> u64 {
        let mut pointer = pointer;
        loop {
            if let Some(&line) = self.lines.get(pointer) {
                return line;
            }
            match pointer.rsplit_once('/') {
                Some((parent, _)) => pointer = parent,
                None => return 1,
            }
        }
    }
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    documents: Vec<Value>,
    lines: BTreeMap<String, u64>,
    problems: Vec<Problem>,
    /// Of the event being taken.
    line: u64,
}

/// A mapping or sequence that is not complete yet.
struct Frame {
    pointer: String,
    parts: Parts,
}

enum Parts {
    Sequence(Vec<Value>),
    Mapping { members: Map<String, Value>, key: Key },
}

/// What a mapping waits for.
enum Key {
    Awaited,
    /// The value of this key.
    Read(String),
    /// The value of a key that was refused.
    Refused,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) {
        self.line = u64::try_from(span.start.line()).unwrap_or(u64::MAX);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_properties(anchor, tag.as_deref());
                self.scalar(&text, style);
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_properties(anchor, tag.as_deref());
                self.open(Parts::Sequence(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_properties(anchor, tag.as_deref());
                self.open(Parts::Mapping { members: Map::new(), key: Key::Awaited });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.complain("expected no alias (`*name`); write the value itself, or quote it");
                self.value(Value::Null);
            }
            Event::DocumentStart(..) if !self.documents.is_empty() => self.complain("expected one document"),
            // The rest is layout: starts, ends, comments.
            _ => {}
        }
    }

    fn refuse_properties(&mut self, anchor: usize, tag: Option<&Tag>) {
        if anchor != 0 {
            self.complain("expected no anchor (`&name`); write the value where it is needed, or quote it");
        }
        if tag.is_some() {
            self.complain("expected no tag (`!name`); types follow from the value, or quote it");
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle) {
        if text.contains(is_invisible) {
            self.complain("expected no control character and no bidirectional override in a text");
        }
        let resolved = match style {
            ScalarStyle::Plain => plain(text),
            _ => Ok(Value::String(text.to_owned())),
        };
        if let Some(Frame { parts: Parts::Mapping { key: Key::Awaited, .. }, .. }) = self.stack.last() {
            return self.key(text, style, resolved);
        }
        self.open_line();
        match resolved {
            Ok(value) => self.value(value),
            Err(message) => {
                self.complain(message);
                self.value(Value::Null);
            }
        }
    }

    fn key(&mut self, text: &str, style: ScalarStyle, resolved: Result<Value, &'static str>) {
        if style == ScalarStyle::Plain && text == "<<" {
            self.complain("expected no merge key (`<<`); write the members themselves");
        }
        if !matches!(resolved, Ok(Value::String(_))) {
            self.complain("expected a key that is a text; quote it");
        }
        let line = self.line;
        let Some(Frame { pointer, parts: Parts::Mapping { members, key } }) = self.stack.last_mut() else {
            return;
        };
        if members.contains_key(text) {
            *key = Key::Refused;
            let first = self.lines.get(&below(pointer, text)).copied().unwrap_or(line);
            return self.complain(format!("expected each key once; `{text}` is on line {first}, too"));
        }
        self.lines.insert(below(pointer, text), line);
        *key = Key::Read(text.to_owned());
    }

    fn open(&mut self, parts: Parts) {
        self.open_line();
        let pointer = self.place();
        if let Some(Frame { parts: Parts::Mapping { key, .. }, .. }) = self.stack.last_mut()
            && matches!(key, Key::Awaited)
        {
            *key = Key::Refused;
            self.complain("expected a key that is a text, found a mapping or sequence");
            // The refused key is read to its end and dropped; `close` finds this mark.
            return self.stack.push(Frame { pointer: KEY_MARK.into(), parts });
        }
        self.stack.push(Frame { pointer, parts });
    }

    fn close(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        if frame.pointer == KEY_MARK {
            return;
        }
        self.value(match frame.parts {
            Parts::Sequence(items) => Value::Array(items),
            Parts::Mapping { members, .. } => Value::Object(members),
        });
    }

    fn value(&mut self, value: Value) {
        match self.stack.last_mut().map(|frame| &mut frame.parts) {
            None => self.documents.push(value),
            Some(Parts::Sequence(items)) => items.push(value),
            Some(Parts::Mapping { members, key }) => match std::mem::replace(key, Key::Awaited) {
                Key::Read(name) => {
                    members.insert(name, value);
                }
                Key::Refused => {}
                // An alias where a key should be.
                Key::Awaited => *key = Key::Refused,
            },
        }
    }

    /// Notes where an element begins; a member begins at its key.
    fn open_line(&mut self) {
        if let Some(Frame { pointer, parts: Parts::Sequence(items) }) = self.stack.last() {
            self.lines.insert(below(pointer, items.len()), self.line);
        }
    }

    /// Where the next value belongs.
    fn place(&self) -> String {
        match self.stack.last() {
            None => String::new(),
            Some(Frame { pointer, parts: Parts::Sequence(items) }) => below(pointer, items.len()),
            Some(Frame { pointer, parts: Parts::Mapping { key: Key::Read(name), .. } }) => {
                below(pointer, name)
            }
            Some(Frame { pointer, .. }) => pointer.clone(),
        }
    }

    fn complain(&mut self, message: impl Into<String>) {
        self.problems.push(problem(self.line, message));
    }

    fn finish(mut self) -> Result<Document, Vec<Problem>> {
        if self.documents.is_empty() {
            self.problems.push(problem(1, "expected a document, found an empty file"));
        }
        match self.documents.pop() {
            Some(value) if self.problems.is_empty() => Ok(Document { value, lines: self.lines }),
            _ => Err(self.problems),
        }
    }
}

/// No JSON pointer looks like this.
const KEY_MARK: &str = "key";

fn problem(line: u64, message: impl Into<String>) -> Problem {
    Problem { line, message: message.into() }
}

/// An unquoted scalar, if all schemas of YAML agree on what it is.
fn plain(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "null" => return Ok(Value::Null),
        "true" => return Ok(Value::Bool(true)),
        "false" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "~") {
        return Err("expected `true`, `false`, `null` or a quoted text");
    }
    if let Ok(number @ Value::Number(_)) = json::parse(text.as_bytes(), json::Limits::DEFAULT) {
        return Ok(number);
    }
    if looks_like_number(&lower) {
        return Err("expected a number as JSON writes it, or a quoted text");
    }
    Ok(Value::String(text.to_owned()))
}

/// What the core schema (YAML 1.2.2 section 10.3.2) or YAML 1.1 would take for a number although JSON does not.
fn looks_like_number(lower: &str) -> bool {
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(lower);
    let digits = |text: &str, radix| !text.is_empty() && text.chars().all(|c| c == '_' || c.is_digit(radix));
    if matches!(unsigned, ".inf" | ".nan") {
        return true;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if unsigned.strip_prefix(prefix).is_some_and(|rest| digits(rest, radix)) {
            return true;
        }
    }
    let starts = unsigned.strip_prefix('.').unwrap_or(unsigned).starts_with(|c: char| c.is_ascii_digit());
    let plain =
        unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '_' | ':' | 'e' | '+' | '-'));
    // A date or a version is no number in any schema: two points, or a hyphen that follows no exponent.
    let points = unsigned.matches('.').count();
    let hyphens = unsigned.match_indices(['-', '+']).any(|(i, _)| !unsigned[..i].ends_with('e'));
    starts && plain && points <= 1 && !hyphens
}

/// Control characters that no text needs, and what makes text show otherwise than it reads (Unicode TR 36 section 3.1).
fn is_invisible(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests;
