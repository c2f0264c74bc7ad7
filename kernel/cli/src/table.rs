//! Tables without borders: bold heads, columns two spaces apart.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

use crate::visible;

/// What a cell's text means, for its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
    Quiet,
}

/// A table that grows row by row. What is put in is made visible.
pub struct Rows {
    table: Table,
}

impl Rows {
    /// `width` in columns; without one, rows are never broken.
    pub fn new(heads: &[&str], width: Option<usize>) -> Self {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        table.enforce_styling();
        match width.map(u16::try_from) {
            Some(Ok(width)) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            Some(Err(_)) | None => {
                table.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        table.set_header(heads.iter().map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { table }
    }

    pub fn add<'a>(&mut self, cells: impl IntoIterator<Item = (&'a str, Tone)>) {
        self.table.add_row(cells.into_iter().map(|(text, tone)| cell(text, tone)));
    }

    pub fn render(&self) -> String {
        let lines: Vec<String> = self.table.lines().map(|line| trimmed(&line)).collect();
        lines.join("\n")
    }
}

/// Without the spaces at the end, those inside of styles too: without colour they would be left over.
fn trimmed(line: &str) -> String {
    let mut text = line;
    let mut styles = Vec::new();
    loop {
        text = text.trim_end_matches(' ');
        let Some(escape) = text.rfind('\u{1B}').filter(|at| is_style(&text[*at..])) else { break };
        styles.push(&text[escape..]);
        text = &text[..escape];
    }
    styles.reverse();
    format!("{text}{}", styles.concat())
}

/// One SGR sequence and nothing behind it (ECMA-48 section 8.3.117).
fn is_style(text: &str) -> bool {
    let parameters = text.strip_prefix("\u{1B}[").and_then(|rest| rest.strip_suffix('m'));
    parameters.is_some_and(|parameters| parameters.bytes().all(|b| b.is_ascii_digit() || b == b';'))
}

fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(visible::plain(text));
    match tone {
        Tone::Plain => cell,
        Tone::Good => cell.fg(Color::Green),
        Tone::Warn => cell.fg(Color::Yellow),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Quiet => cell.add_attribute(Attribute::Dim),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_hidden_characters_shown() {
        let mut rows = Rows::new(&["A", "LONGER"], None);
        rows.add([("one", Tone::Plain), ("x\u{202E}y", Tone::Good)]);
        let text = anstream::adapter::strip_str(&rows.render()).to_string();
        assert_eq!(text, "A    LONGER\none  x\\u{202E}y");
    }
}
