//! `notify`: who is told of what happens, what did not arrive, and whether anything arrives at all.

use std::time::Duration;

use clap::{Args, Subcommand};
use latchgate_client::OperatorClient;
use latchgate_wire::notify::{Ask, Receiver};
use owo_colors::OwoColorize as _;

use super::{AsOperator, Global};
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

const EXAMPLES: &str = "\
Examples:
  latchgate notify list
  latchgate notify test team
  latchgate notify retry team

Receivers stand in latchgate.toml as [[notify]]; docs/notifications.md begins with one.";

/// Show receivers of notifications and what did not reach them, test one, send dead letters again
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Notify {
    #[command(subcommand)]
    command: NotifyCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum NotifyCommand {
    /// List the receivers: how far each was told, what it refuses, its dead letters
    #[command(after_help = "Example:\n  latchgate notify list --json")]
    List,
    /// Send a receiver a message that says that messages arrive
    #[command(
        after_help = "Example:\n  latchgate notify test team\n\nThe message waits behind what is before it."
    )]
    Test {
        /// As `latchgate notify list` shows it
        name: String,
        /// How long to wait for the receiver to take it, in seconds
        #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(0..=600))]
        wait: u64,
    },
    /// Send a receiver its dead letters once more, the oldest first
    #[command(after_help = "Example:\n  latchgate notify retry team")]
    Retry {
        /// As `latchgate notify list` shows it
        name: String,
    },
}

impl Notify {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let operator = connect::operator(global.socket(), &self.operator.name)?;
        match self.command {
            NotifyCommand::List => list(&operator, console).await,
            NotifyCommand::Test { name, wait } => {
                test(&operator, &name, Duration::from_secs(wait), console).await
            }
            NotifyCommand::Retry { name } => retry(&operator, &name, console).await,
        }
    }
}

async fn list(operator: &OperatorClient, console: &Console) -> Result<Exit, Failure> {
    let list = operator.receivers().await?;
    if console.is_json() {
        console.json(&list)?;
    } else if list.receivers.is_empty() {
        console.note("nobody is told of anything: [[notify]] in latchgate.toml names who is");
    } else {
        let sheets: Vec<_> = list.receivers.iter().map(sheet).collect();
        console.result(&sheets.join("\n\n"))?;
        if let Some(receiver) = list.receivers.iter().find(|receiver| !receiver.dead_letters.is_empty()) {
            console.note(&format!("next: latchgate notify retry {}", styled(&receiver.name)));
        }
    }
    Ok(Exit::Done)
}

fn sheet(receiver: &Receiver) -> String {
    let events: Vec<_> = receiver.events.iter().map(|event| event.as_str()).collect();
    let mut facts = Facts::default();
    facts.add("receiver", format!("{} ({})", styled(&receiver.name), styled(&receiver.kind)));
    facts.add("events", events.join(", "));
    facts.add("told", format!("up to entry {}, {} behind", receiver.next, receiver.behind));
    if receiver.dangerous_private {
        facts.add("danger", "it may lie in a private network".yellow().to_string());
    }
    if let Some(failing) = &receiver.failing {
        let next = when::short(failing.next_attempt_at);
        let what = format!("entry {}, {} tries, the next {next}: ", failing.first, failing.attempts);
        facts.add("failing", format!("{what}{}", styled(&failing.reason)).yellow().to_string());
    }
    let dead: Vec<String> = receiver
        .dead_letters
        .iter()
        .map(|dead| {
            let entries = if dead.first == dead.last {
                dead.first.to_string()
            } else {
                format!("{} to {}", dead.first, dead.last)
            };
            let what = format!("entry {entries}, {} tries, {}: ", dead.attempts, when::short(dead.at));
            format!("{what}{}", styled(&dead.reason)).red().to_string()
        })
        .collect();
    facts.add_lines("dead", &dead);
    if receiver.dead_letters_beyond > 0 {
        let beyond = receiver.dead_letters_beyond;
        facts.add(
            "",
            format!("{beyond} older ones are in the ledger alone: latchgate audit --kind notify.failed"),
        );
    }
    facts.render()
}

/// Between two looks at how far the receiver was told.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

async fn test(
    operator: &OperatorClient,
    name: &str,
    wait: Duration,
    console: &Console,
) -> Result<Exit, Failure> {
    let asked = operator.ask_of_receiver(name, Ask::Test).await?;
    let found = tokio::time::timeout(wait, arrival(operator, name, asked.log_index)).await;
    let (exit, word, why) = match found {
        Ok(Ok(None)) => (Exit::Done, "arrived", None),
        Ok(Ok(Some(reason))) => (Exit::Failed, "dead letter", Some(reason)),
        Ok(Err(failure)) => return Err(failure),
        Err(_) => {
            let receiver = named(operator, name).await?;
            (
                Exit::Failed,
                "waiting",
                receiver.and_then(|receiver| receiver.failing).map(|failing| failing.reason),
            )
        }
    };
    if console.is_json() {
        console.json(&serde_json::json!({ "asked": asked, "test": word, "reason": why }))?;
    } else {
        let why = why.map(|why| format!(": {}", styled(&why))).unwrap_or_default();
        console.result(&format!("{}: {word}{why}", styled(name)))?;
        if exit != Exit::Done {
            console.note("next: latchgate notify list");
        }
    }
    Ok(exit)
}

/// Waits until the test's entry was dealt with; why it was given up, if it was.
async fn arrival(operator: &OperatorClient, name: &str, seq: u64) -> Result<Option<String>, Failure> {
    loop {
        if let Some(receiver) = named(operator, name).await?
            && receiver.next > seq
        {
            let dead = receiver.dead_letters.into_iter().find(|dead| dead.first == seq);
            return Ok(dead.map(|dead| dead.reason));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

async fn named(operator: &OperatorClient, name: &str) -> Result<Option<Receiver>, Failure> {
    Ok(operator.receivers().await?.receivers.into_iter().find(|receiver| receiver.name == name))
}

async fn retry(operator: &OperatorClient, name: &str, console: &Console) -> Result<Exit, Failure> {
    let asked = operator.ask_of_receiver(name, Ask::Retry).await?;
    if console.is_json() {
        console.json(&asked)?;
    } else if asked.dead_letters == 0 {
        console.note("there is no dead letter");
    } else {
        console.result(&format!("{}: {} dead letters are sent again", styled(name), asked.dead_letters))?;
        console.note("next: latchgate notify list");
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    #[test]
    fn a_receiver_that_refuses_shows_why_and_when_it_is_tried_again() {
        let receiver: Receiver = serde_json::from_value(serde_json::json!({
            "name": "team", "kind": "slack", "events": ["held", "denied"], "next": 7, "behind": 3,
            "failing": {"first": 7, "attempts": 2, "reason": "answered 500", "next_attempt_at": "2026-11-20T09:30:00.000Z"},
            "dead_letters": [{"first": 4, "last": 6, "attempts": 10, "reason": "a\u{1B}[2J", "at": "2026-11-20T09:00:00.000Z"}],
        }))
        .unwrap();
        let expected = "\
receiver  team (slack)
events    held, denied
told      up to entry 7, 3 behind
failing   entry 7, 2 tries, the next 2026-11-20 09:30:00: answered 500
dead      entry 4 to 6, 10 tries, 2026-11-20 09:00:00: a\\u{1B}[2J";
        assert_eq!(stripped(&sheet(&receiver)), expected);
    }
}
