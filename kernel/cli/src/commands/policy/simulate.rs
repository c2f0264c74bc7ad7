//! `policy simulate`: what was recorded, judged by a changed set before it is loaded.

use clap::Args;
use latchgate_daemon::policy::replayed::{Change, Replay, replay};
use latchgate_daemon::policy::sets::SetName;
use latchgate_wire::time::Timestamp;

use super::{failure, toned};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::table::{Rows, Tone};
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate policy simulate --since 7d
  latchgate policy simulate --since 24h --policy preset:lockdown
  latchgate policy simulate --since 2026-11-01T00:00:00Z --policy ./next --json

Every call is judged with the arguments that were recorded, at its own time. The
default set is the home's files as they are, before `latchgate reload`. What was
denied left no arguments and is counted by its rule; forgotten payloads are
counted, too. Nothing is executed, written or put in force.";

/// Judge the calls of the past by a changed set, and print what differs
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
    /// From when on: a time, or an age such as 90m or 7d
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "7d")]
    since: Timestamp,
    /// The changed set: a directory or file, preset:NAME, or home
    #[arg(long, value_name = "SET", default_value = "home")]
    policy: SetName,
}

fn since(text: &str) -> Result<Timestamp, String> {
    when::parse_point(text, when::now())
}

impl Simulate {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let replay =
            replay(&connect::places()?, &self.policy, self.since).map_err(|error| failure(&error))?;
        if console.is_json() {
            console.json(&replay)?;
            return Ok(Exit::Done);
        }
        if !replay.changes.is_empty() {
            console.result(&table(&replay.changes, console.width()))?;
        }
        console.result(&sheet(&replay))?;
        Ok(Exit::Done)
    }
}

fn table(changes: &[Change], width: Option<usize>) -> String {
    let mut rows = Rows::new(&["CALLS", "ACTION", "WAS", "BY", "WOULD BE", "BY", "FOR EXAMPLE"], width);
    for change in changes {
        let calls = change.calls.to_string();
        let example = change.examples.first().map(|example| {
            format!("entry {} by {}: {}", example.log_index, example.principal, example.target)
        });
        rows.add([
            (calls.as_str(), Tone::Plain),
            (&change.action, Tone::Plain),
            toned(change.from),
            (&change.from_rule, Tone::Quiet),
            toned(change.to),
            (&change.to_rule, Tone::Plain),
            (example.as_deref().unwrap_or_default(), Tone::Quiet),
        ]);
    }
    rows.render()
}

fn sheet(replay: &Replay) -> String {
    let mut facts = Facts::default();
    let changed = replay.replayed - replay.same;
    facts.add("replayed", format!("{} calls, {changed} would be answered otherwise", replay.replayed));
    let left = &replay.not_replayed;
    for (count, why) in [
        (left.forgotten, "whose arguments were forgotten"),
        (left.action_gone, "whose action is no longer there"),
        (left.unrepresentable, "whose arguments policy cannot represent"),
    ] {
        if count > 0 {
            facts.add("left out", format!("{count} {why}"));
        }
    }
    if !left.denied.is_empty() {
        let by: Vec<String> =
            left.denied.iter().map(|(rule, n)| format!("{n} by {}", styled(rule))).collect();
        facts.add("left out", format!("denied calls, whose arguments are not kept: {}", by.join(", ")));
    }
    if !left.denying_rules_gone.is_empty() {
        let rules: Vec<String> = left.denying_rules_gone.iter().map(|rule| styled(rule)).collect();
        facts.add("note", format!("rules that denied, and are not in this set: {}", rules.join(", ")));
    }
    facts.add("rate", format!("{} calls/s, {} ms", replay.calls_per_s, replay.took_ms));
    if changed > 0 {
        facts
            .add("next", "latchgate policy explain ENTRY; `latchgate reload` puts the home's files in force");
    }
    facts.render()
}
