//! Passphrases: asked for on a terminal without showing them, or read from a private file; never from the command line.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::file::{Unread, read};
use crate::exit::{Exit, Failure};

/// Names the file that holds the passphrase of the operator's key.
const FILE: &str = "LATCHGATE_OPERATOR_PASSPHRASE_FILE";

/// Characters; whoever has the file may try as long as they like.
const CHARS_MIN: usize = 12;

type Secret = Zeroizing<String>;

/// The passphrase that opens this key.
pub fn of(key: &Path) -> Result<Secret, Failure> {
    if let Some(file) = std::env::var_os(FILE).filter(|file| !file.is_empty()) {
        return from_file(&PathBuf::from(file));
    }
    if !is_interactive() {
        let what =
            format!("operator key {} takes a passphrase, and there is no terminal to ask on", key.display());
        return Err(Failure::usage(what)
            .remedy(format!("set {FILE} to a file of mode 0600 that holds the passphrase")));
    }
    ask(&format!("passphrase for {}: ", key.display()))
}

/// The passphrase that opens the identity of the secrets' store: `file` is what the configuration names.
pub fn of_secrets(identity: &Path, file: Option<&Path>) -> Result<Secret, Failure> {
    match file {
        Some(file) => from_file(file),
        None if is_interactive() => ask(&format!("passphrase for {}: ", identity.display())),
        None => {
            let what =
                format!("{} takes a passphrase, and there is no terminal to ask on", identity.display());
            Err(Failure::usage(what).remedy(
                "name a file of mode 0600 that holds it as secrets.passphrase_file in latchgate.toml",
            ))
        }
    }
}

/// A new passphrase: from this file, else typed twice.
pub fn chosen(file: Option<&Path>) -> Result<Secret, Failure> {
    let passphrase = match file {
        Some(file) => from_file(file)?,
        None if !is_interactive() => {
            return Err(Failure::usage("there is no terminal to ask for a passphrase on")
                .remedy("name a file of mode 0600 that holds it: --passphrase-file FILE"));
        }
        None => typed_twice()?,
    };
    if passphrase.chars().count() < CHARS_MIN {
        return Err(Failure::usage(format!(
            "the passphrase is too short: expected {CHARS_MIN} characters or more"
        ))
        .remedy("a few unrelated words are easy to keep"));
    }
    Ok(passphrase)
}

fn typed_twice() -> Result<Secret, Failure> {
    let once = ask("new passphrase: ")?;
    if once == ask("the same again: ")? {
        return Ok(once);
    }
    Err(Failure::usage("the two are not the same; nothing was changed"))
}

/// The first line of a private file.
fn from_file(path: &Path) -> Result<Secret, Failure> {
    let text = read(path, "passphrase file").map_err(|unread| match unread {
        Unread::Io(error) => {
            Failure::new(Exit::Failed, format!("passphrase file {}: {error}", path.display()))
        }
        Unread::Refused(failure) => failure,
    })?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A line that is not shown while it is typed, without its line break.
pub fn ask(prompt: &str) -> Result<Secret, Failure> {
    // First: what is typed after the prompt is neither shown nor thrown away.
    let _silent = Silence::begin()?;
    write!(io::stderr(), "{prompt}")?;
    io::stderr().flush()?;
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line)?;
    Ok(Zeroizing::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// The terminal shows nothing but the line break, until this is dropped.
struct Silence(Termios);

impl Silence {
    fn begin() -> Result<Self, Failure> {
        let before = tcgetattr(io::stdin()).map_err(io::Error::from)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent).map_err(io::Error::from)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing left to show.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(text: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("passphrase");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn a_file_gives_its_first_line() {
        let (_dir, path) = file("twelve chars\nmore\n", 0o600);
        assert_eq!(*chosen(Some(&path)).unwrap(), "twelve chars");
    }

    #[test]
    fn a_short_passphrase_and_a_file_that_others_can_read_are_refused() {
        let (_dir, path) = file("eleven char\n", 0o600);
        assert!(chosen(Some(&path)).unwrap_err().what.contains("too short"));
        let (_dir, path) = file("twelve chars\n", 0o644);
        assert!(chosen(Some(&path)).unwrap_err().what.contains("0644"));
    }
}
