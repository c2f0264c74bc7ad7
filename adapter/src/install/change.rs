//! What installing or uninstalling does to one file, decided before anything is written.

use std::fmt::Write as _;

use serde_json::Value;
use similar::TextDiff;

use super::clients::Client;
use super::edit::{Refusal, Servers};
use super::entry::{Item, Launch};
use super::file::Found;

/// What becomes of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// What is asked for is so already.
    None,
    Write {
        text: String,
        /// Whether an entry of that name stood there.
        replaces: bool,
    },
    /// As it was before the entry came: these bytes, or no file.
    Restore(Option<String>),
    /// The entry is taken out, and what else was changed since is kept.
    TakeOut(String),
}

impl Client {
    pub fn place(&self) -> Servers {
        Servers { format: self.format, path: self.servers }
    }

    pub fn entry(&self, launch: &Launch) -> Item {
        self.shape.entry(launch)
    }

    /// A whole file with nothing but the entry, to paste from.
    pub fn snippet(&self, launch: &Launch) -> String {
        self.place().set("", &self.entry(launch)).unwrap_or_default()
    }

    /// # Errors
    /// The file is in a state that cannot be edited safely.
    pub fn installed(&self, found: &Found, launch: &Launch) -> Result<Change, Refusal> {
        let (place, entry) = (self.place(), self.entry(launch));
        let present = place.entry(found.text())?;
        if present.as_ref().is_some_and(|present| starts(present, &entry.value())) {
            return Ok(Change::None);
        }
        let text = place.set(found.text(), &entry)?;
        Ok(Change::Write { text, replaces: present.is_some() })
    }

    /// # Errors
    /// As [`Self::installed`].
    pub fn uninstalled(&self, found: &Found) -> Result<Change, Refusal> {
        let place = self.place();
        let Some(present) = place.entry(found.text())? else { return Ok(Change::None) };
        let before = found.backup()?;
        // Nothing but the entry was changed: the earlier file can come back as it was.
        if let Some(launch) = self.shape.launch(&present)
            && place.set(before.as_deref().unwrap_or_default(), &self.entry(&launch)).as_deref()
                == Ok(found.text())
        {
            return Ok(Change::Restore(before));
        }
        match place.remove(found.text())? {
            Some(text) => Ok(Change::TakeOut(text)),
            None => Ok(Change::None),
        }
    }
}

/// Whether what stands there starts what shall be started. A client may have added members of its own, such as which tools are
/// off; an address would make it another server.
fn starts(present: &Value, entry: &Value) -> bool {
    let has_address = ["url", "serverUrl", "httpUrl"].iter().any(|name| present.get(*name).is_some());
    let Some(members) = entry.as_object() else { return false };
    !has_address && members.iter().all(|(name, value)| present.get(name) == Some(value))
}

impl Change {
    /// The difference as `diff -u` shows it.
    pub fn diff(&self, found: &Found) -> String {
        let after = match self {
            Self::None => return String::new(),
            Self::Write { text, .. } | Self::TakeOut(text) | Self::Restore(Some(text)) => text,
            Self::Restore(None) => "",
        };
        let diff = TextDiff::from_lines(found.text(), after);
        let path = found.path.display().to_string();
        let name = |there: bool| if there { path.as_str() } else { "/dev/null" };
        let mut out = format!("--- {}\n", name(found.text.is_some()));
        // Writing to a String cannot fail.
        let _infallible = writeln!(out, "+++ {}", name(*self != Self::Restore(None)));
        let _infallible = write!(out, "{}", diff.unified_diff().context_radius(3));
        out
    }
}
