//! What replaces a text: lines taken away and lines put in, with the lines around them.

use std::ops::Range;
use std::time::{Duration, Instant};

use owo_colors::OwoColorize as _;
use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};

use super::content::{marked, unended};
use super::view::{Extent, View, note};

/// Lines around a change.
const CONTEXT: usize = 3;

/// Texts made to be hard to compare are compared more coarsely after this time, and as truly.
const PATIENCE: Duration = Duration::from_millis(500);

/// Two texts, compared once.
pub struct Diff<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    ops: Vec<DiffOp>,
}

impl<'a> Diff<'a> {
    pub fn of(old: &'a str, new: &'a str) -> Self {
        let (old, new) = (split(old), split(new));
        let deadline = Instant::now() + PATIENCE;
        let ops = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline));
        Self { old, new, ops }
    }

    /// "2 lines put in, 1 taken away".
    pub fn summary(&self) -> String {
        let changed = self.ops.iter().filter(|op| !is_equal(op));
        let (taken, put) = changed
            .fold((0, 0), |(taken, put), op| (taken + op.old_range().len(), put + op.new_range().len()));
        format!("{put} {} put in, {taken} taken away", if put == 1 { "line" } else { "lines" })
    }

    /// Line by line. Lines that stay are left out where they are far from a change, and counted, unless the view is whole.
    pub fn lines(&self, view: View) -> Vec<String> {
        if self.ops.iter().all(is_equal) {
            return vec![note("nothing in it changes")];
        }
        let groups = match view.extent {
            Extent::Whole => vec![self.ops.clone()],
            Extent::Folded | Extent::Changes => group_diff_ops(self.ops.clone(), CONTEXT),
        };
        let mut shown = Vec::new();
        let mut next = 0;
        for op in groups.iter().flatten() {
            skipped(&mut shown, op.new_range().start.saturating_sub(next));
            self.change(&mut shown, op, view);
            next = op.new_range().end;
        }
        skipped(&mut shown, self.new.len().saturating_sub(next));
        view.fold(shown)
    }

    fn change(&self, shown: &mut Vec<String>, op: &DiffOp, view: View) {
        if is_equal(op) {
            return put(shown, " ", &self.new, op.new_range(), view, str::to_owned);
        }
        put(shown, "-", &self.old, op.old_range(), view, |text| text.red().to_string());
        put(shown, "+", &self.new, op.new_range(), view, |text| text.green().to_string());
    }
}

fn is_equal(op: &DiffOp) -> bool {
    matches!(op, DiffOp::Equal { .. })
}

/// With their line breaks, so that a missing one at the end is a difference. Nothing but `\n` ends a line: a lone `\r` is
/// shown in it.
fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn skipped(shown: &mut Vec<String>, count: usize) {
    match count {
        0 => {}
        1 => shown.push(note("1 line that stays")),
        _ => shown.push(note(&format!("{count} lines that stay"))),
    }
}

fn put(
    shown: &mut Vec<String>,
    sign: &str,
    lines: &[&str],
    range: Range<usize>,
    view: View,
    tint: impl Fn(&str) -> String,
) {
    for (at, line) in lines.iter().enumerate().take(range.end).skip(range.start) {
        let number = format!("{:>6}", at + 1).dimmed().to_string();
        let text = line.strip_suffix('\n');
        shown.extend(marked(&number, sign, text.unwrap_or(line), view.width, &tint));
        if text.is_none() {
            shown.push(unended());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    fn shown(old: &str, new: &str, extent: Extent) -> Vec<String> {
        Diff::of(old, new).lines(View { width: None, extent }).iter().map(|line| stripped(line)).collect()
    }

    #[test]
    fn what_goes_and_what_comes_stands_with_its_number_and_its_surroundings() {
        let old: String = (1..=20).map(|i| format!("line {i}\n")).collect();
        let new = old.replace("line 10\n", "line ten\nand more\n");
        let expected = [
            "     ⋯ 6 lines that stay",
            "     7   line 7",
            "     8   line 8",
            "     9   line 9",
            "    10 - line 10",
            "    10 + line ten",
            "    11 + and more",
            "    12   line 11",
            "    13   line 12",
            "    14   line 13",
            "     ⋯ 7 lines that stay",
        ];
        assert_eq!(shown(&old, &new, Extent::Changes), expected);
        assert_eq!(Diff::of(&old, &new).summary(), "2 lines put in, 1 taken away");
        assert_eq!(shown(&old, &new, Extent::Whole).len(), 22);
    }

    #[test]
    fn a_line_break_that_goes_is_a_difference() {
        let expected = ["     1 - a", "     1 + a", "       (no line break at the end)"];
        assert_eq!(shown("a\n", "a", Extent::Changes), expected);
        assert_eq!(shown("a\n", "a\n", Extent::Changes), ["     ⋯ nothing in it changes"]);
    }

    #[test]
    fn carriage_returns_hide_nothing() {
        assert_eq!(shown("", "rm -rf /\rls\n", Extent::Changes), ["     1 + rm -rf /\\u{D}ls"]);
    }

    #[test]
    fn every_new_line_is_shown_whatever_the_texts() {
        let old: String = (0..3000).map(|i| format!("{}\n", i * 7919 % 1009)).collect();
        let new: String = (0..3000).map(|i| format!("{}\n", i * 104_729 % 1013)).collect();
        let shown = shown(&old, &new, Extent::Whole);
        let kept: Vec<&str> =
            shown.iter().filter(|line| &line[7..8] != "-").map(|line| line.get(9..).unwrap_or("")).collect();
        assert_eq!(kept, new.lines().collect::<Vec<_>>());
    }
}
