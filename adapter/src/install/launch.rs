//! What the client shall start: this program, `serve`, and a way to the gate only where one is needed.

use std::path::PathBuf;

use anyhow::Context as _;

use super::clients::Client;
use super::entry::Launch;
use super::system::System;
use super::{InstallArgs, Scope, own_command};

/// A project's file goes to other machines: nothing of this one stands in it unless it was
/// asked for.
pub fn of(client: &Client, system: &System, args: &InstallArgs) -> anyhow::Result<Launch> {
    let command = match args.scope {
        Scope::Project => "latchgate-mcp".to_owned(),
        Scope::User => {
            let own = own_path().context("cannot tell where this program lies")?;
            own.into_os_string().into_string().ok().context("this program's path is not UTF-8")?
        }
    };
    let mut words = vec!["serve".to_owned()];
    if let Some(url) = &args.gate_url {
        words.extend(["--gate-url".into(), url.clone()]);
    } else if let Some(socket) = gate_socket(system, args)? {
        words.extend(["--gate-socket".into(), socket]);
    }
    Ok(Launch { command, args: words, agent_id: client.name.to_owned() })
}

/// Where this program lies. A link on the PATH that leads here is the better name: it outlives the next version.
fn own_path() -> std::io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let linked = own_command::on_path("latchgate-mcp", std::env::var_os("PATH").as_deref());
    Ok(linked.filter(|path| path.canonicalize().is_ok_and(|real| real == own)).unwrap_or(own))
}

/// A gate that only this shell's environment finds is named, since the client may be started without it.
fn gate_socket(system: &System, args: &InstallArgs) -> anyhow::Result<Option<String>> {
    let named = args.gate_socket.clone().or_else(|| {
        let variable = |name| system.variables.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let found = variable("LATCHGATE_SOCKET")
            .or_else(|| variable("LATCHGATE_HOME").map(|home| home.join("run/gate.sock")));
        found.filter(|_| args.scope == Scope::User)
    });
    let Some(path) = named else { return Ok(None) };
    let absolute = std::path::absolute(&path).with_context(|| format!("{}: no path", path.display()))?;
    absolute.into_os_string().into_string().ok().context("the socket's path is not UTF-8").map(Some)
}
