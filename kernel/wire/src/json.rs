//! Strict I-JSON reader: the one way in which JSON from outside becomes a value.
//!
//! Two parsers must not find two meanings in the same bytes, so whatever RFC 8259 leaves to the implementation is
//! refused here, following [RFC 7493](https://www.rfc-editor.org/rfc/rfc7493): invalid UTF-8, a byte order mark,
//! duplicate names (compared after unescaping), lone surrogates, numbers that a double cannot hold, trailing data.
//! Beyond RFC 7493, U+0000 is refused (it ends strings elsewhere) and size and depth are bounded.
//!
//! Invariant: two accepted texts give equal values exactly when their RFC 8785 bytes are equal, and those bytes are
//! accepted again. Hence `1.0` and `1e0` read as the integer 1 and `-0` as 0 (their canonical forms), and a number
//! whose canonical form is an integer beyond ±(2^53 - 1) is refused however it is written.
//!
//! Deliberately accepted although RFC 7493 section 2.1 forbids it: noncharacters such as U+FFFE. They are ordinary
//! scalar values to UTF-8 and to every parser we know of, so nothing can disagree about them.

use serde_json::{Map, Number, Value};

/// Largest integer that a double and everything between counts exactly: 2^53 - 1 (RFC 7493 section 2.2).
pub const INTEGER_MAX: i64 = (1 << 53) - 1;

/// What a text may cost before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the whole text in bytes, inclusive.
    pub bytes_max: usize,
    /// Arrays and objects inside one another, inclusive; `[[]]` is 2. Values above 128 count as 128.
    pub depth_max: usize,
}

impl Limits {
    /// 1 MiB and 64 levels.
    pub const DEFAULT: Limits = Limits { bytes_max: 1 << 20, depth_max: 64 };
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

/// Why a text was refused, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("json at byte {offset}: {kind}")]
pub struct JsonError {
    /// Offset in bytes from the start of the text, 0-based.
    pub offset: usize,
    /// What was wrong there.
    pub kind: JsonErrorKind,
}

/// What was wrong. Never carries a piece of the text: request bodies do not belong in errors or logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// The grammar of RFC 8259 wants something else.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Not UTF-8, surrogates and overlong forms included (RFC 8259 section 8.1).
    #[error("expected valid utf-8")]
    InvalidUtf8,
    /// A byte order mark (RFC 8259 section 8.1).
    #[error("expected no byte order mark")]
    ByteOrderMark,
    /// A name that the object already has (RFC 7493 section 2.3).
    #[error("expected a name that the object does not have yet")]
    DuplicateName,
    /// `\uD800`..`\uDFFF` that is not half of a pair (RFC 7493 section 2.1).
    #[error("expected a surrogate pair, found half of one")]
    LoneSurrogate,
    /// `\u0000`.
    #[error("expected no u+0000 in a string")]
    Nul,
    /// U+0000..U+001F unescaped (RFC 8259 section 7).
    #[error("expected control characters to be escaped")]
    ControlCharacter,
    /// An integer a double does not count exactly (RFC 7493 section 2.2).
    #[error("expected an integer within ±9007199254740991 (write larger ones as strings)")]
    IntegerRange,
    /// A number beyond the range of a double, or so small that it would become 0.
    #[error("expected a number that a double can hold")]
    NumberRange,
    /// Anything after the value.
    #[error("expected the end of the text")]
    TrailingData,
    /// See [`Limits::bytes_max`].
    #[error("expected at most {0} bytes")]
    TooLong(usize),
    /// See [`Limits::depth_max`].
    #[error("expected at most {0} levels of nesting")]
    TooDeep(usize),
    /// See [`VALUES_MAX`].
    #[error("expected at most {0} values")]
    TooMany(usize),
}

/// Values in one text: numbers, strings, arrays and so on, whatever they stand in. One takes many times its text in memory.
pub const VALUES_MAX: usize = 1 << 18;

/// Reads exactly one JSON value, with white space around it.
///
/// # Errors
/// The first thing that is not I-JSON or exceeds `limits` or [`VALUES_MAX`], with its offset.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Value, JsonError> {
    if bytes.len() > limits.bytes_max {
        return Err(JsonError { offset: limits.bytes_max, kind: JsonErrorKind::TooLong(limits.bytes_max) });
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError { offset: 0, kind: JsonErrorKind::ByteOrderMark });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|e| JsonError { offset: e.valid_up_to(), kind: JsonErrorKind::InvalidUtf8 })?;
    let mut reader =
        Reader { text, at: 0, depth: 0, values: 0, depth_max: limits.depth_max.min(DEPTH_CEILING) };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error(JsonErrorKind::TrailingData));
    }
    Ok(value)
}

/// The reader recurses once per level; this many levels fit any stack that runs us.
const DEPTH_CEILING: usize = 128;

/// From here on RFC 8785 (ECMAScript) writes doubles with an exponent, below as an integer.
const EXPONENT_FROM: f64 = 1e21;

struct Reader<'a> {
    text: &'a str,
    // Invariant: on a character boundary whenever `text` is sliced, because runs end at ASCII bytes only.
    at: usize,
    depth: usize,
    values: usize,
    depth_max: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Value, JsonError> {
        if self.values == VALUES_MAX {
            return Err(self.error(JsonErrorKind::TooMany(VALUES_MAX)));
        }
        self.values += 1;
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.expected("a value")),
        }
    }

    fn nested(&mut self, inner: fn(&mut Self) -> Result<Value, JsonError>) -> Result<Value, JsonError> {
        if self.depth == self.depth_max {
            return Err(self.error(JsonErrorKind::TooDeep(self.depth_max)));
        }
        self.depth += 1;
        self.at += 1;
        self.skip_space();
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Result<Value, JsonError> {
        let mut members = Map::new();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            let name_at = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes"));
            }
            let name = self.string()?;
            self.skip_space();
            if !self.eat(b':') {
                return Err(self.expected("`:`"));
            }
            self.skip_space();
            let value = self.value()?;
            if members.insert(name, value).is_some() {
                return Err(JsonError { offset: name_at, kind: JsonErrorKind::DuplicateName });
            }
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `}`"));
            }
            self.skip_space();
        }
    }

    fn array(&mut self) -> Result<Value, JsonError> {
        let mut items = Vec::new();
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value()?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `]`"));
            }
            self.skip_space();
        }
    }

    fn literal(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        if !self.rest().starts_with(word.as_bytes()) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let run = self.rest().iter().take_while(|b| !matches!(b, b'"' | b'\\' | 0..=0x1F)).count();
            out.push_str(&self.text[self.at..self.at + run]);
            self.at += run;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error(JsonErrorKind::ControlCharacter)),
                None => return Err(self.expected("a closing double quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let plain = match self.rest().get(1) {
            Some(b'u') => return self.unicode_escape(),
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.expected("an escape of RFC 8259 section 7")),
        };
        self.at += 2;
        Ok(plain)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let lone = JsonError { offset: start, kind: JsonErrorKind::LoneSurrogate };
        let first = self.code_unit()?;
        let scalar = match first {
            0 => return Err(JsonError { offset: start, kind: JsonErrorKind::Nul }),
            0xD800..=0xDBFF => {
                if !self.rest().starts_with(b"\\u") {
                    return Err(lone);
                }
                let second = self.code_unit()?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(lone);
                }
                0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
            }
            unit => unit,
        };
        char::from_u32(scalar).ok_or(lone)
    }

    /// `\uXXXX` at the current place.
    fn code_unit(&mut self) -> Result<u32, JsonError> {
        let unit = self.rest().get(2..6).and_then(|digits| {
            digits.iter().try_fold(0, |sum, &b| char::from(b).to_digit(16).map(|d| sum << 4 | d))
        });
        let unit = unit.ok_or_else(|| self.expected("four hexadecimal digits after `\\u`"))?;
        self.at += 6;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Number, JsonError> {
        let start = self.at;
        self.eat(b'-');
        // RFC 8259 section 6: no digit follows a leading zero; one that does is refused as whatever comes next.
        if !self.eat(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.eat(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            is_integer = false;
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let number = if is_integer { integer(text) } else { double(text) };
        number.map_err(|kind| JsonError { offset: start, kind })
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let run = self.rest().iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 0 {
            return Err(self.expected("a digit"));
        }
        self.at += run;
        Ok(())
    }

    fn skip_space(&mut self) {
        self.at += self.rest().iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn expected(&self, what: &'static str) -> JsonError {
        self.error(JsonErrorKind::Expected(what))
    }

    fn error(&self, kind: JsonErrorKind) -> JsonError {
        JsonError { offset: self.at, kind }
    }
}

fn integer(text: &str) -> Result<Number, JsonErrorKind> {
    match text.parse::<i64>() {
        Ok(n) if (-INTEGER_MAX..=INTEGER_MAX).contains(&n) => Ok(n.into()),
        Ok(_) | Err(_) => Err(JsonErrorKind::IntegerRange),
    }
}

/// A number written with a fraction or an exponent: the nearest double, as an integer where its canonical form is one.
fn double(text: &str) -> Result<Number, JsonErrorKind> {
    let value: f64 = text.parse().map_err(|_| JsonErrorKind::NumberRange)?;
    let mantissa = text.split(['e', 'E']).next().unwrap_or(text);
    if value == 0.0 && mantissa.bytes().any(|b| matches!(b, b'1'..=b'9')) {
        return Err(JsonErrorKind::NumberRange);
    }
    // Exact: 2^53 - 1 is a double, and every integral double up to it is an i64.
    if value.fract() == 0.0 && value.abs() <= INTEGER_MAX as f64 {
        return Ok((value as i64).into());
    }
    if value.fract() == 0.0 && value.abs() < EXPONENT_FROM {
        return Err(JsonErrorKind::IntegerRange);
    }
    Number::from_f64(value).ok_or(JsonErrorKind::NumberRange)
}

#[cfg(test)]
mod tests;
