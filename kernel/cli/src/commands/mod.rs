//! What can be typed: one file per command.

mod actions;
mod agents;
mod approvals;
mod audit;
mod backup;
mod call;
mod clock;
mod completions;
mod config;
mod demo;
mod doctor;
mod down;
mod drain;
mod init;
mod ledger;
mod logs;
mod man;
mod metrics;
mod notify;
mod operator;
mod policy;
mod presets;
mod reload;
mod revoke;
mod sandbox;
mod secrets;
mod serve;
mod service;
mod status;
mod uninstall;
mod up;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};

use crate::console::Console;
use crate::exit::{Exit, Failure};

/// The version, the commit it was built from, and the format of the ledgers it writes.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (commit ", env!("LATCHGATE_COMMIT"), ", ledger format 1)");

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage or invalid input   3 denied   4 approval pending
  5 gate unreachable   6 verification failed   7 effect unknown: do not retry

Begin with:
  latchgate demo
  latchgate up";

/// A gate between AI agents and the world: policy, approvals, sandbox, and a ledger that anyone can verify.
#[derive(Debug, Parser)]
#[command(name = "latchgate", version = VERSION, after_help = EXIT_CODES, max_term_width = 110)]
#[command(disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// The gate's socket, or the directory that holds it [env: LATCHGATE_SOCKET]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Print JSON for machines, and nothing else, on stdout
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }
}

/// Who decides and looks: an operator's key lies in the gate's home.
#[derive(Clone, Debug, Args)]
pub struct AsOperator {
    /// The operator to act as; a passphrase is asked for, or read from LATCHGATE_OPERATOR_PASSPHRASE_FILE
    #[arg(id = "as_operator", long = "operator", global = true, value_name = "NAME", env = "LATCHGATE_OPERATOR", default_value = crate::connect::LOCAL_OPERATOR)]
    name: String,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(up::Up),
    Serve(serve::Serve),
    Init(init::Init),
    Down(down::Down),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Sandbox(sandbox::Sandbox),
    Call(call::Call),
    Actions(actions::Actions),
    Approvals(approvals::Approvals),
    Audit(audit::Audit),
    Verify(verify::Verify),
    Ledger(ledger::Ledger),
    Presets(presets::Presets),
    Policy(policy::Policy),
    Secrets(secrets::SecretsCommand),
    Operator(operator::Operator),
    Agents(agents::Agents),
    Reload(reload::Reload),
    Drain(drain::Drain),
    Revoke(revoke::Revoke),
    Clock(clock::Clock),
    Notify(notify::Notify),
    Config(config::Config),
    Logs(logs::Logs),
    Metrics(metrics::Metrics),
    Service(service::Service),
    Backup(backup::BackupCommand),
    Uninstall(uninstall::Uninstall),
    Completions(completions::Completions),
    Man(man::Man),
    Demo(demo::Demo),
}

/// Runs the command that was typed.
pub fn run(cli: Cli, console: &Console) -> Result<Exit, Failure> {
    let Cli { global, command } = cli;
    match command {
        Command::Up(up) => up.run(console),
        Command::Serve(serve) => serve.run(),
        Command::Init(init) => init.run(console),
        Command::Demo(demo) => demo.run(console),
        Command::Down(down) => alone(down.run(&global, console)),
        Command::Status(status) => alone(status.run(&global, console)),
        Command::Doctor(doctor) => alone(doctor.run(&global, console)),
        Command::Sandbox(sandbox) => sandbox.run(&global, console),
        Command::Call(call) => alone(call.run(&global, console)),
        Command::Actions(actions) => alone(actions.run(&global, console)),
        Command::Approvals(approvals) => alone(approvals.run(&global, console)),
        Command::Audit(audit) => alone(audit.run(&global, console)),
        Command::Verify(verify) => alone(verify.run(console)),
        Command::Ledger(ledger) => alone(ledger.run(&global, console)),
        Command::Presets(presets) => presets.run(console),
        Command::Policy(policy) => alone(policy.run(&global, console)),
        Command::Secrets(secrets) => alone(secrets.run(&global, console)),
        Command::Operator(operator) => alone(operator.run(&global, console)),
        Command::Agents(agents) => alone(agents.run(&global, console)),
        Command::Reload(reload) => alone(reload.run(&global, console)),
        Command::Drain(drain) => alone(drain.run(&global, console)),
        Command::Revoke(revoke) => alone(revoke.run(&global, console)),
        Command::Clock(clock) => alone(clock.run(&global, console)),
        Command::Notify(notify) => alone(notify.run(&global, console)),
        Command::Config(config) => config.run(console),
        Command::Logs(logs) => alone(logs.run(console)),
        Command::Metrics(metrics) => alone(metrics.run(&global, console)),
        Command::Service(service) => service.run(console),
        Command::Backup(backup) => alone(backup.run(&global, console)),
        Command::Uninstall(uninstall) => alone(uninstall.run(console)),
        Command::Completions(completions) => completions.run(console),
        Command::Man(man) => man.run(console),
    }
}

/// A client needs one thread.
fn alone(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// A gate needs all of them.
fn together(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_version_names_the_ledger_format_that_is_written() {
        assert!(VERSION.ends_with(&format!("ledger format {})", latchgate_wire::entry::FORMAT)), "{VERSION}");
    }

    #[test]
    fn help_lists_the_commands_that_work_and_no_other() {
        let names: Vec<_> = Cli::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
        let expected = "up serve init down status doctor sandbox call actions approvals audit verify ledger presets policy secrets operator agents reload drain revoke clock notify config logs metrics service backup uninstall completions man demo";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let help = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("latchgate "), "{} has no example", sub.get_name());
                check(sub);
            }
        }
        check(&Cli::command());
    }

    #[test]
    fn wrong_usage_ends_with_exit_code_2() {
        for line in
            ["latchgate", "latchgate none", "latchgate call", "latchgate audit --limit 0", "latchgate up --x"]
        {
            let error = Cli::try_parse_from(line.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn global_flags_stand_before_or_behind_the_command() {
        for line in ["latchgate --json status", "latchgate status --json", "latchgate approvals list --json"]
        {
            assert!(Cli::try_parse_from(line.split(' ')).unwrap().global.json, "{line}");
        }
    }
}
