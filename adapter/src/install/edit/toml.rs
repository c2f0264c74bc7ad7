//! TOML, edited as a document that keeps every byte.

use serde_json::Value;
use toml_edit::{Array, DocumentMut, InlineTable, Table, TableLike, value};

use super::{Edited, Refusal};
use crate::install::entry::{Item, NAME};

pub fn read(text: &str) -> Result<Value, Refusal> {
    toml_edit::de::from_str(text).map_err(|error| not_toml(&error.to_string()))
}

pub fn set(text: &str, path: &[&str], entry: &Item) -> Edited {
    let mut document = parse(text)?;
    let Place { servers, has_headers } = place(document.as_table_mut(), path)?;
    match servers.get_mut(NAME).and_then(toml_edit::Item::as_table_mut) {
        // The header with its comments stays where it is.
        Some(table) => {
            table.clear();
            fill(table, entry);
        }
        None if has_headers => {
            let mut table = Table::new();
            fill(&mut table, entry);
            servers.insert(NAME, toml_edit::Item::Table(table));
        }
        None => {
            servers.insert(NAME, toml_edit::Item::Value(inline(entry)));
        }
    }
    Ok(document.to_string())
}

pub fn remove(text: &str, path: &[&str]) -> Edited {
    let mut document = parse(text)?;
    place(document.as_table_mut(), path)?.servers.remove(NAME);
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<DocumentMut, Refusal> {
    text.parse::<DocumentMut>().map_err(|error| not_toml(&error.to_string()))
}

fn not_toml(why: &str) -> Refusal {
    let first = why.lines().next().unwrap_or_default().to_lowercase();
    Refusal(format!("it is not valid TOML: {first}"))
}

/// The table of the servers.
struct Place<'d> {
    servers: &'d mut dyn TableLike,
    /// Its members may stand under headers of their own: not so in an inline table, nor below dotted keys.
    has_headers: bool,
}

fn place<'d>(root: &'d mut Table, path: &[&str]) -> Result<Place<'d>, Refusal> {
    let mut at: &mut dyn TableLike = root;
    let mut has_headers = true;
    for name in path {
        if at.get(name).is_none() {
            let mut table = Table::new();
            // No header of its own: `[mcp_servers.latchgate]` is enough.
            table.set_implicit(true);
            at.insert(name, toml_edit::Item::Table(table));
        }
        let item = at.get_mut(name).ok_or_else(|| not_a_table(name))?;
        has_headers = item.as_table().is_some_and(|table| !table.is_dotted());
        at = item.as_table_like_mut().ok_or_else(|| not_a_table(name))?;
    }
    Ok(Place { servers: at, has_headers })
}

fn not_a_table(name: &str) -> Refusal {
    Refusal(format!("its member `{name}` is not a table"))
}

fn fill(table: &mut Table, entry: &Item) {
    let Item::Table(members) = entry else { return };
    for (name, item) in members {
        table.insert(name, toml_edit::Item::Value(inline(item)));
    }
}

fn inline(item: &Item) -> toml_edit::Value {
    let item = match item {
        Item::Text(text) => value(text),
        Item::Number(number) => value(i64::try_from(*number).unwrap_or(i64::MAX)),
        Item::List(list) => value(list.iter().collect::<Array>()),
        Item::Table(members) => {
            let members = members.iter().map(|(name, item)| (*name, inline(item)));
            value(members.collect::<InlineTable>())
        }
    };
    // Invariant: `value` makes nothing but values.
    item.into_value().unwrap_or_else(|_| toml_edit::Value::from(""))
}
