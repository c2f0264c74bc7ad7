//! `secrets list`: what is set, who needs it, and what is missing with the command that adds it.

use clap::Args;
use latchgate_wire::secret::{SecretInfo, SecretList};
use owo_colors::OwoColorize as _;

use super::{Global, way};
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::{Rows, Tone};
use crate::visible::styled;
use crate::when;

/// List the secrets, the actions that need them, and what is missing; values are not shown
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate secrets list --json")]
pub struct List {}

impl List {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let (list, _) = way::list(global, by).await?;
        if console.is_json() {
            console.json(&list)?;
            return Ok(Exit::Done);
        }
        if list.secrets.is_empty() {
            console.note("no secret is set: latchgate secrets set NAME");
        } else {
            console.result(&table(&list.secrets, console.width()))?;
        }
        for line in missing(&list) {
            console.note(&line);
        }
        Ok(Exit::Done)
    }
}

fn table(secrets: &[SecretInfo], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["NAME", "KIND", "SET", "FINGERPRINT", "HOSTS", "NEEDED BY"], width);
    for info in secrets {
        let age = format!("{} ago", when::span(when::now().since(info.set_at)));
        let hosts = joined(info.hosts.iter().map(String::as_str), "as declared");
        let needed_by = joined(info.needed_by.iter().map(String::as_str), "-");
        rows.add([
            (info.name.as_str(), if info.dangerous_short { Tone::Warn } else { Tone::Plain }),
            (info.kind.as_str(), Tone::Plain),
            (&age, Tone::Plain),
            (&info.fingerprint, Tone::Quiet),
            (&hosts, Tone::Plain),
            (&needed_by, Tone::Plain),
        ]);
    }
    rows.render()
}

fn joined<'a>(words: impl Iterator<Item = &'a str>, none: &str) -> String {
    let text = words.collect::<Vec<_>>().join(", ");
    if text.is_empty() { none.to_owned() } else { text }
}

/// Each with the command that adds it.
pub fn missing(list: &SecretList) -> Vec<String> {
    let line = |(name, actions): (&String, &Vec<String>)| {
        let (name, actions) = (styled(name), styled(&actions.join(", ")));
        format!("{} {name}, which {actions} needs: latchgate secrets set {name}", "missing:".yellow())
    };
    list.missing.iter().map(line).collect()
}
