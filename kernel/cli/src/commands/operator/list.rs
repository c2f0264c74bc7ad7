//! `operator list`: who the operators are.

use clap::Args;

use super::Global;
use crate::connect;
use crate::console::Console;
use crate::exit::{Exit, Failure};
use crate::table::{Rows, Tone};

/// List the operators, their roles and the thumbprints of their keys
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  latchgate operator list --json")]
pub struct List {}

impl List {
    pub async fn run(self, global: &Global, by: &str, console: &Console) -> Result<Exit, Failure> {
        let list = connect::operator(global.socket(), by)?.operators().await?;
        if console.is_json() {
            console.json(&list)?;
            return Ok(Exit::Done);
        }
        let mut rows = Rows::new(&["NAME", "ROLE", "TOKEN", "KEY"], console.width());
        for operator in &list.operators {
            let name = if operator.name == by { Tone::Good } else { Tone::Plain };
            rows.add([
                (operator.name.as_str(), name),
                (operator.role.as_str(), Tone::Plain),
                (if operator.has_token { "yes" } else { "-" }, Tone::Plain),
                (operator.jkt.as_str(), Tone::Quiet),
            ]);
        }
        console.result(&rows.render())?;
        Ok(Exit::Done)
    }
}
