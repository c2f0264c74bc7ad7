//! A URL whose scheme and host are literal and whose path segments and query values may hold arguments.
//!
//! Invariant: whatever the arguments, the URL has the template's scheme, host, port and number of path segments, save where `{+name}` lets one have slashes.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use crate::schema::{Violation, below};

use super::arguments::Arguments;
use super::text::Text;
use super::whole_url::URL_BYTES_MAX;
use super::{Args, TemplateError};

#[derive(Debug)]
pub(super) struct LiteralUrl {
    /// Scheme, host and port, without a slash at the end.
    origin: String,
    segments: Vec<Segment>,
    query: Parameters,
    /// Origin and path as the manifest writes them.
    pub target: String,
    /// With `x` for each argument.
    pub sample: Url,
}

/// A part of the path between slashes.
#[derive(Debug)]
enum Segment {
    One(Text),
    /// `{+name}`: an argument whose slashes are the path's (RFC 6570 section 3.2.3, narrower: all else is encoded).
    Several(String),
}

/// What stands in a query, or in a form, which is written alike.
#[derive(Debug)]
pub(super) struct Parameters(Vec<Parameter>);

#[derive(Debug)]
struct Parameter {
    /// Percent-encoded.
    name: String,
    value: Text,
    /// The value is one argument that may be absent; then so is the parameter.
    may_lack: bool,
}

impl LiteralUrl {
    /// # Errors
    /// What is wrong with the URL; what is wrong with the query goes to `wrong`.
    pub(super) fn parse(
        text: &str,
        query: &BTreeMap<String, Value>,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Result<Self, String> {
        let query = Parameters::compile(query, "/template/query", arguments, wrong);
        let (scheme, rest) =
            text.split_once("://").ok_or("expected `https://HOST/PATH`, or one argument: `{url}`")?;
        if rest.contains(['?', '#']) {
            return Err("expected no `?` and no `#` in the url; parameters go under `query`".into());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if scheme.contains(['{', '}']) || authority.contains(['{', '}']) {
            return Err("expected a literal scheme and host, or a url that is wholly one argument".into());
        }
        let segments = segments(path.strip_prefix('/').unwrap_or_default())?;
        if let Some(objection) = segments.iter().find_map(|segment| segment.objection(arguments)) {
            return Err(objection);
        }
        let origin = format!("{scheme}://{authority}");
        let sample = sample(&origin, &segments)?;
        let target = format!("{origin}/{}", path.strip_prefix('/').unwrap_or_default());
        Ok(Self { origin, segments, query, target, sample })
    }

    pub(super) fn expand(&self, args: &Args) -> Result<String, TemplateError> {
        let mut url = self.origin.clone();
        for segment in &self.segments {
            url.push('/');
            url.push_str(&segment.expand(args)?);
        }
        let query = self.query.expand(args)?;
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query);
        }
        if url.len() > URL_BYTES_MAX {
            return Err(TemplateError::new(format!(
                "expected arguments that make a url of at most {URL_BYTES_MAX} bytes"
            )));
        }
        // Invariant: the encoding leaves nothing for a parser to change. Should it ever, the call fails, not the rule.
        match Url::parse(&url) {
            Ok(parsed) if parsed.as_str() == url => Ok(url),
            Ok(_) | Err(_) => {
                Err(TemplateError::new("expected arguments that make a url in its normal form"))
            }
        }
    }
}

impl Parameter {
    fn parse(name: &str, value: &Value, arguments: &Arguments<'_>) -> Result<Self, String> {
        if name.is_empty() || name.contains(['{', '}']) {
            return Err("expected a literal parameter name".into());
        }
        let value = match value {
            Value::String(text) => Text::parse(text)?,
            Value::Number(_) | Value::Bool(_) => Text::parse(&value.to_string())?,
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err("expected a text, a number, true or false".into());
            }
        };
        let optional = value.whole().and_then(|name| arguments.named(name));
        let may_lack = optional.is_some_and(|argument| !argument.always && argument.is_scalar());
        match value.objection(arguments) {
            Some(objection) if !may_lack => Err(objection),
            _ => Ok(Self { name: encoded(name.to_owned()), value: value.map_literals(encoded), may_lack }),
        }
    }

    fn expand(&self, args: &Args) -> Result<Option<String>, TemplateError> {
        if self.may_lack && self.value.whole().is_some_and(|name| !args.contains_key(name)) {
            return Ok(None);
        }
        self.value.expand(args, push_encoded).map(Some)
    }
}

impl Parameters {
    /// What is wrong with them goes to `wrong`, below `at`.
    pub(super) fn compile(
        written: &BTreeMap<String, Value>,
        at: &str,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Self {
        let mut parameters = Vec::new();
        for (name, value) in written {
            match Parameter::parse(name, value, arguments) {
                Ok(parameter) => parameters.push(parameter),
                Err(why) => wrong.push(Violation::new(below(at, name), why)),
            }
        }
        Self(parameters)
    }

    /// `a=1&b=2`; those that are left out leave nothing.
    pub(super) fn expand(&self, args: &Args) -> Result<String, TemplateError> {
        let mut text = String::new();
        for parameter in &self.0 {
            if let Some(value) = parameter.expand(args)? {
                if !text.is_empty() {
                    text.push('&');
                }
                text.extend([parameter.name.as_str(), "=", &value]);
            }
        }
        Ok(text)
    }
}

/// The segments of a path without its first slash; the last may be empty.
fn segments(path: &str) -> Result<Vec<Segment>, String> {
    let written: Vec<&str> = path.split('/').collect();
    let last = written.len() - 1;
    if written.iter().enumerate().any(|(i, segment)| segment.is_empty() && i != last) {
        return Err("expected no empty path segment (`//`)".into());
    }
    let segments = written.into_iter().map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
    if !segments.iter().flat_map(Segment::literals).all(is_path_literal) {
        return Err("expected path characters of RFC 3986; others percent-encoded, except slash, backslash, dot, percent \
                    and control characters"
            .into());
    }
    Ok(segments)
}

/// `pchar` of RFC 3986 section 3.3. Percent-encoded bytes that would mean something else once decoded are left out.
fn is_path_literal(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let is_fit = match byte {
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => {
                    !matches!(high << 4 | low, 0..=0x1f | b'%' | b'.' | b'/' | b'\\' | 0x7f)
                }
                _ => false,
            },
            byte => is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte),
        };
        if !is_fit {
            return false;
        }
    }
    true
}

/// Parsed, and refused unless the parser leaves it as it is: then every expansion is as it is written, too.
fn sample(origin: &str, segments: &[Segment]) -> Result<Url, String> {
    let path: String = segments.iter().map(|segment| format!("/{}", segment.sample())).collect();
    let text = format!("{origin}{path}");
    let url = super::whole_url::parse(&text).map_err(|error| error.message)?;
    match url.as_str() == text {
        true => Ok(url),
        false => Err(format!("expected the url in its normal form: {url}")),
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        let several = text.strip_prefix("{+").and_then(|rest| rest.strip_suffix('}'));
        match several.map(|name| Text::parse(&format!("{{{name}}}"))) {
            None => Text::parse(text).map(Self::One),
            Some(parsed) => match parsed?.whole() {
                Some(name) => Ok(Self::Several(name.to_owned())),
                None => Err("expected `{+name}` as a whole path segment".into()),
            },
        }
    }

    fn literals(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Self::One(text) => Some(text),
            Self::Several(_) => None,
        };
        text.into_iter().flat_map(Text::literals)
    }

    fn sample(&self) -> String {
        match self {
            Self::One(text) => text.sample(),
            Self::Several(_) => "x".into(),
        }
    }

    fn objection(&self, arguments: &Arguments<'_>) -> Option<String> {
        match self {
            Self::One(text) => text.objection(arguments),
            Self::Several(name) => {
                let is_fit =
                    arguments.named(name).is_some_and(|argument| argument.always && argument.is_string());
                let expected =
                    || format!("expected {name} to be a declared string that is required or has a default");
                (!is_fit).then(expected)
            }
        }
    }

    fn expand(&self, args: &Args) -> Result<String, TemplateError> {
        let (name, meant) = match self {
            Self::One(text) => match text.names().next() {
                None => return text.plain(args),
                Some(name) => (name, text.plain(args)?),
            },
            Self::Several(name) => {
                let text = args.get(name).and_then(Value::as_str);
                (name.as_str(), text.ok_or_else(|| TemplateError::of(name, "expected a text"))?.to_owned())
            }
        };
        if meant.contains(char::is_control) {
            return Err(TemplateError::of(name, "expected no control character in a url's path"));
        }
        if meant.is_empty() || leads_elsewhere(&meant) {
            return Err(TemplateError::of(
                name,
                "expected a path segment: not empty, and no `.` or `..` between slashes",
            )
            .remedy("give the name itself, not a path to it; dots are refused percent-encoded, too"));
        }
        match self {
            Self::One(text) => text.expand(args, push_encoded),
            // A server that decodes would read the encoded backslash as one more slash.
            Self::Several(_) if meant.contains('\\') || meant.split('/').any(str::is_empty) => Err(
                TemplateError::of(name, "expected path segments that are not empty between single slashes"),
            ),
            Self::Several(_) => {
                Ok(meant.split('/').map(|part| encoded(part.to_owned())).collect::<Vec<_>>().join("/"))
            }
        }
    }
}

/// Whether a server that decodes once too often, and then resolves dots, would leave the segment. A slash is encoded and
/// stays in its segment; but some servers decode it before they route, so `../` never passes.
fn leads_elsewhere(value: &str) -> bool {
    let mut text = value.as_bytes().to_vec();
    for _ in 0..DECODINGS_MAX {
        if text.split(|b| matches!(b, b'/' | b'\\')).any(|part| matches!(part, b"." | b"..")) {
            return true;
        }
        let decoded = decode(&text);
        if decoded == text {
            return false;
        }
        text = decoded;
    }
    // Still not in its final form: nobody means that.
    true
}

const DECODINGS_MAX: usize = 4;

fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digits = (text.get(at + 1).copied().and_then(hex), text.get(at + 2).copied().and_then(hex));
        if let (b'%', (Some(high), Some(low))) = (byte, digits) {
            decoded.push(high << 4 | low);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn encoded(text: String) -> String {
    let mut out = String::new();
    push_encoded(&text, &mut out);
    out
}

/// Percent-encodes every byte but the unreserved (RFC 3986 section 2.1). In a query that is right for both readings of
/// it: RFC 3986 and application/x-www-form-urlencoded, where `+` would be a space.
fn push_encoded(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if is_unreserved(byte) {
            out.push(char::from(byte));
        } else {
            out.extend([
                '%',
                char::from(HEX[usize::from(byte >> 4)]),
                char::from(HEX[usize::from(byte & 15)]),
            ]);
        }
    }
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}
