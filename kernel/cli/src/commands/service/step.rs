//! One thing that an installation does to a machine: shown, and then done or left.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use latchgate_daemon::doctor::word;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// What is done, as it is shown.
#[derive(Debug, Serialize)]
pub struct Step {
    /// A command to type, which does the same.
    pub command: String,
    /// Why nothing needs to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    #[serde(skip)]
    action: Action,
}

#[derive(Debug)]
enum Action {
    Run(Command),
    File { path: PathBuf, text: String },
    Remove(PathBuf),
}

impl Step {
    /// A program of the system.
    pub fn run(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        Self::command(
            command,
            args.iter().fold(program.to_owned(), |line, arg| format!("{line} {}", word(Path::new(arg)))),
        )
    }

    /// A program that is made ready already.
    pub fn command(command: Command, shown: String) -> Self {
        Self { command: shown, skip: None, action: Action::Run(command) }
    }

    /// A file that everybody may read.
    pub fn file(path: PathBuf, text: String) -> Self {
        let is_there = fs::read_to_string(&path).is_ok_and(|found| found == text);
        Self {
            command: format!("install -m 0644 UNIT {}", word(&path)),
            skip: is_there.then(|| "it is there already".to_owned()),
            action: Action::File { path, text },
        }
    }

    pub fn remove(path: PathBuf) -> Self {
        let is_gone = path.symlink_metadata().is_err();
        Self {
            command: format!("rm {}", word(&path)),
            skip: is_gone.then(|| "it is not there".to_owned()),
            action: Action::Remove(path),
        }
    }

    #[must_use]
    pub fn unless(self, skip: Option<impl Into<String>>) -> Self {
        Self { skip: skip.map(Into::into), ..self }
    }

    pub fn show(&self) -> String {
        match &self.skip {
            Some(why) => format!("{}  ({why}: nothing to do)", self.command),
            None => self.command.clone(),
        }
    }

    /// # Errors
    /// With the command that failed.
    pub fn carry_out(&mut self) -> Result<(), Failure> {
        if self.skip.is_some() {
            return Ok(());
        }
        let done = match &mut self.action {
            Action::Run(command) => match command.status() {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("it ended with {status}")),
                Err(error) => Err(error.to_string()),
            },
            Action::File { path, text } => put(path, text).map_err(|error| error.to_string()),
            Action::Remove(path) => fs::remove_file(path).map_err(|error| error.to_string()),
        };
        done.map_err(|why| {
            Failure::new(Exit::Failed, format!("`{}` failed: {why}", self.command))
                .remedy("mend that and do the same again: what is done already is skipped")
        })
    }
}

/// Aside and renamed, so that nobody reads half of it.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)?;
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    file.sync_all()?;
    fs::rename(&aside, path)
}
