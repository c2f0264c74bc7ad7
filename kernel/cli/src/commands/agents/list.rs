//! `agents list`: who is enrolled, when they were last seen, what they spent and what is left.

use clap::Args;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::render::budgets;
use crate::table::{Rows, Tone};
use crate::when;

/// List the enrolled agents: last seen, spent, left
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate agents list --json")]
pub struct List {}

impl List {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let list = connect::operator(global.socket(), by)?.agents().await?;
        if console.is_json() {
            console.json(&list)?;
            return Ok(Exit::Done);
        }
        if list.agents.is_empty() {
            console.note("no agent is enrolled\nnext: latchgate agents add NAME --out FILE");
            return Ok(Exit::Done);
        }
        let now = when::now();
        let mut rows = Rows::new(&["NAME", "LAST SEEN", "HOUR", "DAY", "KEY"], console.width());
        for agent in &list.agents {
            let seen = match agent.last_seen {
                Some(at) => format!("{} ago", when::span(now.since(at))),
                None => "never".into(),
            };
            let cell = |window| {
                let line = agent.budgets.iter().find(|line| line.window == window);
                line.map_or_else(|| ("-".into(), Tone::Quiet), budgets::cell)
            };
            let (hour, day) =
                (cell(latchgate_wire::receipt::Window::Hour), cell(latchgate_wire::receipt::Window::Day));
            rows.add([
                (agent.name.as_str(), Tone::Plain),
                (seen.as_str(), Tone::Plain),
                (hour.0.as_str(), hour.1),
                (day.0.as_str(), day.1),
                (agent.jkt.as_str(), Tone::Quiet),
            ]);
        }
        console.result(&rows.render())?;
        Ok(Exit::Done)
    }
}
