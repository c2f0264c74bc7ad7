//! `completions`: what a shell needs to complete our command line.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate completions bash > ~/.local/share/bash-completion/completions/latchgate
  latchgate completions zsh > ~/.zfunc/_latchgate
  latchgate completions fish > ~/.config/fish/completions/latchgate.fish";

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell that it is for
    shell: Shell,
}

impl Completions {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let script = script(self.shell);
        if console.is_json() {
            console.json(&serde_json::json!({ "shell": self.shell.to_string(), "script": script }))?;
        } else {
            console.result(&script)?;
        }
        Ok(Exit::Done)
    }
}

/// Made in memory first: a closed pipe is ours to handle.
fn script(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut shown(&Cli::command()), "latchgate", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The command as `--help` shows it: some shells are offered hidden flags and commands as well.
fn shown(command: &clap::Command) -> clap::Command {
    let is_shown =
        |id: &&clap::Id| command.get_arguments().any(|arg| arg.get_id() == *id && !arg.is_hide_set());
    let groups = command.get_groups().map(|group| {
        let members: Vec<clap::Id> = group.get_args().filter(is_shown).cloned().collect();
        clap::ArgGroup::new(group.get_id().clone()).args(members)
    });
    let shown = clap::Command::new(command.get_name().to_owned())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
        .groups(groups)
        .disable_help_subcommand(true)
        .subcommands(command.get_subcommands().filter(|sub| !sub.is_hide_set()).map(self::shown));
    match command.get_about() {
        Some(about) => shown.about(about.clone()),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn what_help_hides_no_shell_is_offered() {
        let command = shown(&Cli::command());
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(!script.contains("announce") && !script.contains("without-operator"), "{shell}");
            assert!(script.contains("detach") && script.contains("dry-run"), "{shell}");
        }
        command.debug_assert();
    }

    #[test]
    fn every_shell_gets_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
