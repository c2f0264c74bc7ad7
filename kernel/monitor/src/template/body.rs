//! A JSON body with placeholders: arguments become JSON values, never JSON syntax.

use serde_json::{Map, Value};

use crate::schema::{Violation, below};

use super::arguments::Arguments;
use super::text::Text;
use super::{Args, TemplateError};

#[derive(Debug)]
pub(super) enum Body {
    Literal(Value),
    /// An argument with its JSON type.
    Argument(String),
    /// Arguments as text within a string.
    Text(Text),
    Array(Vec<Body>),
    Object(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    name: String,
    value: Body,
    /// The value is one argument that may be absent; then so is the member.
    may_lack: bool,
}

impl Body {
    /// What is wrong goes to `wrong`; then the body is not to be used.
    pub(super) fn compile(
        value: &Value,
        at: &str,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Self::Literal(value.clone()),
            Value::String(text) => match Self::text(text, arguments) {
                Ok((body, true)) => body,
                Ok((body, false)) => {
                    wrong.push(Violation::new(at, ALWAYS_EXPECTED));
                    body
                }
                Err(why) => {
                    wrong.push(Violation::new(at, why));
                    Self::Literal(Value::Null)
                }
            },
            Value::Array(items) => Self::Array(
                items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| Self::compile(item, &below(at, i), arguments, wrong))
                    .collect(),
            ),
            Value::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(name, value)| Member::compile(name, value, &below(at, name), arguments, wrong))
                    .collect(),
            ),
        }
    }

    /// The body of a string, and whether it is there whatever the call.
    fn text(text: &str, arguments: &Arguments<'_>) -> Result<(Self, bool), String> {
        let text = Text::parse(text)?;
        if let Some(name) = text.whole() {
            let argument = arguments.named(name);
            let argument = argument
                .ok_or_else(|| format!("expected placeholders of declared arguments, found {{{name}}}"))?;
            return Ok((Self::Argument(name.to_owned()), argument.always));
        }
        match text.objection(arguments) {
            Some(objection) => Err(objection),
            None if text.names().next().is_none() => Ok((Self::Literal(text.sample().into()), true)),
            None => Ok((Self::Text(text), true)),
        }
    }

    pub(super) fn expand(&self, args: &Args) -> Result<Value, TemplateError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Argument(name) => args
                .get(name)
                .cloned()
                .ok_or_else(|| TemplateError::of(name, "expected a value, found nothing")),
            Self::Text(text) => text.plain(args).map(Value::String),
            Self::Array(items) => items.iter().map(|item| item.expand(args)).collect(),
            Self::Object(members) => {
                let present = members.iter().filter(|member| member.is_present(args));
                present
                    .map(|member| Ok((member.name.clone(), member.value.expand(args)?)))
                    .collect::<Result<Map<_, _>, _>>()
                    .map(Value::Object)
            }
        }
    }
}

const ALWAYS_EXPECTED: &str =
    "expected an argument that is required or has a default; only a member of an object can be left out";

impl Member {
    fn compile(
        name: &str,
        value: &Value,
        at: &str,
        arguments: &Arguments<'_>,
        wrong: &mut Vec<Violation>,
    ) -> Self {
        if name.contains(['{', '}']) {
            wrong.push(Violation::new(at, "expected a literal member name"));
        }
        // A member that is wholly an optional argument is left out with it.
        if let Value::String(text) = value
            && let Ok((value, false)) = Body::text(text, arguments)
        {
            return Self { name: name.to_owned(), value, may_lack: true };
        }
        Self { name: name.to_owned(), value: Body::compile(value, at, arguments, wrong), may_lack: false }
    }

    fn is_present(&self, args: &Args) -> bool {
        match &self.value {
            Body::Argument(name) if self.may_lack => args.contains_key(name),
            _ => true,
        }
    }
}
