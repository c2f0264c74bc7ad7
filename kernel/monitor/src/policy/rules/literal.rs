//! Values as Cedar literals. Every text of a user passes through here on its way into Cedar.

use cedar_policy::EntityTypeName;
use serde_json::Value;

use super::super::args::{Scalar, decimal, integer};

/// A string literal.
pub(super) fn text(content: &str) -> String {
    format!("\"{}\"", content.chars().map(escaped).collect::<String>())
}

/// A pattern for `like` in which only the stars of `pattern` stand for any characters.
pub(super) fn pattern(pattern: &str) -> String {
    text(pattern)
}

/// A pattern for `like` that fits what begins with `start`.
pub(super) fn beginning(start: &str) -> String {
    let quoted: String =
        start.chars().map(|c| if c == '*' { "\\*".to_owned() } else { escaped(c) }).collect();
    format!("\"{quoted}*\"")
}

/// An entity.
pub(super) fn entity(ty: &str, id: &str) -> String {
    format!("{ty}::{}", text(id))
}

/// `["a", "b"]`.
pub(super) fn set(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

/// `value`, if it is what arguments of this type are.
pub(super) fn scalar(ty: Scalar, value: &Value) -> Option<String> {
    match ty {
        Scalar::Text => value.as_str().map(text),
        Scalar::Boolean => value.as_bool().map(|value| value.to_string()),
        Scalar::Integer => integer(value.as_number()?).map(|value| value.to_string()),
        Scalar::Decimal => decimal(value.as_number()?).map(|value| format!("decimal({})", text(&value))),
    }
}

/// `owner has name` and `owner.name`.
pub(super) fn member(owner: &str, name: &str) -> (String, String) {
    // Cedar itself knows its reserved words.
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.chars().all(is_word) && name.parse::<EntityTypeName>().is_ok() {
        (format!("{owner} has {name}"), format!("{owner}.{name}"))
    } else {
        (format!("{owner} has {}", text(name)), format!("{owner}[{}]", text(name)))
    }
}

/// Quotes, backslashes, and what does not show as itself.
fn escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        ' '..='~' => c.to_string(),
        c if c.is_alphanumeric() => c.to_string(),
        c => format!("\\u{{{:x}}}", u32::from(c)),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::{EvalResult, Expression, eval_expression};
    use proptest::prelude::*;
    use std::str::FromStr;

    use super::*;

    fn evaluate(expression: &str) -> EvalResult {
        let expression = Expression::from_str(expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
        let entity = || r#"A::"a""#.parse().unwrap();
        let context = cedar_policy::Context::empty();
        let request = cedar_policy::Request::new(entity(), entity(), entity(), context, None).unwrap();
        eval_expression(&request, &cedar_policy::Entities::empty(), &expression).unwrap()
    }

    fn holds(expression: &str) -> bool {
        match evaluate(expression) {
            EvalResult::Bool(value) => value,
            other => panic!("{expression}: {other:?}"),
        }
    }

    #[test]
    fn literals_show_what_they_are() {
        assert_eq!(text("für \"a\\b\"\n\u{202e}"), r#""für \"a\\b\"\u{a}\u{202e}""#);
        assert_eq!(beginning("a*"), r#""a\**""#);
        assert_eq!(entity("Action", "fs_read"), r#"Action::"fs_read""#);
        assert_eq!(member("context.args", "count").1, "context.args.count");
        for name in ["if", "like", "__cedar", "a-b", "a::b", "1", "", "a\"]"] {
            assert!(member("context.args", name).1.starts_with("context.args[\""), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_back_as_itself(content in any::<String>()) {
            prop_assert_eq!(evaluate(&text(&content)), EvalResult::String(content));
        }

        #[test]
        fn a_beginning_fits_exactly_what_begins_so(start in "[*a\"\\\\\n]{1,3}", whole in "[*a\"\\\\\n]{0,5}") {
            let like = format!("{} like {}", text(&whole), beginning(&start));
            prop_assert_eq!(holds(&like), whole.starts_with(&start));
        }

        #[test]
        fn any_name_is_the_name_of_a_member(name in any::<String>()) {
            let record = format!("{{{}: true}}", text(&name));
            let (has, get) = member(&record, &name);
            let both = format!("{has} && {get}");
            prop_assert!(holds(&both));
        }
    }
}
