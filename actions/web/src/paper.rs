//! What a page's text is written on: white space collapses, empty lines never pile up, and after `chars_max` characters it is
//! full.

/// Space between what was written and what comes next; the larger wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

pub struct Paper {
    text: String,
    chars: usize,
    chars_max: usize,
    gap: Gap,
    /// Spaces at the beginning of a line.
    indent: usize,
    /// A mark such as `- ` that waits for the text it belongs to.
    mark: Option<String>,
    is_cut: bool,
}

impl Paper {
    pub fn new(chars_max: usize) -> Self {
        let (text, mark) = (String::new(), None);
        Self { text, chars: 0, chars_max, gap: Gap::None, indent: 0, mark, is_cut: false }
    }

    /// Something did not fit; nothing more will.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Characters written so far.
    pub fn chars(&self) -> usize {
        self.chars
    }

    pub fn finish(mut self) -> String {
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    pub fn indent(&mut self, spaces: usize) {
        self.indent = spaces;
    }

    pub fn gap(&mut self, gap: Gap) {
        // Between a mark and its text there is no room.
        if self.mark.is_none() {
            self.gap = self.gap.max(gap);
        }
    }

    /// Two line breaks in a row make a paragraph.
    pub fn line_break(&mut self) {
        self.gap(if self.gap == Gap::Line { Gap::Paragraph } else { Gap::Line });
    }

    /// Puts `mark` before the next text.
    pub fn mark(&mut self, mark: String) {
        self.mark = Some(mark);
    }

    /// Nothing came that the mark could belong to.
    pub fn drop_mark(&mut self) {
        self.mark = None;
    }

    /// Text in which any white space is one space.
    pub fn prose(&mut self, text: &str) {
        for (i, word) in text.split(char::is_whitespace).enumerate() {
            if i > 0 {
                self.gap(Gap::Space);
            }
            self.put(word, |c| !c.is_control());
        }
    }

    /// Text whose white space means something.
    pub fn verbatim(&mut self, text: &str) {
        self.put(text, |c| !c.is_control() || matches!(c, '\n' | '\t'));
    }

    /// Directly behind what was written, before any gap.
    pub fn attach(&mut self, text: &str) {
        self.push(text, |_| true);
    }

    fn put(&mut self, text: &str, keep: impl Fn(char) -> bool) {
        if !text.contains(&keep) || self.is_cut {
            return;
        }
        self.close_gap();
        if let Some(mark) = self.mark.take() {
            self.push(&mark, |_| true);
        }
        self.push(text, keep);
    }

    fn close_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        if gap >= Gap::Line {
            let kept = self.text.trim_end_matches(['\n', ' ']).len();
            // Only line breaks and spaces, a byte each.
            self.chars -= self.text.len() - kept;
            self.text.truncate(kept);
        }
        match gap {
            _ if self.text.is_empty() => {}
            Gap::None => {}
            Gap::Space if self.text.ends_with('\n') => {}
            Gap::Space => self.push(" ", |_| true),
            Gap::Line | Gap::Paragraph => {
                let breaks = if gap == Gap::Line { "\n" } else { "\n\n" };
                self.push(&format!("{breaks}{:1$}", "", self.indent), |_| true);
            }
        }
    }

    fn push(&mut self, text: &str, keep: impl Fn(char) -> bool) {
        for c in text.chars().filter(|c| keep(*c)) {
            if self.chars == self.chars_max {
                self.is_cut = true;
                return;
            }
            self.text.push(c);
            self.chars += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Paper)) -> String {
        let mut paper = Paper::new(1000);
        write(&mut paper);
        paper.finish()
    }

    #[test]
    fn white_space_is_one_space_and_none_at_the_ends() {
        assert_eq!(written(|p| p.prose(" \n a\u{a0} b\t\r\nc ")), "a b c");
    }

    #[test]
    fn the_larger_gap_wins() {
        let text = written(|p| {
            p.gap(Gap::Paragraph);
            p.prose("a ");
            p.gap(Gap::Line);
            p.gap(Gap::Paragraph);
            p.prose(" b");
            p.gap(Gap::Line);
            p.prose("c");
            p.gap(Gap::Paragraph);
        });
        assert_eq!(text, "a\n\nb\nc");
    }

    #[test]
    fn a_mark_stands_right_before_its_text_or_not_at_all() {
        let text = written(|p| {
            p.prose("a");
            p.gap(Gap::Line);
            p.mark("- ".into());
            p.gap(Gap::Paragraph);
            p.prose(" b");
            p.gap(Gap::Line);
            p.mark("- ".into());
            p.drop_mark();
            p.prose("c");
        });
        assert_eq!(text, "a\n- b\nc");
    }

    #[test]
    fn control_characters_are_dropped() {
        assert_eq!(written(|p| p.prose("a\0b\u{1b}[31m \u{7} c")), "ab[31m c");
        assert_eq!(written(|p| p.verbatim("a\0\n\tb\r\n")), "a\n\tb");
    }

    #[test]
    fn it_holds_so_many_characters_and_no_more() {
        for (chars_max, text, is_cut) in [(3, "é b", false), (2, "é", true), (1, "é", true), (0, "", true)]
        {
            let mut paper = Paper::new(chars_max);
            paper.prose("é b");
            assert_eq!((paper.is_cut(), paper.finish().as_str()), (is_cut, text), "{chars_max}");
        }
    }

    #[test]
    fn what_does_not_matter_does_not_make_it_full() {
        let mut paper = Paper::new(1);
        paper.prose("a \0 ");
        paper.gap(Gap::Paragraph);
        assert!(!paper.is_cut());
    }
}
