//! Request headers: literal names, values that cannot end early.

use std::collections::BTreeMap;

use crate::schema::{Violation, below};

use super::arguments::Arguments;
use super::text::Text;
use super::{Args, TemplateError};

/// In lower case, with its value.
#[derive(Debug)]
pub(super) struct Header {
    name: String,
    value: Text,
}

/// The headers of a template; what is wrong with them goes to `wrong`.
pub(super) fn compile(
    headers: &BTreeMap<String, String>,
    arguments: &Arguments<'_>,
    wrong: &mut Vec<Violation>,
) -> Vec<Header> {
    let mut compiled: Vec<Header> = Vec::new();
    for (name, value) in headers {
        let pointer = below("/template/headers", name);
        match Header::parse(name, value, arguments) {
            Ok(header) if compiled.iter().any(|other| other.name == header.name) => {
                wrong.push(Violation::new(pointer, "expected each header once, whatever its case"));
            }
            Ok(header) => compiled.push(header),
            Err(why) => wrong.push(Violation::new(pointer, why)),
        }
    }
    compiled
}

impl Header {
    fn parse(name: &str, value: &str, arguments: &Arguments<'_>) -> Result<Self, String> {
        let name = name.to_ascii_lowercase();
        if !is_token(&name) {
            return Err("expected a literal header name (RFC 9110 section 5.6.2)".into());
        }
        if is_reserved_header(&name) {
            return Err(
                "expected no header that frames the message or concerns the connection; the gate sets those"
                    .into(),
            );
        }
        if CREDENTIALS.contains(&name.as_str()) {
            return Err(
                "expected no header that carries a credential; the gate adds those from its secrets".into()
            );
        }
        let value = Text::parse(value)?;
        if let Some(objection) = value.objection(arguments) {
            return Err(objection);
        }
        if !is_field_value(&value.sample()) {
            return Err(VALUE_EXPECTED.into());
        }
        Ok(Self { name, value })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value, if it has no argument in it.
    pub(super) fn literal(&self) -> Option<String> {
        self.value.names().next().is_none().then(|| self.value.sample())
    }

    pub(super) fn expand(&self, args: &Args) -> Result<(String, String), TemplateError> {
        let value = self.value.plain(args)?;
        if !is_field_value(&value) {
            return Err(match self.value.names().next() {
                Some(name) => TemplateError::of(name, VALUE_EXPECTED),
                None => TemplateError::new(VALUE_EXPECTED),
            });
        }
        Ok((self.name.clone(), value))
    }
}

/// Whether nobody but the gate sets a header of this name (in lower case).
pub(crate) fn is_reserved_header(name: &str) -> bool {
    RESERVED.contains(&name) || name.starts_with("proxy-")
}

const VALUE_EXPECTED: &str = "expected visible ascii and inner spaces in a header, 1 to 8,192 bytes";

const VALUE_BYTES_MAX: usize = 8 * 1024;

/// Narrower than RFC 9110 section 5.5: no tab, no byte above 0x7e, no space at the ends. CR, LF and NUL would end the
/// header and begin another.
fn is_field_value(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= VALUE_BYTES_MAX
        && text.bytes().all(|b| (0x20..=0x7e).contains(&b))
        && text.trim_matches(' ') == text
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// Framing, receiver and connection (RFC 9110 sections 7.2, 7.6, 8.6, 10.1, 12.5.3; RFC 9112 section 6), and what some
/// servers let override method or host.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-forwarded-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
];

const CREDENTIALS: &[&str] = &["authorization", "cookie", "x-api-key", "api-key"];
