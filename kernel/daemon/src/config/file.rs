//! `latchgate.toml` (TOML 1.0): which settings it names, on which line, and everything that is wrong with it.

use toml::de::{DeTable, DeValue};

use super::kind::Raw;
use super::nearest::nearest;
use super::receivers::{Item, LIST, LIST_ROWS};
use super::table::Row;
use super::{ROWS, TABLES};

/// A setting that the file names.
pub struct Written {
    pub row: &'static Row,
    pub raw: Raw,
    pub line: usize,
}

/// What the file says, and its problems with their lines.
#[derive(Default)]
pub struct Contents {
    pub written: Vec<Written>,
    /// The tables of `[[notify]]`, in their order.
    pub receivers: Vec<Item>,
    pub problems: Vec<(usize, String)>,
}

impl Contents {
    pub fn read(text: &str) -> Self {
        let line = |offset: usize| text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut contents = Self::default();
        for error in errors {
            let at = error.span().map_or(1, |span| line(span.start));
            contents.problems.push((at, error.message().replace('\n', " ")));
        }
        for (name, value) in document.get_ref() {
            let at = line(name.span().start);
            if name.get_ref().as_ref() == LIST.name {
                match value.get_ref() {
                    DeValue::Array(items) => {
                        items
                            .iter()
                            .for_each(|item| contents.item(item.get_ref(), line(item.span().start), line));
                    }
                    _ => contents
                        .problem(at, format!("`{0}` is a list of tables, each written [[{0}]]", LIST.name)),
                }
                continue;
            }
            match (TABLES.iter().find(|table| table.name == name.get_ref().as_ref()), value.get_ref()) {
                (Some(table), DeValue::Table(members)) => {
                    for (member, value) in members {
                        contents.member(
                            table.name,
                            member.get_ref(),
                            value.get_ref(),
                            line(member.span().start),
                        );
                    }
                }
                (Some(table), _) => {
                    contents.problem(at, format!("`{0}` is a table, written [{0}]", table.name))
                }
                (None, _) => contents.problem(at, unknown_table(name.get_ref())),
            }
        }
        contents.written.sort_by_key(|written| written.line);
        contents.problems.sort();
        contents
    }

    fn item(&mut self, item: &DeValue<'_>, at: usize, line: impl Fn(usize) -> usize) {
        let DeValue::Table(members) = item else {
            return self.problem(at, format!("`{0}` is a list of tables, each written [[{0}]]", LIST.name));
        };
        let mut found = Item { line: at, written: Vec::new() };
        for (member, value) in members {
            let line = line(member.span().start);
            match LIST_ROWS.iter().find(|row| row.member == member.get_ref().as_ref()) {
                Some(row) => found.written.push((row, raw(value.get_ref()), line)),
                None => self.problem(line, unknown(&format!("{}.{}", LIST.name, member.get_ref()))),
            }
        }
        self.receivers.push(found);
    }

    fn member(&mut self, table: &'static str, member: &str, value: &DeValue<'_>, line: usize) {
        match ROWS.iter().find(|row| row.table == table && row.member == member) {
            // What is wrong beside a mistake of grammar on the same line mostly follows from it.
            _ if self.problems.iter().any(|(other, _)| *other == line) => {}
            Some(row) => self.written.push(Written { row, raw: raw(value), line }),
            None => self.problem(line, unknown(&format!("{table}.{member}"))),
        }
    }

    fn problem(&mut self, line: usize, problem: String) {
        self.problems.push((line, problem));
    }
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => {
            // What is too large for any setting is told as too large.
            Raw::Whole(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX))
        }
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Array(items) => {
            let text = |item: &DeValue<'_>| match item {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            };
            let texts: Option<Vec<_>> = items.iter().map(|item| text(item.get_ref())).collect();
            texts.map_or(Raw::Other("array"), Raw::List)
        }
        other => Raw::Other(other.type_str()),
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<String> = ROWS.iter().map(Row::name).chain(LIST_ROWS.iter().map(Row::name)).collect();
    let meant = nearest(name, names.iter().map(String::as_str)).unwrap_or_default();
    format!("there is no setting `{}`; the nearest is {meant}", name.escape_debug())
}

fn unknown_table(name: &str) -> String {
    let names: Vec<_> = TABLES.iter().map(|table| table.name).chain([LIST.name]).collect();
    format!("there is no table `{}`; there are {}", name.escape_debug(), names.join(", "))
}
