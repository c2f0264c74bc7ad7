//! Reading on a screen: where one stands in many lines, and how far one has read.

use latchgate_wire::time::Timestamp;

/// How long a laid out text is good for: times in it go by.
const FRESH_MS: i64 = 5000;

/// A text that may be longer than the screen. Moves are no longer than what is shown, so that nothing is skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How and when the lines were laid out.
    laid: Option<(Layout, Timestamp)>,
    lines: Vec<String>,
    rows: usize,
    top: usize,
    seen: usize,
}

/// Under which the lines were laid out; another one makes other lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub columns: usize,
    pub is_whole: bool,
}

impl Page {
    /// The lines that are on a screen of so many rows. `lay` makes all of them anew where that is due.
    pub fn show(
        &mut self,
        layout: Layout,
        rows: usize,
        now: Timestamp,
        lay: impl FnOnce() -> Vec<String>,
    ) -> &[String] {
        match self.laid {
            Some((laid, at)) if laid == layout && (0..FRESH_MS).contains(&now.since(at)) => {}
            Some((laid, _)) if laid == layout => (self.lines, self.laid) = (lay(), Some((layout, now))),
            Some(_) | None => {
                *self = Self { laid: Some((layout, now)), lines: lay(), ..Self::default() };
            }
        }
        self.rows = rows;
        self.top = self.top.min(self.lines.len().saturating_sub(rows));
        let end = (self.top + rows).min(self.lines.len());
        self.seen = self.seen.max(end).min(self.lines.len());
        self.lines.get(self.top..end).unwrap_or_default()
    }

    pub fn down(&mut self, lines: usize) {
        let last = self.lines.len().saturating_sub(self.rows);
        self.top = (self.top + lines.min(self.rows)).min(last);
    }

    pub fn up(&mut self, lines: usize) {
        self.top = self.top.saturating_sub(lines);
    }

    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Lines that were not on the screen yet. Before anything was shown, that is not known.
    pub fn unread(&self) -> Option<usize> {
        self.laid.map(|_| self.lines.len() - self.seen)
    }

    /// "lines 1 to 20 of 45", if there are more than fit.
    pub fn position(&self) -> Option<String> {
        let end = (self.top + self.rows).min(self.lines.len());
        let count = self.lines.len();
        (count > self.rows).then(|| format!("lines {} to {end} of {count}", self.top + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(page: &mut Page, count: usize, (rows, columns): (usize, usize), is_whole: bool) -> Vec<String> {
        let lay = || (1..=count).map(|line| line.to_string()).collect();
        page.show(Layout { columns, is_whole }, rows, Timestamp::from_ms(0), lay).to_vec()
    }

    #[test]
    fn a_page_is_read_when_its_last_line_was_on_the_screen() {
        let mut page = Page::default();
        let shown = |page: &mut Page| show(page, 10, (4, 80), false);
        assert_eq!(page.unread(), None);
        assert_eq!(shown(&mut page), ["1", "2", "3", "4"]);
        assert_eq!((page.unread(), page.position()), (Some(6), Some("lines 1 to 4 of 10".into())));
        page.down(100);
        assert_eq!(shown(&mut page), ["5", "6", "7", "8"], "no further than what was shown");
        page.down(4);
        assert_eq!(shown(&mut page), ["7", "8", "9", "10"]);
        page.up(100);
        shown(&mut page);
        assert_eq!(page.unread(), Some(0));
    }

    #[test]
    fn another_width_or_extent_is_to_be_read_anew() {
        let mut page = Page::default();
        show(&mut page, 6, (6, 80), false);
        assert_eq!(page.unread(), Some(0));
        show(&mut page, 6, (3, 40), false);
        assert_eq!(page.unread(), Some(3));
        show(&mut page, 6, (5, 40), true);
        assert_eq!(page.unread(), Some(1));
    }

    #[test]
    fn a_higher_screen_shows_more_and_loses_nothing() {
        let mut page = Page::default();
        show(&mut page, 6, (3, 80), false);
        page.down(3);
        assert_eq!(show(&mut page, 6, (9, 80), false).len(), 6);
        assert_eq!((page.unread(), page.position()), (Some(0), None));
    }

    #[test]
    fn lines_are_laid_out_anew_when_time_has_gone_by() {
        let mut page = Page::default();
        let mut at = |ms: i64| {
            let layout = Layout { columns: 80, is_whole: false };
            page.show(layout, 5, Timestamp::from_ms(ms), || vec![ms.to_string()]).to_vec()
        };
        assert_eq!([at(0), at(FRESH_MS - 1), at(FRESH_MS)], [["0"], ["0"], ["5000"]]);
    }
}
