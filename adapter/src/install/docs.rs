//! The clients' part of docs/mcp.md, printed from the table that `install` goes by.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::clients::{CLIENTS, Client};
use super::edit::Format;
use super::entry::Launch;
use super::system::{Os, System};

/// Markdown: a section for each client.
pub fn clients() -> String {
    CLIENTS.iter().map(section).collect()
}

fn section(client: &Client) -> String {
    let mut out = format!("### {}\n\n", client.title);
    // Writing to a String cannot fail.
    let _infallible = writeln!(out, "```console\n$ latchgate-mcp install --ide {}\n```\n", client.name);
    let _infallible = writeln!(out, "| | |\n|---|---|");
    let mut row = |name: &str, value: &str| {
        let _infallible = writeln!(out, "| {name} | {value} |");
    };
    if !client.aliases.is_empty() {
        row(
            "also called",
            &client.aliases.iter().map(|alias| format!("`{alias}`")).collect::<Vec<_>>().join(", "),
        );
    }
    files(client).iter().for_each(|(system, file)| row(system, file));
    row("project", &client.project.map_or("none".into(), |path| format!("`{path}`")));
    row("servers", &format!("`{}` ({})", client.servers.join("."), client.format.name()));
    row("afterwards", client.after);
    row("checked against", client.source);
    if !client.note.is_empty() {
        let _infallible = write!(out, "\n{}\n", client.note);
    }
    let _infallible =
        write!(out, "\n```{}\n{}```\n\n", fence(client.format), client.snippet(&example(client)));
    out
}

/// One row where every system has the same.
fn files(client: &Client) -> Vec<(&'static str, String)> {
    let on = |os, home: &str| {
        let files = system(os, home).user_files(&client.user);
        files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", else ")
    };
    let (linux, macos) = (on(Os::Linux, "~"), on(Os::Macos, "~"));
    let windows = on(Os::Windows, "%USERPROFILE%").replace("%USERPROFILE%\\AppData\\Roaming", "%APPDATA%");
    match linux == macos {
        true => vec![("Linux, macOS", linux), ("Windows", windows)],
        false => vec![("Linux", linux), ("macOS", macos), ("Windows", windows)],
    }
}

fn system(os: Os, home: &str) -> System {
    System { os, home: home.into(), project: ".".into(), variables: BTreeMap::new() }
}

fn example(client: &Client) -> Launch {
    Launch {
        command: "/usr/local/bin/latchgate-mcp".into(),
        args: vec!["serve".into()],
        agent_id: client.name.into(),
    }
}

fn fence(format: Format) -> &'static str {
    match format {
        Format::Json => "json",
        Format::Json5 => "json5",
        Format::Toml => "toml",
        Format::Yaml => "yaml",
    }
}
