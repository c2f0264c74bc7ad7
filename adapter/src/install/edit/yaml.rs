//! YAML, edited by lines: a block is put in or taken out, and no other line is touched.
//!
//! Only block mappings at the top level are understood. Whatever else a file does is found out by the caller, who reads the
//! result again and compares.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Edited, Refusal};
use crate::install::entry::{Item, NAME};

pub fn read(text: &str) -> Result<Value, Refusal> {
    serde_saphyr::from_str(text).map_err(|error| {
        let first = error.to_string().lines().next().unwrap_or_default().to_lowercase();
        Refusal(format!("it is not valid YAML: {first}"))
    })
}

pub fn set(text: &str, path: &[&str], entry: &Item) -> Edited {
    let mut lines = Lines::of(text);
    let [servers] = path else { return Err(by_hand()) };
    let Some(at) = lines.key(servers, 0)? else {
        let end = lines.0.len();
        lines.insert(end, &format!("{servers}:\n{}", block(entry, 2)));
        return Ok(lines.text());
    };
    if let Some((start, end)) = lines.entry(at) {
        let indent = indent_of(&lines.0[start]).unwrap_or(2);
        lines.0.drain(start..end);
        lines.insert(start, &block(entry, indent));
        return Ok(lines.text());
    }
    let indent = lines.child_indent(at).unwrap_or(2);
    lines.open(at, servers)?;
    let end = lines.end_of(at);
    lines.insert(end, &block(entry, indent));
    Ok(lines.text())
}

pub fn remove(text: &str, path: &[&str]) -> Edited {
    let mut lines = Lines::of(text);
    let [servers] = path else { return Err(by_hand()) };
    let Some(at) = lines.key(servers, 0)? else { return Ok(text.to_owned()) };
    let Some((start, end)) = lines.entry(at) else { return Ok(text.to_owned()) };
    lines.0.drain(start..end);
    if lines.child_indent(at).is_none() {
        lines.close(at, servers);
    }
    Ok(lines.text())
}

/// Each with its line break.
struct Lines(Vec<String>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.split_inclusive('\n').map(str::to_owned).collect())
    }

    fn text(&self) -> String {
        self.0.concat()
    }

    /// The line of a key with this indentation.
    fn key(&self, name: &str, indent: usize) -> Result<Option<usize>, Refusal> {
        if self.0.iter().skip(1).any(|line| line.starts_with("---") || line.starts_with("...")) {
            return Err(Refusal("it holds more than one YAML document".into()));
        }
        let is_it = |line: &String| indent_of(line) == Some(indent) && is_key(line.trim_start(), name);
        Ok(self.0.iter().position(is_it))
    }

    /// The indentation of the first line below; `None` if nothing is below.
    fn child_indent(&self, at: usize) -> Option<usize> {
        let own = indent_of(&self.0[at])?;
        self.0[at + 1..].iter().find_map(|line| indent_of(line)).filter(|indent| *indent > own)
    }

    /// The line after the last one that belongs to this key. Blank lines and comments behind it belong to what follows.
    fn end_of(&self, at: usize) -> usize {
        let own = indent_of(&self.0[at]).unwrap_or(0);
        let below = |line: &String| indent_of(line).is_none_or(|indent| indent > own);
        let reach = self.0[at + 1..].iter().take_while(|line| below(line)).count();
        let last = (at + 1..=at + reach).rev().find(|n| indent_of(&self.0[*n]).is_some());
        last.unwrap_or(at) + 1
    }

    /// The lines of our entry below this key.
    fn entry(&self, at: usize) -> Option<(usize, usize)> {
        let indent = self.child_indent(at)?;
        let is_ours = |line: &str| indent_of(line) == Some(indent) && is_key(line.trim_start(), NAME);
        let start = (at + 1..self.end_of(at)).find(|n| is_ours(&self.0[*n]))?;
        Some((start, self.end_of(start)))
    }

    /// Makes `key: {}` and `key: null` the beginning of a block.
    fn open(&mut self, at: usize, name: &str) -> Result<(), Refusal> {
        let (value, comment) = value_of(&self.0[at]);
        match value {
            "" => Ok(()),
            "{}" | "null" | "~" => {
                self.0[at] = format!("{name}:{comment}{}", self.line_break());
                Ok(())
            }
            _ => Err(Refusal(format!("its member `{name}` is written on one line"))),
        }
    }

    /// A key that nothing is below any more.
    fn close(&mut self, at: usize, name: &str) {
        let (_, comment) = value_of(&self.0[at]);
        self.0[at] = format!("{name}: {{}}{comment}{}", self.line_break());
    }

    fn line_break(&self) -> &'static str {
        if self.0.iter().any(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" }
    }

    fn insert(&mut self, at: usize, block: &str) {
        let line_break = self.line_break();
        if let Some(last) = at.checked_sub(1).and_then(|before| self.0.get_mut(before))
            && !last.ends_with('\n')
        {
            last.push_str(line_break);
        }
        let lines: Vec<String> = block.lines().map(|line| format!("{line}{line_break}")).collect();
        self.0.splice(at..at, lines);
    }
}

/// What stands behind a key on its line, and the comment behind that with the space in front of it.
fn value_of(line: &str) -> (&str, String) {
    let value = line.split_once(':').map_or("", |(_, value)| value).trim_end();
    match value.find(" #") {
        Some(at) => (value[..at].trim(), value[at..].to_owned()),
        None => (value.trim(), String::new()),
    }
}

/// Spaces in front of what a line says; `None` for a line that says nothing.
fn indent_of(line: &str) -> Option<usize> {
    let said = line.trim_start_matches(' ');
    let is_silent = said.trim().is_empty() || said.starts_with('#');
    (!is_silent).then(|| line.len() - said.len())
}

fn is_key(line: &str, name: &str) -> bool {
    let quoted = [format!("{name}:"), format!("\"{name}\":"), format!("'{name}':")];
    quoted.iter().any(|key| {
        line.strip_prefix(key.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n', '\r']))
    })
}

/// Strings as JSON writes them, which YAML reads as they are.
fn block(entry: &Item, indent: usize) -> String {
    let mut out = String::new();
    line(&mut out, indent, NAME, entry);
    out
}

fn line(out: &mut String, indent: usize, name: &str, item: &Item) {
    // Writing to a String cannot fail.
    let _infallible = write!(out, "{:indent$}{name}:", "");
    let _infallible = match item {
        Item::Table(members) => {
            out.push('\n');
            members.iter().for_each(|(name, item)| line(out, indent + 2, name, item));
            Ok(())
        }
        Item::List(list) => {
            let quoted: Vec<String> = list.iter().map(|text| quoted(text)).collect();
            writeln!(out, " [{}]", quoted.join(", "))
        }
        Item::Text(text) => writeln!(out, " {}", quoted(text)),
        Item::Number(number) => writeln!(out, " {number}"),
    };
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn by_hand() -> Refusal {
    Refusal("its servers lie deeper than this edits".into())
}
