//! A number in a template: literal, or wholly one integer argument.

use serde_json::Value;

use super::arguments::Arguments;
use super::text::Text;
use super::{Args, TemplateError};

#[derive(Debug)]
pub(super) enum Count {
    Literal(u64),
    Argument(String),
}

impl Count {
    pub(super) fn parse(text: &str, arguments: &Arguments<'_>) -> Result<Self, String> {
        if let Some(name) = Text::parse(text)?.whole() {
            let argument = arguments.named(name).filter(|argument| argument.always && argument.is_integer());
            let expected =
                || format!("expected {name} to be a declared integer that is required or has a default");
            return argument.map(|_| Self::Argument(name.to_owned())).ok_or_else(expected);
        }
        match text.parse() {
            Ok(count) if count > 0 => Ok(Self::Literal(count)),
            Ok(_) | Err(_) => Err("expected a number above zero, or wholly one integer argument".into()),
        }
    }

    pub(super) fn expand(&self, args: &Args) -> Result<u64, TemplateError> {
        match self {
            Self::Literal(count) => Ok(*count),
            Self::Argument(name) => args
                .get(name)
                .and_then(whole_number)
                .filter(|count| *count > 0)
                .ok_or_else(|| TemplateError::of(name, "expected a number above zero")),
        }
    }

    /// The argument, if it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::Argument(name) => Some(name),
        }
    }
}

/// JSON Schema takes 2.0 for an integer.
fn whole_number(value: &Value) -> Option<u64> {
    /// 2^53: beyond it, floats skip integers.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let float = value.as_f64().filter(|float| float.fract() == 0.0 && (0.0..=EXACT_MAX).contains(float));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    value.as_u64().or_else(|| float.map(|float| float as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_count_however_they_are_written() {
        for (value, number) in
            [("2", Some(2)), ("2.0", Some(2)), ("2.5", None), ("-1", None), ("1e300", None), ("\"2\"", None)]
        {
            assert_eq!(whole_number(&serde_json::from_str(value).unwrap()), number, "{value}");
        }
    }
}
