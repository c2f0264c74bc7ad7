//! `config`: where the settings lie, what they come to, and whether they would be taken.

use clap::{Args, Subcommand};
use latchgate_daemon::{Environment, Origin, Places, Resolved, Setting};
use serde_json::Value;

use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::{Rows, Tone};

const EXAMPLES: &str = "\
Examples:
  latchgate config show
  latchgate config check
  latchgate config reference
  ${EDITOR:-vi} \"$(latchgate config path)\"";

const CHECK_EXAMPLES: &str = "\
Example:
  latchgate config check && latchgate reload

Looks at latchgate.toml, manifests/ and policies/, and at the modules that
manifests pin. With a problem in any of them the exit code is 2.";

/// Look at the local home's settings
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Config {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print where the configuration file lies; with --json, every place of the home
    #[command(after_help = "Example:\n  latchgate config path --json")]
    Path,
    /// Show every setting, its value, and where it came from
    #[command(after_help = "Example:\n  latchgate config show")]
    Show,
    /// Check the home's files without starting anything
    #[command(after_help = CHECK_EXAMPLES)]
    Check,
    /// Print every setting there is: meaning, values, default, variable (Markdown)
    #[command(after_help = "Example:\n  latchgate config reference")]
    Reference,
}

impl Config {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        match self.command {
            ConfigCommand::Path => path(&connect::places()?, console),
            ConfigCommand::Show => show(&connect::places()?, console),
            ConfigCommand::Check => check(&connect::places()?, console),
            ConfigCommand::Reference => reference(console),
        }
    }
}

fn path(places: &Places, console: &Console) -> Result<Exit, Failure> {
    if console.is_json() {
        console.json(&serde_json::json!({
            "config_file": places.config_file(),
            "manifests": places.manifests_dir(),
            "policies": places.policies_dir(),
            "ledger": places.ledger_dir(),
            "keys": places.keys_dir(),
            "log": places.log_file(),
            "agent_socket": places.agent_socket(),
            "admin_socket": places.admin_socket(),
        }))?;
    } else {
        console.result(&places.config_file().display().to_string())?;
        if !places.config_file().exists() {
            console.note("there is no such file yet: a first `latchgate up` makes it");
        }
    }
    Ok(Exit::Done)
}

fn show(places: &Places, console: &Console) -> Result<Exit, Failure> {
    let file = places.config_file();
    let resolved = Resolved::load(&file, &Environment::of_process(), &[])
        .map_err(|error| Failure::usage(error.to_string()).remedy("mend it: nothing starts like this"))?;
    let settings = resolved.settings();
    if console.is_json() {
        console.json(&serde_json::json!({ "config_file": file, "settings": settings }))?;
    } else {
        console.result(&table(&settings, console.width()))?;
        console.note(&format!("file: {}; a running gate has read it at its start", file.display()));
    }
    Ok(Exit::Done)
}

fn reference(console: &Console) -> Result<Exit, Failure> {
    let text = latchgate_daemon::reference();
    if console.is_json() {
        console.json(&serde_json::json!({ "markdown": text }))
    } else {
        console.result(&text)
    }?;
    Ok(Exit::Done)
}

fn check(places: &Places, console: &Console) -> Result<Exit, Failure> {
    if !places.policies_dir().is_dir() {
        return Err(Failure::usage(format!("there is no home at {}", places.config_dir.display()))
            .remedy("a first `latchgate up` makes one"));
    }
    let problems = latchgate_daemon::check::problems(places);
    if console.is_json() {
        console.json(&document(&problems))?;
    } else if problems.is_empty() {
        console.result("sound: configuration, manifests, policies and modules")?;
        console.note("next: latchgate reload");
    } else {
        return Err(Failure::usage(problems.join("\n"))
            .remedy("mend the files; what is in force stays in force until a reload or start"));
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Usage })
}

/// As any other failure, and the problems one by one.
fn document(problems: &[String]) -> Value {
    let mut document = serde_json::json!({ "sound": problems.is_empty(), "problems": problems });
    if !problems.is_empty() {
        document["error"] = "usage".into();
    }
    document
}

fn table(settings: &[Setting], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["SETTING", "VALUE", "FROM"], width);
    for setting in settings {
        let value = match &setting.value {
            Value::Null => format!("({})", setting.absent.unwrap_or("none")),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let (origin, tone) = match setting.origin {
            Origin::Flag => ("flag", Tone::Plain),
            Origin::Environment => ("environment", Tone::Plain),
            Origin::File => ("file", Tone::Plain),
            Origin::Default => ("default", Tone::Quiet),
            Origin::Derived => ("http.expose", Tone::Quiet),
        };
        rows.add([(setting.name.as_str(), Tone::Plain), (&value, tone), (origin, Tone::Quiet)]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;
    use serde_json::json;

    #[test]
    fn each_setting_is_shown_with_where_it_came_from() {
        let setting =
            |name: &str, value, origin| Setting { name: name.into(), value, origin, absent: Some("here") };
        let settings = [
            setting("auth.lease_ttl_s", json!(60), Origin::File),
            setting("fs.root", Value::Null, Origin::Default),
            setting("limits.calls_per_s", json!(7), Origin::Environment),
        ];
        let expected = "\
SETTING             VALUE   FROM
auth.lease_ttl_s    60      file
fs.root             (here)  default
limits.calls_per_s  7       environment";
        assert_eq!(stripped(&table(&settings, None)), expected);
    }

    #[test]
    fn a_problem_makes_the_document_an_error() {
        assert_eq!(document(&[]), json!({ "sound": true, "problems": [] }));
        assert_eq!(document(&["x".into()])["error"], "usage");
    }
}
