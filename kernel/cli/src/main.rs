//! The binary `latchgate`: reads the command line, runs one command, ends with its exit code.
//!
//! Read in this order: what can be typed (`commands`, one file each), how it ends (`exit`), whom it talks to
//! (`connect`, with whose `keys`), and how it is shown (`console`, `terminal`, `table`, `render`, `visible`, `when`,
//! `wait`).
#![forbid(unsafe_code)]

mod commands;

mod connect;
mod exit;
mod keys;

mod console;
mod render;
mod table;
mod terminal;
mod visible;
mod wait;
mod when;

use std::process::ExitCode;

use clap::Parser as _;

use commands::Cli;
use console::{Console, Format};
use exit::Exit;

/// Measured against the system's with `cargo xtask bench`: fewer CPU per call, and memory that is given back.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // The stages of a jail are started as this program too, before there is a second thread.
    #[cfg(target_os = "linux")]
    if let Some(status) = latchgate_jail::staged() {
        return ExitCode::from(status);
    }
    // Ends the process itself for --help, --version (0) and wrong usage (2).
    let cli = Cli::parse();
    let console = Console::new(if cli.global.json { Format::Json } else { Format::Text });
    let exit = commands::run(cli, &console).unwrap_or_else(|failure| {
        if failure.is_closed_output() {
            return Exit::Done;
        }
        console.failure(&failure);
        failure.exit
    });
    ExitCode::from(exit as u8)
}
