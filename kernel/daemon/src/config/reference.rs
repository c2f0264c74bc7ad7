//! The configuration reference in Markdown, written from the rows.

use serde_json::Value;

use super::receivers::{LIST, LIST_ROWS, NotifySettings};
use super::table::Row;
use super::{Config, ROWS, TABLES};

const HEAD: &str = "\
# Configuration

<!-- Printed by `latchgate config reference`; a test holds this file to it. -->

A gate reads `latchgate.toml` once, when it starts; `latchgate config path` says where it lies. A flag of the command line goes before a
variable of the environment, that before the file, and the file before the default; `latchgate config show` says where each value
came from. A name that is no setting is an error, in the file and in the environment, and all problems are told at once:
`latchgate config check` tells them without a start.

`LATCHGATE_HOME` (where everything lies), `LATCHGATE_SOCKET` (which gate a command talks to), `LATCHGATE_OPERATOR` (as whom) and
`LATCHGATE_LOG` (what is logged) are no settings.
";

pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for table in TABLES {
        text.push_str(&format!("\n## [{}]\n\n{}\n\n", table.name, table.about.trim()));
        text.push_str("| setting | value | default | environment |\n|---|---|---|---|\n");
        for row in ROWS.iter().filter(|row| row.table == table.name) {
            text.push_str(&format!(
                "| `{}`<br>{} | {} | {} | `{}` |\n",
                row.member,
                row.meaning.trim(),
                row.expected(),
                default(row),
                row.variable(),
            ));
        }
    }
    text.push_str(&format!("\n## [[{}]]\n\n{}\n\n", LIST.name, LIST.about.trim()));
    text.push_str("These stand in the file alone; the environment has no list.\n\n");
    text.push_str("| setting | value | default |\n|---|---|---|\n");
    for row in LIST_ROWS {
        let default = match ((row.shown)(&NotifySettings::default()), (row.absent)()) {
            _ if ["name", "kind"].contains(&row.member) => "none: it must be there".to_owned(),
            (Value::Null, absent) => absent.unwrap_or_default().to_owned(),
            (value, _) => format!("`{value}`"),
        };
        let (meaning, expected) = (row.meaning.trim(), row.expected());
        text.push_str(&format!("| `{}`<br>{meaning} | {expected} | {default} |\n", row.member));
    }
    text
}

fn default(row: &Row) -> String {
    match ((row.shown)(&Config::default()), (row.absent)()) {
        (Value::Null, absent) => absent.unwrap_or_default().to_owned(),
        (value, _) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_in_docs_is_the_one_printed() {
        let kept = include_str!("../../../../docs/configuration.md");
        assert!(kept == reference(), "run: latchgate config reference > docs/configuration.md");
    }
}
