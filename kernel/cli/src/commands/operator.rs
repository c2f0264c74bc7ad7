//! `operator`: who may look, decide and rule, and the keys that they do it with.

mod add;
mod list;
mod protect;
mod remove;
mod rotate;
mod token;

use clap::{Args, Subcommand};

use super::{AsOperator, Global};
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate operator list
  latchgate operator add ana --role approver
  latchgate operator protect
  latchgate operator rotate

Roles: a viewer sees everything, an approver decides what is held, an admin does
all of it and changes who the operators and agents are.";

/// Add, list, remove and re-key the people who decide
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Operator {
    #[command(subcommand)]
    command: OperatorCommand,
    #[command(flatten)]
    operator: AsOperator,
}

#[derive(Debug, Subcommand)]
enum OperatorCommand {
    Add(add::Add),
    List(list::List),
    Remove(remove::Remove),
    Rotate(rotate::Rotate),
    Protect(protect::Protect),
    Token(token::Token),
}

impl Operator {
    pub async fn run(self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let by = self.operator.name;
        match self.command {
            OperatorCommand::Add(add) => add.run(global, &by, console).await,
            OperatorCommand::List(list) => list.run(global, &by, console).await,
            OperatorCommand::Remove(remove) => remove.run(global, &by, console).await,
            OperatorCommand::Rotate(rotate) => rotate.run(global, &by, console).await,
            OperatorCommand::Protect(protect) => protect.run(&by, console),
            OperatorCommand::Token(token) => token.run(global, &by, console).await,
        }
    }
}
