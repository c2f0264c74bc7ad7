//! JSON laid out for reading: line breaks and indentation are put in, and no other character is touched.
//!
//! Reading and writing it anew would show another text than the one that is sent: numbers, escapes and the order of
//! members are the sender's.

use latchgate_wire::json;
use serde_json::Value;

use super::content;

const INDENT: &str = "  ";

/// A value of ours on numbered lines.
pub fn numbered(value: &Value, width: Option<usize>) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
    text.push('\n');
    content::numbered(&text, width).join("\n")
}

/// `None` for what is no JSON object or list, or could mean two things: that is shown as it is.
pub fn laid_out(text: &str) -> Option<String> {
    let value = json::parse(text.as_bytes(), json::Limits::DEFAULT).ok()?;
    if !value.is_object() && !value.is_array() {
        return None;
    }
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth: usize = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\n' | '\r' => {}
            '"' => {
                out.push(c);
                string(&mut out, &mut rest);
            }
            '{' | '[' => {
                out.push(c);
                while rest.next_if(|next| matches!(next, ' ' | '\t' | '\n' | '\r')).is_some() {}
                if let Some(end) = rest.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            other => out.push(other),
        }
    }
    out.push('\n');
    Some(out)
}

/// To its closing quote.
fn string(out: &mut String, rest: &mut impl Iterator<Item = char>) {
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '"' => return,
            '\\' => out.extend(rest.next()),
            _ => {}
        }
    }
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(INDENT, depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_space_is_put_in() {
        let text = r#"{"b":[1.50,{}, [] ],"a\"{":"x\\","n":null}"#;
        let expected =
            "{\n  \"b\": [\n    1.50,\n    {},\n    []\n  ],\n  \"a\\\"{\": \"x\\\\\",\n  \"n\": null\n}\n";
        assert_eq!(laid_out(text).unwrap(), expected);
    }

    #[test]
    fn what_could_mean_two_things_is_left_as_it_is() {
        for text in [r#"{"a":1,"a":2}"#, "a=1&b=2", "\"text\"", "", "{"] {
            assert_eq!(laid_out(text), None, "{text}");
        }
    }
}
