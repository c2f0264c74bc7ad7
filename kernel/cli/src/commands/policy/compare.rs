//! `policy compare`: whether a set allows anything that another did not, with a witness.

use clap::Args;
use latchgate_daemon::policy::compared::compared;
use latchgate_daemon::policy::sets::SetName;
use owo_colors::OwoColorize as _;
use serde_json::Value;

use super::failure;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;

const EXAMPLES: &str = "\
Examples:
  latchgate policy compare home ./next
  latchgate policy compare preset:standard preset:coding
  latchgate policy compare old.cedar new.cedar --json

The exit code is 0 when NEW allows nothing that OLD did not, and 1 when it does
or when that could not be excluded. Tried are all actions of the home, a stand-in
for each class, risk and kind of operation, and principals, boundaries, times,
hosts, paths and arguments at each value where a condition of either set changes
its answer. Patterns over free text are tried by what they match, alone and two
at a time: without a witness that is strong evidence, and no proof. `proved`
needs no trial: NEW permits by rules of OLD alone, and keeps all that held back.";

/// Say whether a set allows anything that another did not
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Compare {
    /// The set to begin from: a directory or file, preset:NAME, or home
    old: SetName,
    /// The set that is to take its place
    new: SetName,
}

/// What is shown on a terminal, of what `--json` has whole.
const WITNESSES_SHOWN: usize = 10;

impl Compare {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let places = connect::places()?;
        let found = compared(&places, &self.old, &self.new).map_err(|error| failure(&error))?;
        let document = serde_json::to_value(&found).map_err(std::io::Error::from)?;
        if console.is_json() {
            console.json(&document)?;
        } else {
            console.result(&sheet(&document, &self.old, &self.new))?;
        }
        Ok(if found.wider { Exit::Failed } else { Exit::Done })
    }
}

fn sheet(found: &Value, old: &SetName, new: &SetName) -> String {
    let mut facts = Facts::default();
    facts.add("old", styled(&old.to_string())).add("new", styled(&new.to_string()));
    let text = |value: &Value, name: &str| styled(value[name].as_str().unwrap_or_default());
    let list = |name: &str| found[name].as_array().cloned().unwrap_or_default();
    let witnesses = list("witnesses");
    for witness in witnesses.iter().take(WITNESSES_SHOWN) {
        let call = format!("{}: {}", text(witness, "action").bold(), text(witness, "operation"));
        let agent = witness["agent"].as_str().map(|name| format!(" calling itself {}", styled(name)));
        let who = format!("{}{}", text(witness, "principal"), agent.unwrap_or_default());
        facts.add("wider", call);
        facts.more(format!("as {who}, boundary {}, at {}", text(witness, "boundary"), text(witness, "at")));
        let by = |verdict: &str, rule: &str| format!("{} by {}", text(witness, verdict), text(witness, rule));
        let (was, is) = (by("old", "old_rule"), by("new", "new_rule"));
        facts.more(format!("{was}, now {is}: {}", text(witness, "why")));
    }
    if witnesses.len() > WITNESSES_SHOWN {
        facts.more(format!("and {} more; --json has them all", witnesses.len() - WITNESSES_SHOWN));
    }
    for (label, name) in [("budget", "budgets_dropped"), ("not said", "incomplete")] {
        list(name).iter().filter_map(Value::as_str).for_each(|line| {
            facts.add(label, styled(line));
        });
    }
    let (tried, actions, stricter) = (&found["tried"], &found["actions"], &found["stricter"]);
    facts
        .add("tried", format!("{tried} calls over {actions} actions; {stricter} are answered more strictly"));
    facts.add("result", result(found, &witnesses));
    facts.render()
}

fn result(found: &Value, witnesses: &[Value]) -> String {
    if found["proved"] == true && found["wider"] == false {
        return "not wider, proved: no rule permits more, and none that held back is gone"
            .green()
            .to_string();
    }
    if found["wider"] == false {
        let what = "not wider as far as was tried; no proof over free text that patterns describe";
        return what.green().to_string();
    }
    match witnesses {
        [] if found["incomplete"].as_array().is_some_and(|left| !left.is_empty()) => {
            "undecided: not all of it could be tried".yellow().to_string()
        }
        _ => "WIDER: the new set allows what the old did not".red().bold().to_string(),
    }
}
