//! Labelled lines: a quiet label, then the value, all aligned.

use owo_colors::OwoColorize as _;

/// Where values begin.
pub const LABEL_COLUMNS: usize = 10;

/// Lines of label and value, in the order in which they were added. Values are shown as they are: make what others
/// chose visible first.
#[derive(Default)]
pub struct Facts {
    lines: Vec<String>,
}

impl Facts {
    pub fn add(&mut self, label: &str, value: impl AsRef<str>) -> &mut Self {
        let padding = " ".repeat(LABEL_COLUMNS.saturating_sub(label.len()).max(1));
        self.lines.push(format!("{}{padding}{}", label.dimmed(), value.as_ref()));
        self
    }

    /// A value on several lines.
    pub fn add_lines(&mut self, label: &str, lines: &[String]) -> &mut Self {
        for (i, line) in lines.iter().enumerate() {
            if i == 0 {
                self.add(label, line)
            } else {
                self.more(line)
            };
        }
        self
    }

    /// A further line under the value before.
    pub fn more(&mut self, value: impl AsRef<str>) -> &mut Self {
        self.lines.push(format!("{}{}", " ".repeat(LABEL_COLUMNS), value.as_ref()));
        self
    }

    /// A line as it is.
    pub fn line(&mut self, text: impl Into<String>) -> &mut Self {
        self.lines.push(text.into());
        self
    }

    /// Lines as they are.
    pub fn lines(&mut self, lines: Vec<String>) -> &mut Self {
        self.lines.extend(lines);
        self
    }

    pub fn render(&self) -> String {
        self.lines.join("\n")
    }
}
