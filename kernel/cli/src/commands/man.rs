//! `man`: the manual, one page a command, as `man` reads it.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _};

use super::Cli;
use crate::console::Console;
use crate::exit::{Exit, Failure};

const EXAMPLES: &str = "\
Examples:
  latchgate man ~/.local/share/man/man1 && man latchgate-audit
  sudo latchgate man /usr/local/share/man/man1";

/// Write the manual's pages into a directory
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Man {
    /// The directory, made if it is not there
    dir: PathBuf,
}

impl Man {
    pub fn run(self, console: &Console) -> Result<Exit, Failure> {
        let failed = |path: &Path, error: std::io::Error| {
            Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
        };
        fs::create_dir_all(&self.dir).map_err(|error| failed(&self.dir, error))?;
        let pages = pages()?;
        let mut written = Vec::new();
        for (name, page) in pages {
            let path = self.dir.join(format!("{name}.1"));
            fs::write(&path, page).map_err(|error| failed(&path, error))?;
            written.push(path);
        }
        if console.is_json() {
            console.json(&serde_json::json!({ "pages": written }))?;
        } else {
            console.result(&format!("{} pages in {}", written.len(), self.dir.display()))?;
        }
        Ok(Exit::Done)
    }
}

/// Name and text of each page. Hidden commands have none.
fn pages() -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut command = Cli::command();
    // Gives each command below its whole name, and the flags that all of them take.
    command.build();
    let mut pages = Vec::new();
    add(&command, "latchgate", &mut pages)?;
    Ok(pages)
}

fn add(command: &clap::Command, name: &str, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(name.to_owned()).render(&mut page)?;
    pages.push((name.to_owned(), page));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add(sub, &format!("{name}-{}", sub.get_name()), pages)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples_and_nothing_hidden() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["latchgate", "latchgate-audit-stats", "latchgate-service-install", "latchgate-man"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(!names.contains(&"latchgate-service-prepare"));
        for (name, page) in &pages {
            let text = String::from_utf8_lossy(page);
            assert!(text.contains(".SH NAME") && text.contains("latchgate "), "{name}: {text}");
            assert!(!text.contains("announce"), "{name}");
        }
    }
}
