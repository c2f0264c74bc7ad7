//! A text with placeholders: `{name}` is an argument, `{{` and `}}` are braces.

use std::borrow::Cow;

use serde_json::Value;

use latchgate_wire::jcs;

use super::arguments::Arguments;
use super::{Args, TemplateError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Name(String),
}

impl Text {
    /// # Errors
    /// What is wrong with the braces.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                literal.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let (name, after) = placeholder(rest)?;
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Name(name.to_owned()));
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Ok(Self(pieces))
    }

    /// The name, if the text is one placeholder and nothing else.
    pub(super) fn whole(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Name(name)] => Some(name),
            _ => None,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::Name(_) => None,
        })
    }

    pub(super) fn map_literals(self, change: impl Fn(String) -> String) -> Self {
        let changed = self.0.into_iter().map(|piece| match piece {
            Piece::Literal(text) => Piece::Literal(change(text)),
            Piece::Name(name) => Piece::Name(name),
        });
        Self(changed.collect())
    }

    /// The text with `x` for each argument.
    pub(super) fn sample(&self) -> String {
        self.0
            .iter()
            .map(|piece| if let Piece::Literal(text) = piece { text.as_str() } else { "x" })
            .collect()
    }

    /// What is wrong with the arguments named, if they are to be inserted as text and can never be left out.
    pub(super) fn objection(&self, arguments: &Arguments<'_>) -> Option<String> {
        self.names().find_map(|name| match arguments.named(name) {
            None => Some(format!("expected placeholders of declared arguments, found {{{name}}}")),
            Some(argument) if !argument.is_scalar() => Some(format!(
                "expected a string, number or boolean within a text, {name} may be something else"
            )),
            Some(argument) if !argument.always => Some(format!(
                "expected {name} to be required or to have a default, because nothing can be left out here"
            )),
            Some(_) => None,
        })
    }

    /// The text with its arguments, each passed through `encode`; the literal pieces as they are.
    pub(super) fn expand(
        &self,
        args: &Args,
        encode: impl Fn(&str, &mut String),
    ) -> Result<String, TemplateError> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Name(name) => encode(&scalar(name, args)?, &mut out),
            }
        }
        Ok(out)
    }

    /// The text with its arguments as they are.
    pub(super) fn plain(&self, args: &Args) -> Result<String, TemplateError> {
        self.expand(args, |value, out| out.push_str(value))
    }
}

/// `{name}` at the start of `text`, and what follows.
fn placeholder(text: &str) -> Result<(&str, &str), String> {
    const EXPECTED: &str =
        "expected `{name}` with a name of letters, digits and _; a brace itself is written {{ or }}";
    let (name, after) = text.strip_prefix('{').and_then(|text| text.split_once('}')).ok_or(EXPECTED)?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(EXPECTED.into());
    }
    Ok((name, after))
}

/// The argument as text: strings and booleans as they are, numbers in their canonical form (RFC 8785 section
/// 3.2.2.3).
fn scalar<'v>(name: &str, args: &'v Args) -> Result<Cow<'v, str>, TemplateError> {
    let wrong = |what| TemplateError::of(name, format!("expected a string, number or boolean, found {what}"));
    match args.get(name) {
        Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
        Some(Value::Bool(true)) => Ok(Cow::Borrowed("true")),
        Some(Value::Bool(false)) => Ok(Cow::Borrowed("false")),
        Some(Value::Number(number)) => {
            let canonical = jcs::canonical(number).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            canonical.map(Cow::Owned).ok_or_else(|| wrong("a number out of range"))
        }
        Some(Value::Null) => Err(wrong("null")),
        Some(Value::Array(_)) => Err(wrong("an array")),
        Some(Value::Object(_)) => Err(wrong("an object")),
        None => Err(wrong("nothing")),
    }
}
