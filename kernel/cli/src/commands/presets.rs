//! `presets`: the policies that ship, to begin with.

use clap::{Args, Subcommand};
use latchgate_daemon::Preset;
use latchgate_wire::receipt::Verdict;
use serde::Serialize;

use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::{Rows, Tone};

const EXAMPLES: &str = "\
Examples:
  latchgate presets
  latchgate presets show coding";

/// List the policies to begin with, or print one
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Presets {
    #[command(subcommand)]
    command: Option<PresetsCommand>,
}

#[derive(Debug, Subcommand)]
enum PresetsCommand {
    /// Print one preset's Cedar
    #[command(after_help = "Example:\n  latchgate presets show coding")]
    Show {
        /// The preset's name
        #[arg(value_parser = parse)]
        name: Preset,
    },
}

/// A preset in the list: what it is for, and how many of its rules answer what.
#[derive(Debug, Serialize)]
struct Listed {
    name: &'static str,
    purpose: &'static str,
    allow: usize,
    ask: usize,
    deny: usize,
}

/// The preset of that name.
///
/// # Errors
/// The names there are.
pub fn parse(name: &str) -> Result<Preset, String> {
    Preset::named(name).ok_or_else(|| {
        let names: Vec<_> = latchgate_daemon::PRESETS.iter().map(|preset| preset.name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

impl Presets {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        match self.command {
            None => list(console)?,
            Some(PresetsCommand::Show { name }) if console.is_json() => {
                let document = serde_json::json!({
                    "name": name.name, "purpose": name.purpose(), "cedar": name.text,
                });
                console.json(&document)?;
            }
            Some(PresetsCommand::Show { name }) => console.result(name.text)?,
        }
        Ok(Exit::Done)
    }
}

fn list(console: &Console) -> Result<(), Failure> {
    let presets = latchgate_daemon::PRESETS.iter().map(Listed::of).collect::<Result<Vec<_>, _>>()?;
    if console.is_json() {
        return console.json(&serde_json::json!({ "presets": presets }));
    }
    console.result(&table(&presets, console.width()))?;
    console.note("next: latchgate presets show NAME; a new home takes one with `latchgate up --preset NAME`");
    Ok(())
}

impl Listed {
    fn of(preset: &Preset) -> Result<Self, Failure> {
        let rules = preset.rules().map_err(|problems| Failure::new(Exit::Failed, problems.join("\n")))?;
        let count = |verdict| rules.iter().filter(|rule| rule.effect == verdict).count();
        Ok(Self {
            name: preset.name,
            purpose: preset.purpose(),
            allow: count(Verdict::Allow),
            ask: count(Verdict::Ask),
            deny: count(Verdict::Deny),
        })
    }
}

fn table(presets: &[Listed], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["PRESET", "ALLOW", "ASK", "DENY", "WHAT IT IS FOR"], width);
    for preset in presets {
        let count = |n: usize| n.to_string();
        let (allow, ask, deny) = (count(preset.allow), count(preset.ask), count(preset.deny));
        rows.add([
            (preset.name, Tone::Plain),
            (&allow, Tone::Good),
            (&ask, Tone::Warn),
            (&deny, Tone::Bad),
            (preset.purpose, Tone::Plain),
        ]);
    }
    rows.render()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn the_rules_of_a_preset_are_counted_by_what_they_answer() {
        let lockdown = Listed::of(&parse("lockdown").unwrap()).unwrap();
        assert_eq!(lockdown.allow, 0, "lockdown lets nothing happen unasked");
        assert!(lockdown.ask > 0);
        let listed = Listed { name: "n", purpose: "an agent.", allow: 1, ask: 2, deny: 30 };
        let expected = "PRESET  ALLOW  ASK  DENY  WHAT IT IS FOR\nn       1      2    30    an agent.";
        assert_eq!(stripped(&table(&[listed], None)), expected);
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_there_are() {
        assert_eq!(
            parse("none").unwrap_err(),
            "expected one of standard, read-only, coding, team, ops, lockdown, observe"
        );
    }
}
