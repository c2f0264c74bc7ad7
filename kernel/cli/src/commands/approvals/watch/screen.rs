//! The screen of the watch: a head, the call, what was last said, and the keys.

use latchgate_wire::api::ApprovalDetail;
use latchgate_wire::receipt::ApprovalScope;
use latchgate_wire::time::Timestamp;
use owo_colors::OwoColorize as _;

use super::page::{Layout, Page};
use super::state::{Held, Mode, Watch};
use crate::render::view::{Extent, View};
use crate::render::{approval, arguments, plan, reach};
use crate::visible::plain;

/// Head, line, note and keys.
const FRAME_ROWS: usize = 4;
const ROWS_MIN: usize = FRAME_ROWS + 3;
const COLUMNS_MIN: usize = 40;

/// As many lines as there are rows, none wider than the screen. What is shown of the call is thereby read.
pub fn frame(watch: &mut Watch, (rows, columns): (usize, usize), now: Timestamp) -> Vec<String> {
    if rows < ROWS_MIN || columns < COLUMNS_MIN {
        return vec!["too small".into()];
    }
    let body_rows = rows - FRAME_ROWS;
    let (mut body, position) = body(watch, (body_rows, columns), now);
    body.resize(body_rows, String::new());
    let mut lines = vec![cut(&head(watch, position), columns).bold().to_string()];
    lines.push("─".repeat(columns).dimmed().to_string());
    lines.append(&mut body);
    lines.push(note(watch, columns));
    lines.push(cut(&hints(watch), columns).dimmed().to_string());
    lines
}

/// What is on the screen of it, and where that stands in the whole.
fn body(watch: &mut Watch, (rows, columns): (usize, usize), now: Timestamp) -> (Vec<String>, Option<String>) {
    let Some(held) = &mut watch.held else {
        return (vec!["nothing waits; calls are shown here as they come".dimmed().to_string()], None);
    };
    // One column less: some terminals show what stands in our gutters in two.
    let view = View { width: Some(columns - 1), extent: Extent::Changes };
    let show = |page: &mut Page, is_whole: bool, text: &dyn Fn() -> String| {
        let lay = || text().lines().flat_map(|line| wrapped(line, columns)).collect();
        let shown = page.show(Layout { columns, is_whole }, rows, now, lay).to_vec();
        (shown, page.position())
    };
    match &mut watch.mode {
        Mode::Session { reach, page } => {
            let scope = ApprovalScope::Session;
            show(page, false, &|| reach::words(&held.detail, scope, reach, now, view.width))
        }
        Mode::Alike { all, page } => show(page, false, &|| alike(all, view)),
        Mode::Looking | Mode::Reason(_) | Mode::Deciding => {
            let Held { detail, page, is_whole, .. } = held;
            let extent = if *is_whole { Extent::Whole } else { Extent::Changes };
            show(page, *is_whole, &|| approval::sheet(detail, now, View { extent, ..view }))
        }
    }
}

/// All calls of one shape, one below the other, each with everything that it would do.
fn alike(all: &[ApprovalDetail], view: View) -> String {
    let mut text = format!("{} calls of the same action, principal and target", all.len()).bold().to_string();
    for (i, detail) in all.iter().enumerate() {
        let id = detail.info.approval_id;
        text.push_str(&format!("\n\n{}", format!("{} of {}: {id}", i + 1, all.len()).bold()));
        text.push_str(&format!("\n{}\n", plan::render(&detail.plan, detail.present.as_deref(), view)));
        let texts = plan::texts(&detail.plan);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        text.push_str(&arguments::lines(&detail.arguments, &texts, view).join("\n"));
    }
    text
}

fn head(watch: &Watch, position: Option<String>) -> String {
    let waits = match watch.waiting.len() {
        0 => "nothing waits".to_owned(),
        1 => "1 waits".to_owned(),
        count => format!("{count} wait"),
    };
    let id = watch.held.as_ref().map(|held| held.detail.info.approval_id);
    let at = watch.waiting.iter().position(|info| Some(info.approval_id) == id);
    let at = at.map(|at| format!(", this is {} of {}", at + 1, watch.waiting.len())).unwrap_or_default();
    let position = position.map(|position| format!(" | {position}")).unwrap_or_default();
    format!("approvals, as {} | {waits}{at}{position}", plain(&watch.operator))
}

fn note(watch: &Watch, columns: usize) -> String {
    if let Mode::Reason(reason) = &watch.mode {
        let asked = "reason, for the agent: ";
        let room = columns - asked.len() - 1;
        let shown: Vec<char> = plain(reason).chars().collect();
        let tail: String = shown[shown.len().saturating_sub(room / 2)..].iter().collect();
        return format!("{}{tail}_", asked.bold());
    }
    let became = watch.held.as_ref().and_then(|held| held.became.as_deref());
    match (&watch.note, &watch.silence, became) {
        (Some(note), _, _) => cut(note, columns).yellow().to_string(),
        (None, Some(silence), _) => cut(&format!("{silence}; asking again"), columns).red().to_string(),
        (None, None, Some(became)) => cut(became, columns).bold().to_string(),
        (None, None, None) => String::new(),
    }
}

fn hints(watch: &Watch) -> String {
    match (&watch.mode, &watch.held) {
        (Mode::Deciding, _) => "deciding...".into(),
        (Mode::Reason(_), _) => "enter denies   esc back".into(),
        (Mode::Session { .. }, _) => "y approve this call, and later ones as described   esc back".into(),
        (Mode::Alike { all, .. }, _) => format!("y approve these {}   esc back   space more", all.len()),
        (Mode::Looking, None) => "q quit".into(),
        (Mode::Looking, Some(held)) if held.became.is_some() => "n next   q quit".into(),
        (Mode::Looking, Some(_)) => {
            "a approve  s session  d deny  b alike  v whole  n next  p previous  space more  q quit".into()
        }
    }
}

/// A line of ours, made visible and no longer than the screen.
fn cut(text: &str, columns: usize) -> String {
    let shown = plain(text);
    let mut used = 0;
    let fits = |c: &char| {
        used += columns_of(*c);
        used < columns
    };
    shown.chars().take_while(fits).collect()
}

/// A styled line, broken where the screen ends. Styles go on behind the break.
fn wrapped(line: &str, columns: usize) -> Vec<String> {
    const CONTINUED: &str = "          ┆ ";
    let mut lines = vec![String::new()];
    let mut styles = String::new();
    let mut used = 0;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(style) = style_of(rest) {
            styles.push_str(style);
            push(&mut lines, style);
            rest = &rest[style.len()..];
            continue;
        }
        let (shown, tail) = rest.split_at(c.len_utf8());
        if used + columns_of(c) > columns {
            push(&mut lines, "\u{1B}[0m");
            lines.push(format!("{CONTINUED}{styles}"));
            used = CONTINUED.chars().count();
        }
        push(&mut lines, shown);
        used += columns_of(c);
        rest = tail;
    }
    lines
}

fn push(lines: &mut [String], text: &str) {
    if let Some(last) = lines.last_mut() {
        last.push_str(text);
    }
}

/// The SGR sequence at the beginning (ECMA-48 section 8.3.117): no other one is ours, and what others wrote has none.
fn style_of(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1B}[")?;
    let length = parameters.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    parameters[length..].starts_with('m').then(|| &text[..2 + length + 1])
}

/// Signs of ours take one column; whatever else is not ASCII may take two.
fn columns_of(c: char) -> usize {
    match c {
        c if c.is_ascii() => 1,
        '\u{2500}'..='\u{257F}' | '⋯' | '⇥' => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_long_line_is_broken_and_its_style_goes_on() {
        let line = format!("{}{}", "ab".repeat(10).red(), "cd".repeat(10));
        let lines = wrapped(&line, 24);
        assert_eq!(stripped(&lines[0]), "abababababababababab".to_owned() + "cdcd");
        assert!(lines[1].contains("\u{1B}[31m"), "{lines:?}");
        let whole: String = lines.iter().map(|line| stripped(line).replace("          ┆ ", "")).collect();
        assert_eq!(whole, format!("{}{}", "ab".repeat(10), "cd".repeat(10)));
    }

    #[test]
    fn lines_of_ours_are_cut_to_the_screen() {
        assert_eq!(cut("abcdef", 4), "abc");
        assert_eq!(cut("a\u{1B}b", 80), "a\\u{1B}b");
    }

    #[test]
    fn a_frame_fills_the_screen_and_no_line_is_wider() {
        let mut watch = super::super::state::tests::watching();
        for size in [(24, 80), (10, 44), (60, 200)] {
            let lines = frame(&mut watch, size, "2026-11-20T09:30:00.000Z".parse().unwrap());
            assert_eq!(lines.len(), size.0);
            for line in &lines {
                assert!(stripped(line).chars().count() <= size.1, "{size:?}: {line}");
            }
        }
        let small = frame(&mut watch, (5, 80), "2026-11-20T09:30:00.000Z".parse().unwrap());
        assert_eq!(small, ["too small"]);
    }
}
