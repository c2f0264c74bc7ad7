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
        self.table.trim_fmt()
    }
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
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines, ["A    LONGER", "one  x\\u{202E}y"]);
    }
}
