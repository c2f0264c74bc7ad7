//! Edits of a client's file as text: one entry set or removed, and everything else left as it is, byte for byte.
//!
//! Whatever the format's editor did is read again and compared with what should stand there: an edit that would change the
//! meaning of anything else is refused.

mod json;
mod toml;
mod yaml;

use serde_json::{Map, Value};

use super::entry::{Item, NAME};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With comments and trailing commas, where a file has them.
    Json,
    Json5,
    Toml,
    Yaml,
}

/// Why a file is left alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal(pub String);

pub type Edited = Result<String, Refusal>;

/// The member of a file that holds the servers.
#[derive(Clone, Copy)]
pub struct Servers {
    pub format: Format,
    pub path: &'static [&'static str],
}

impl Servers {
    /// The entry as it stands there now.
    ///
    /// # Errors
    /// The text is not in the format, or the member is of another type.
    pub fn entry(self, text: &str) -> Result<Option<Value>, Refusal> {
        let mut value = self.format.read(text)?;
        Ok(members(&mut value, self.path, Absent::Leave)?.and_then(|servers| servers.get(NAME).cloned()))
    }

    /// The text with this entry.
    ///
    /// # Errors
    /// As [`Self::entry`]; or the place cannot be edited without changing something else.
    pub fn set(self, text: &str, entry: &Item) -> Edited {
        let mut expected = self.format.read(text)?;
        if let Some(servers) = members(&mut expected, self.path, Absent::Make)? {
            servers.insert(NAME.into(), entry.value());
        }
        let edited = match self.format {
            Format::Json => json::set(text, self.path, entry, json::Dialect::Comments),
            Format::Json5 => json::set(text, self.path, entry, json::Dialect::Json5),
            Format::Toml => toml::set(text, self.path, entry),
            Format::Yaml => yaml::set(text, self.path, entry),
        }?;
        self.holds(edited, expected)
    }

    /// The text without the entry; `None` if there is none.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn remove(self, text: &str) -> Result<Option<String>, Refusal> {
        let mut expected = self.format.read(text)?;
        let removed =
            members(&mut expected, self.path, Absent::Leave)?.and_then(|servers| servers.remove(NAME));
        if removed.is_none() {
            return Ok(None);
        }
        let edited = match self.format {
            Format::Json => json::remove(text, self.path, json::Dialect::Comments),
            Format::Json5 => json::remove(text, self.path, json::Dialect::Json5),
            Format::Toml => toml::remove(text, self.path),
            Format::Yaml => yaml::remove(text, self.path),
        }?;
        self.holds(edited, expected).map(Some)
    }

    /// The text, if it means what is expected. A TOML table that nothing is in may have gone with its last member.
    fn holds(self, edited: String, mut expected: Value) -> Edited {
        let mut found = self.format.read(&edited)?;
        prune(&mut found, self.path);
        prune(&mut expected, self.path);
        if found == expected {
            return Ok(edited);
        }
        Err(Refusal("it is written in a way that cannot be edited without changing something else".into()))
    }
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Json5 => "JSON5",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        }
    }

    /// What the text means. Nothing at all means an empty document.
    fn read(self, text: &str) -> Result<Value, Refusal> {
        let text = text.strip_prefix(BOM).unwrap_or(text);
        let value = match self {
            _ if text.trim().is_empty() => Value::Null,
            Self::Json => json::read(text, json::Dialect::Comments)?,
            Self::Json5 => json::read(text, json::Dialect::Json5)?,
            Self::Toml => toml::read(text)?,
            Self::Yaml => yaml::read(text)?,
        };
        match value {
            Value::Null => Ok(Value::Object(Map::new())),
            Value::Object(_) => Ok(value),
            other => Err(Refusal(format!("its top level is {}, not an object", kind(&other)))),
        }
    }
}

const BOM: char = '\u{FEFF}';

#[derive(Clone, Copy, PartialEq)]
enum Absent {
    Make,
    Leave,
}

/// The members of the object at the path.
fn members<'v>(
    value: &'v mut Value,
    path: &[&str],
    absent: Absent,
) -> Result<Option<&'v mut Map<String, Value>>, Refusal> {
    let mut at = value;
    for name in path {
        let Value::Object(members) = at else { return Err(not_an_object(name, at)) };
        if absent == Absent::Make {
            members.entry(*name).or_insert_with(|| Value::Object(Map::new()));
        }
        match members.get_mut(*name) {
            Some(next) => at = next,
            None => return Ok(None),
        }
        // In YAML a member without a value is how an empty object is begun.
        if at.is_null() && absent == Absent::Make {
            *at = Value::Object(Map::new());
        } else if at.is_null() {
            return Ok(None);
        } else if !at.is_object() {
            return Err(not_an_object(name, at));
        }
    }
    Ok(at.as_object_mut())
}

/// Takes out what holds the servers and holds none.
fn prune(value: &mut Value, path: &[&str]) {
    let (Some(members), Some((name, rest))) = (value.as_object_mut(), path.split_first()) else { return };
    let Some(member) = members.get_mut(*name) else { return };
    prune(member, rest);
    if member.as_object().is_some_and(Map::is_empty) || member.is_null() {
        members.remove(*name);
    }
}

fn not_an_object(name: &str, found: &Value) -> Refusal {
    Refusal(format!("its member `{name}` is {}, not an object", kind(found)))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
