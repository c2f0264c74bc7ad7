//! Clients that keep their file themselves: their own command is asked to write it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::Scope;
use super::entry::{Launch, NAME};

/// The program on the PATH. Relative directories in it are passed over: they depend on where one stands.
pub fn on_path(name: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    let directories = std::env::split_paths(path?).filter(|directory| directory.is_absolute());
    directories.map(|directory| directory.join(name)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// The words of `claude mcp add`.
pub fn add(launch: &Launch, scope: Scope) -> Vec<String> {
    let mut words: Vec<String> = ["mcp", "add", NAME, "--scope", scope.name()].map(str::to_owned).to_vec();
    for variable in launch.variables() {
        words.extend(["--env".to_owned(), variable]);
    }
    words.push("--".into());
    words.push(launch.command.clone());
    words.extend(launch.args.iter().cloned());
    words
}

/// The words of `claude mcp remove`.
pub fn remove(scope: Scope) -> Vec<String> {
    ["mcp", "remove", NAME, "--scope", scope.name()].map(str::to_owned).to_vec()
}

/// Runs it without a terminal, so that it asks nothing.
pub fn run(program: &Path, words: &[String]) -> anyhow::Result<()> {
    let shown = shown(program, words);
    let ran = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        bail!("`{shown}` failed ({}): {}", ran.status, said.trim());
    }
    Ok(())
}

/// As one would type it.
pub fn shown(program: &Path, words: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@,+".contains(c);
    let quoted = words.iter().map(|word| match !word.is_empty() && word.chars().all(plain) {
        true => word.clone(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    });
    let name = program.file_name().unwrap_or(program.as_os_str()).display().to_string();
    [name].into_iter().chain(quoted).collect::<Vec<_>>().join(" ")
}
