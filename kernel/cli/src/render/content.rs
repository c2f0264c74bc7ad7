//! Content line by line, numbered, nothing cut: what will be written or sent.

use owo_colors::OwoColorize as _;

use crate::visible;

const GUTTER_COLUMNS: usize = 9;
/// Narrower than this a line is not worth breaking.
const TEXT_COLUMNS_MIN: usize = 20;

/// Numbered lines. With a terminal's `width`, long lines are broken here and continued under a mark, so that no line of
/// content can pass for another line or for ours.
pub fn numbered(text: &str, width: Option<usize>) -> Vec<String> {
    let (body, is_ended) = match text.strip_suffix('\n') {
        Some(body) => (body, true),
        None => (text, false),
    };
    if text.is_empty() {
        return vec![format!("{}", "      (empty)".dimmed())];
    }
    let mut lines = Vec::new();
    for (i, line) in body.split('\n').enumerate() {
        let number = format!("{:>6}", i + 1).dimmed().to_string();
        lines.extend(marked(&number, "│", line, width, str::to_owned));
    }
    if !is_ended {
        lines.push(unended());
    }
    lines
}

/// One line of content behind a number of six columns and a sign, continued under a mark where the terminal is too narrow.
pub fn marked(
    number: &str,
    sign: &str,
    line: &str,
    width: Option<usize>,
    tint: impl Fn(&str) -> String,
) -> Vec<String> {
    let columns = width.map(|width| width.saturating_sub(GUTTER_COLUMNS).max(TEXT_COLUMNS_MIN));
    let gutter = |part: usize| match part {
        0 => format!("{number} {}", tint(sign)),
        _ => format!("{:>6} {}", "", "┆".dimmed()),
    };
    let pieces = pieces(line, columns).into_iter().enumerate();
    pieces.map(|(part, piece)| format!("{} {}", gutter(part), visible::tinted(&piece, &tint))).collect()
}

/// What stands below a last line that no line break ends.
pub fn unended() -> String {
    "       (no line break at the end)".dimmed().to_string()
}

/// One value that others chose, for a column of its own: broken as [`numbered`] breaks, with the mark in front of what
/// continues. Never empty.
pub fn broken(text: &str, columns: Option<usize>) -> Vec<String> {
    // Two columns for the mark.
    let columns = columns.map(|columns| columns.saturating_sub(2).max(TEXT_COLUMNS_MIN));
    let pieces = pieces(text, columns).into_iter().enumerate();
    let mark = |part: usize| if part == 0 { String::new() } else { "┆ ".dimmed().to_string() };
    pieces.map(|(part, piece)| format!("{}{}", mark(part), visible::styled(&piece))).collect()
}

/// "12 bytes, 2 lines".
pub fn size(text: &str) -> String {
    let lines = text.lines().count();
    format!("{}, {lines} {}", bytes(text.len() as u64), if lines == 1 { "line" } else { "lines" })
}

/// "1 byte", "12 bytes".
pub fn bytes(count: u64) -> String {
    if count == 1 { "1 byte".into() } else { format!("{count} bytes") }
}

/// Cuts at `columns` of what is shown: escapes count in full, characters beyond ASCII as two columns each.
fn pieces(line: &str, columns: Option<usize>) -> Vec<String> {
    let Some(columns) = columns else { return vec![line.to_owned()] };
    let mut pieces = vec![String::new()];
    let mut used = 0;
    for c in line.chars() {
        let shown = if c.is_ascii() && !visible::is_hidden(c) { 1 } else { columns_of(c) };
        if used + shown > columns
            && let Some(last) = pieces.last()
            && !last.is_empty()
        {
            pieces.push(String::new());
            used = 0;
        }
        if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
        used += shown;
    }
    pieces
}

fn columns_of(c: char) -> usize {
    if visible::is_hidden(c) && c != '\t' { visible::plain(&c.to_string()).chars().count() } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    fn shown(text: &str, width: Option<usize>) -> Vec<String> {
        numbered(text, width).iter().map(|line| stripped(line)).collect()
    }

    #[test]
    fn each_line_has_its_number() {
        assert_eq!(shown("a\nb\n", None), ["     1 │ a", "     2 │ b"]);
        assert_eq!(shown("\n", None), ["     1 │"]);
        assert_eq!(shown("", None), ["      (empty)"]);
        assert_eq!(shown("a", None), ["     1 │ a", "       (no line break at the end)"]);
    }

    #[test]
    fn carriage_returns_and_escapes_cannot_overwrite_what_is_shown() {
        assert_eq!(shown("rm -rf /\r ls\u{1B}[1A\n", None), ["     1 │ rm -rf /\\u{D} ls\\u{1B}[1A"]);
    }

    #[test]
    fn long_lines_are_continued_under_a_mark_and_nothing_is_lost() {
        let text = format!("{}{}\n", "x".repeat(20), "     2 │ fake");
        assert_eq!(
            shown(&text, Some(29)),
            [format!("     1 │ {}", "x".repeat(20)), "       ┆      2 │ fake".into()]
        );
    }

    #[test]
    fn escapes_count_as_wide_as_they_are_shown() {
        let text = format!("{}\u{202E}y\n", "x".repeat(14));
        assert_eq!(
            shown(&text, Some(29)),
            [format!("     1 │ {}", "x".repeat(14)), "       ┆ \\u{202E}y".into()]
        );
    }

    #[test]
    fn a_long_value_cannot_pass_for_another_fact() {
        let text = format!("{}now       there is no such file", "x".repeat(20));
        let shown: Vec<String> = broken(&text, Some(22)).iter().map(|line| stripped(line)).collect();
        assert_eq!(shown, ["x".repeat(20), "┆ now       there is n".into(), "┆ o such file".into()]);
        assert_eq!(broken("", Some(22)), [""]);
    }

    #[test]
    fn sizes_are_grammatical() {
        assert_eq!(size("a\n"), "2 bytes, 1 line");
        assert_eq!(size("a\nb"), "3 bytes, 2 lines");
        assert_eq!(bytes(1), "1 byte");
    }
}
