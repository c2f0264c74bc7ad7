//! The arguments of a call, one by one, each whole.

use serde_json::Value;

use super::content;
use super::view::View;

/// Longer than this, a text that stands above already is named instead of shown twice.
const TEXT_BYTES_MAX: usize = 60;

/// `above` are texts that the reader has been shown.
pub fn lines(arguments: &Value, above: &[&str], view: View) -> Vec<String> {
    let Some(members) = arguments.as_object() else { return whole("", arguments, view) };
    let mut lines = Vec::new();
    for (name, value) in members {
        match value.as_str() {
            Some(text) if is_long(text) && above.contains(&text) => {
                let size = content::size(text);
                lines.push(format!("  {} = the text above ({size})", crate::visible::styled(name)));
            }
            _ => lines.extend(whole(&format!("{name} = "), value, view)),
        }
    }
    if lines.is_empty() {
        lines.push("  none".into());
    }
    view.fold(lines)
}

/// As [`lines`], of those named by `names`, with nothing folded and nothing taken as known.
pub fn named(arguments: &Value, names: impl Fn(&str) -> bool, columns: Option<usize>) -> Vec<String> {
    let members = arguments.as_object().into_iter().flatten().filter(|(name, _)| names(name));
    members.flat_map(|(name, value)| content::broken(&format!("{name} = {value}"), columns)).collect()
}

/// One value as JSON, broken where the terminal ends and never cut.
fn whole(name: &str, value: &Value, view: View) -> Vec<String> {
    let columns = view.width.map(|width| width.saturating_sub(2));
    let lines = content::broken(&format!("{name}{value}"), columns);
    lines.iter().map(|line| format!("  {line}")).collect()
}

fn is_long(text: &str) -> bool {
    text.len() > TEXT_BYTES_MAX || text.trim_end_matches('\n').contains('\n')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::render::stripped;
    use crate::render::view::Extent;

    #[test]
    fn a_text_that_stands_above_is_named_and_all_else_is_whole() {
        let arguments = json!({"a": "one\ntwo\n", "b": "three\nfour\n", "c": {"d": ["\u{202E}"]}});
        let view = View { width: None, extent: Extent::Changes };
        let shown: Vec<String> =
            lines(&arguments, &["one\ntwo\n"], view).iter().map(|line| stripped(line)).collect();
        let expected = [
            "  a = the text above (8 bytes, 2 lines)",
            "  b = \"three\\nfour\\n\"",
            "  c = {\"d\":[\"\\u{202E}\"]}",
        ];
        assert_eq!(shown, expected);
    }
}
