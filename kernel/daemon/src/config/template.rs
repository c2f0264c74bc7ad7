//! The configuration file of a new home: every setting with its default, as a comment.

use serde_json::Value;

use super::receivers::LIST;
use super::table::Row;
use super::{Config, ROWS, TABLES};

/// Where the meanings begin, if the setting leaves room.
const MEANING_COLUMN: usize = 48;

pub fn template() -> String {
    template_with(&[])
}

/// With some settings (`table.member`) set to a text.
pub fn template_with(set: &[(&str, &str)]) -> String {
    let mut text = String::from("# latchgate: every setting with its default. Uncomment to change.\n");
    for table in TABLES {
        text.push_str(&format!("\n[{}]\n", table.name));
        for row in ROWS.iter().filter(|row| row.table == table.name) {
            let setting = match set.iter().find(|(name, _)| *name == row.name()) {
                Some((_, value)) => format!("{} = {}", row.member, Value::from(*value)),
                None => format!("# {} = {}", row.member, written(row)),
            };
            text.push_str(&format!("{setting:<MEANING_COLUMN$}  # {}\n", meaning(row)));
        }
    }
    let head = format!("# [[{}]]", LIST.name);
    text.push_str(&format!("\n{head:<MEANING_COLUMN$}  # {}\n", LIST.about.trim().trim_end_matches('.')));
    for (member, value) in [("name", "team"), ("kind", "slack"), ("url_secret", "slack-approvals")] {
        text.push_str(&format!("# {member} = {}\n", Value::from(value)));
    }
    text
}

/// The default, or an example where there is none. JSON's strings, numbers and booleans are TOML's.
fn written(row: &Row) -> Value {
    match (row.shown)(&Config::default()) {
        Value::Null => (row.example)().unwrap_or_default(),
        value => value,
    }
}

fn meaning(row: &Row) -> String {
    let meaning = row.meaning.trim().trim_end_matches('.');
    match (row.absent)() {
        Some(absent) => format!("{meaning}; default: {absent}"),
        None => format!("{meaning}; {}", row.expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Environment, Origin, Resolved};
    use super::*;

    #[test]
    fn the_template_is_all_defaults_and_names_every_setting() {
        let of = |text: &str| Resolved::of("t", text, &Environment::default(), &[]).unwrap();
        assert_eq!(of(&template()).config, Config::default());
        let (first, rest) = template().split_once('\n').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let all = of(&format!("{first}\n{}", rest.replace("\n# ", "\n")));
        let of_receiver = format!("{}.team.", LIST.name);
        let (receiver, rest): (Vec<_>, Vec<_>) =
            all.settings().into_iter().partition(|setting| setting.name.starts_with(&of_receiver));
        for setting in rest {
            assert_eq!(setting.origin, Origin::File, "{}", setting.name);
        }
        // A receiver is an example: what it must have is there.
        assert!(receiver.iter().any(|setting| setting.origin == Origin::File));
        assert_eq!(all.config.notify.len(), 1);
    }

    #[test]
    fn what_is_set_is_set_whatever_its_letters() {
        let text = template_with(&[("fs.root", "/a \"b\" # c"), ("socket.group", "agents")]);
        let config = Resolved::of("t", &text, &Environment::default(), &[]).unwrap().config;
        assert_eq!(config.fs.root.as_deref(), Some(std::path::Path::new("/a \"b\" # c")));
        assert_eq!(config.socket.group.as_deref(), Some("agents"));
    }
}
