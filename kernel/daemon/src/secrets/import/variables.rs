//! Files of variables: `NAME=value` lines, as shells, Docker and dotenv libraries read them alike.

use latchgate_wire::secret::SecretText;

use super::{ImportError, Values};

/// Comments begin a line with `#`; `export` may stand in front; a value may stand between single or double quotes. What those
/// readers do not agree on (expansion, escapes, text behind a quote) is refused.
///
/// # Errors
/// By the line's number.
pub fn variables(text: &str) -> Result<Values, ImportError> {
    let mut values: Values = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let refused = |what: &str| ImportError::Syntax(format!("line {}: {what}", index + 1));
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let (name, value) = line.split_once('=').ok_or_else(|| refused("expected NAME=value"))?;
        let is_name = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            return Err(refused("expected a variable's name before `=`"));
        }
        if values.iter().any(|(known, _)| known == name) {
            return Err(refused("a name stands twice"));
        }
        let value = unquoted(value)
            .ok_or_else(|| refused("expected a value that every reader takes alike; quote it with '"))?;
        values.push((name.to_owned(), SecretText::new(value.to_owned())));
    }
    Ok(values)
}

fn unquoted(value: &str) -> Option<&str> {
    if let Some(inner) = value.strip_prefix('\'') {
        return inner.strip_suffix('\'').filter(|inner| !inner.contains('\''));
    }
    if let Some(inner) = value.strip_prefix('"') {
        return inner.strip_suffix('"').filter(|inner| !inner.contains(['"', '\\', '$', '`']));
    }
    (!value.contains(['"', '\'', '\\', '$', '`', '#', ' ', '\t'])).then_some(value)
}
