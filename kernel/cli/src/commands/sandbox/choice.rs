//! From what was typed to what is started: profile, program, environment, and what of the machine goes with them.

use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use latchgate_daemon::Places;
use latchgate_jail::exits::Hosts;
use latchgate_jail::{Environment, Fill, GENERIC, Profile, Profiles, Program};

use super::Sandbox;
use crate::exit::Failure;

/// Without one of the caller's.
const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const NAME_CHARS: usize = 60;

/// What a session is made of.
pub struct Choice {
    pub profile: String,
    pub name: String,
    pub hosts: Hosts,
    pub command: Vec<OsString>,
    pub environment: Environment,
    pub binds: Vec<(PathBuf, Fill)>,
    pub kept: Vec<(PathBuf, PathBuf)>,
    pub home: PathBuf,
}

impl Choice {
    pub fn of(sandbox: &Sandbox, places: &Places) -> Result<Self, Failure> {
        let home = home()?;
        let profiles = Profiles::load(&places.config_dir.join("sandbox"))
            .map_err(|error| Failure::usage(error.to_string()).remedy("mend the file"))?;
        let (name, profile, command) = chosen(sandbox, &profiles)?;
        let program = command
            .first()
            .and_then(|program| Program::find(program, &std::env::var_os("PATH").unwrap_or_default()));
        let mut binds: Vec<_> = sandbox.bind.iter().map(|path| (path.clone(), Fill::ReadWrite)).collect();
        let read = sandbox.read_only.iter().chain(program.iter().flat_map(|program| &program.needs));
        binds.extend(read.map(|path| (path.clone(), Fill::ReadOnly)));
        Ok(Self {
            name: sandbox.name.clone().unwrap_or_else(|| own_name(&name, &command)),
            hosts: hosts(sandbox, &profile)?,
            environment: environment(sandbox, &profile, program.as_ref(), &home)?,
            kept: kept(&name, &profile, &home)?,
            profile: name,
            command,
            binds,
            home,
        })
    }
}

/// The profile that was named, or that the command is the name of, and the command.
fn chosen(sandbox: &Sandbox, profiles: &Profiles) -> Result<(String, Profile, Vec<OsString>), Failure> {
    let typed = sandbox.command.first().and_then(|first| first.to_str());
    let implied = typed.filter(|first| profiles.named(first).is_some_and(|found| !found.command.is_empty()));
    let name = sandbox.profile.as_deref().or(implied).unwrap_or(GENERIC);
    let Some(profile) = profiles.named(name) else {
        let known = profiles.names().join(", ");
        return Err(
            Failure::usage(format!("there is no profile {name}")).remedy(format!("there are {known}"))
        );
    };
    let own = || profile.command.iter().map(OsString::from);
    let command: Vec<OsString> = if sandbox.shell {
        vec![SHELL.into()]
    } else if typed == Some(name) {
        own().chain(sandbox.command.iter().skip(1).cloned()).collect()
    } else if sandbox.command.is_empty() {
        own().collect()
    } else {
        sandbox.command.clone()
    };
    if command.is_empty() {
        return Err(Failure::usage(format!("the profile {name} has no command of its own"))
            .remedy("give one behind --"));
    }
    Ok((name.to_owned(), profile.clone(), command))
}

fn hosts(sandbox: &Sandbox, profile: &Profile) -> Result<Hosts, Failure> {
    if sandbox.no_network {
        return Ok(Hosts::default());
    }
    let all = profile.hosts.iter().chain(&sandbox.allow_host).map(String::as_str);
    Hosts::parse(all).map_err(|error| Failure::usage(error.to_string()))
}

/// What a profile keeps lies apart from the user's own files of the same names: what an agent writes there is read by it alone.
fn kept(name: &str, profile: &Profile, home: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let store = home.join(".local/share/latchgate-sandbox").join(name);
    profile
        .state
        .iter()
        .map(|path| {
            let source = store.join(path);
            DirBuilder::new().recursive(true).mode(0o700).create(&source)?;
            Ok((source, home.join(path)))
        })
        .collect()
}

fn environment(
    sandbox: &Sandbox,
    profile: &Profile,
    program: Option<&Program>,
    home: &Path,
) -> Result<Environment, Failure> {
    let mut environment = Environment::taken_over(std::env::vars_os());
    environment.set("HOME", home);
    let mut path = program.map_or_else(OsString::new, |program| {
        let mut first = program.directory.clone().into_os_string();
        first.push(":");
        first
    });
    path.push(PATH);
    environment.set("PATH", path);
    environment.set("SHELL", SHELL);
    environment.set("TMPDIR", "/tmp");
    for (name, value) in &profile.env {
        match value.strip_prefix("~/") {
            Some(rest) => environment.set(name, home.join(rest)),
            None => environment.set(name, value),
        }
    }
    for wish in &sandbox.env {
        match wish.split_once('=') {
            Some(("", _)) => {
                return Err(Failure::usage(format!("--env {wish}: expected NAME or NAME=VALUE")));
            }
            Some((name, value)) => environment.set(name, value),
            None => {
                let value = std::env::var_os(wish);
                let value =
                    value.ok_or_else(|| Failure::usage(format!("--env {wish}: it is not set here")))?;
                environment.set(wish, value);
            }
        }
    }
    Ok(environment)
}

/// A profile's own name, else the program's; what a name may not hold becomes `-`.
fn own_name(profile: &str, command: &[OsString]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name).unwrap_or(OsStr::new("agent"));
    let base = if profile == GENERIC { program.to_string_lossy() } else { profile.into() };
    let of_a_name = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = base.chars().map(of_a_name).take(NAME_CHARS).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "agent".into() } else { name.to_owned() }
}

fn home() -> Result<PathBuf, Failure> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.ok_or_else(|| Failure::usage("HOME: expected the absolute path of your home directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jail_is_called_after_its_profile_or_its_program() {
        let command = |program: &str| vec![OsString::from(program)];
        assert_eq!(own_name("claude-code", &command("claude")), "claude-code");
        assert_eq!(own_name(GENERIC, &command("/usr/bin/python3")), "python3");
        assert_eq!(own_name(GENERIC, &command("./.x y")), "x-y");
        assert_eq!(own_name(GENERIC, &command("..")), "agent");
    }
}
