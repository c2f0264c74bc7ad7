//! For whom something is laid out: how wide the terminal is, and how much is shown of what is long.

use owo_colors::OwoColorize as _;

/// How much of a held call is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Long texts are folded, and say so.
    Folded,
    /// Every line of what is new; of a text that is replaced, lines that stay as they are are counted.
    Changes,
    /// Lines that stay as they are, too.
    Whole,
}

/// Width in columns, `None` where nothing is broken, and extent.
#[derive(Clone, Copy, Debug)]
pub struct View {
    pub width: Option<usize>,
    pub extent: Extent,
}

/// Of one text, in a folded view.
const LINES_MAX: usize = 100;

impl View {
    /// Lines of one text, folded if they are many and the view says so.
    pub fn fold(&self, mut lines: Vec<String>) -> Vec<String> {
        if self.extent != Extent::Folded || lines.len() <= LINES_MAX {
            return lines;
        }
        let folded = lines.split_off(LINES_MAX).len();
        lines.push(note(&format!("{folded} more lines, not shown here: --all shows them")));
        lines
    }
}

/// A line of ours among lines of others: no line of content begins like it.
pub fn note(text: &str) -> String {
    format!("     {} {}", "⋯".dimmed(), text.yellow())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn folding_says_how_many_lines_and_the_flag() {
        let lines: Vec<String> = (0..103).map(|i| i.to_string()).collect();
        let view = |extent| View { width: None, extent };
        let folded = view(Extent::Folded).fold(lines.clone());
        assert_eq!(folded.len(), 101);
        assert_eq!(stripped(&folded[100]), "     ⋯ 3 more lines, not shown here: --all shows them");
        for extent in [Extent::Changes, Extent::Whole] {
            assert_eq!(view(extent).fold(lines.clone()), lines);
        }
        assert_eq!(view(Extent::Folded).fold(lines[..100].to_vec()).len(), 100);
    }
}
