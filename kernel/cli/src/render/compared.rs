//! How a call differs from the last one of its kind that a person approved.

use latchgate_wire::api::Change;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::content;
use super::diff::Diff;
use super::view::View;
use crate::visible::styled;

/// `None` where no such call is remembered.
pub fn lines(changes: Option<&[Change]>, view: View) -> Vec<String> {
    let head = |text: &str| text.dimmed().to_string();
    match changes {
        None => {
            vec![head("no earlier call of this action and principal was approved, as far as is remembered")]
        }
        Some([]) => vec![head("the arguments are those of the last approved call of this action")],
        Some(changes) => {
            let mut lines = vec![head("changed since the last approved call of this action")];
            changes.iter().for_each(|change| lines.extend(one(change, view)));
            lines
        }
    }
}

fn one(change: &Change, view: View) -> Vec<String> {
    let mut lines = vec![format!("  {}", styled(&change.pointer))];
    match (&change.then, &change.now) {
        (Some(Value::String(then)), Some(Value::String(now))) if is_text(then) || is_text(now) => {
            lines.extend(Diff::of(then, now).lines(view));
        }
        (then, now) => {
            lines.extend(value("was", then.as_ref(), view));
            lines.extend(value("is", now.as_ref(), view));
        }
    }
    lines
}

fn is_text(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
}

fn value(word: &str, value: Option<&Value>, view: View) -> Vec<String> {
    let value = value.map_or_else(|| "absent".to_owned(), Value::to_string);
    let columns = view.width.map(|width| width.saturating_sub(8));
    let lines = content::broken(&value, columns).into_iter().enumerate();
    let lines = lines.map(|(part, line)| format!("    {:<4}{line}", if part == 0 { word } else { "" }));
    view.fold(lines.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::stripped;
    use crate::render::view::Extent;

    fn shown(changes: Option<&[Change]>) -> String {
        stripped(&lines(changes, View { width: None, extent: Extent::Changes }).join("\n"))
    }

    #[test]
    fn each_member_that_differs_is_shown_with_both_values() {
        let change = |pointer: &str, then: Option<Value>, now: Option<Value>| Change {
            pointer: pointer.into(),
            then,
            now,
        };
        let changes = [
            change("/path", Some(json!("a")), Some(json!("b\u{202E}"))),
            change("/text", Some(json!("1\n2\n")), Some(json!("1\n3\n"))),
            change("/new", None, Some(json!(7))),
        ];
        let expected = "\
changed since the last approved call of this action
  /path
    was \"a\"
    is  \"b\\u{202E}\"
  /text
     1   1
     2 - 2
     2 + 3
  /new
    was absent
    is  7";
        assert_eq!(shown(Some(&changes)), expected);
        assert!(shown(Some(&[])).contains("are those of the last"), "{}", shown(Some(&[])));
        assert!(shown(None).contains("no earlier call"), "{}", shown(None));
    }
}
