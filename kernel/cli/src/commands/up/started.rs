//! What a start did, told to people and machines.

use std::net::SocketAddr;
use std::path::PathBuf;

use latchgate_daemon::{Preset, Summary};
use owo_colors::OwoColorize as _;
use serde::{Deserialize, Serialize};

use crate::console::Console;
use crate::exit::Failure;
use crate::render::facts::Facts;
use crate::visible::styled;
use crate::when;

/// What the start did, for people and machines.
#[derive(Debug, Serialize, Deserialize)]
pub struct Started {
    created: bool,
    home: PathBuf,
    boundary: String,
    root: Option<PathBuf>,
    actions: usize,
    /// A rule only observes.
    #[serde(default)]
    observes: bool,
    pub agent_socket: PathBuf,
    /// The loopback port that takes agents' calls too.
    exposed: Option<SocketAddr>,
    operator: String,
    /// The preset that a home made just now got.
    preset: Option<String>,
    recovered_bytes: u64,
    recovered_to: Option<PathBuf>,
    unknown_outcomes: usize,
    clock_behind_ms: i64,
}

impl Started {
    pub fn of(summary: &Summary) -> Self {
        Self {
            created: summary.created,
            home: summary.home.clone(),
            boundary: summary.boundary.as_str().to_owned(),
            root: summary.root.clone(),
            actions: summary.actions,
            observes: summary.observes,
            agent_socket: summary.agent_socket.clone(),
            exposed: summary.exposed,
            operator: summary.operator.clone(),
            preset: summary.preset.map(|preset| preset.name.to_owned()),
            recovered_bytes: summary.recovered_bytes,
            recovered_to: summary.recovered_to.clone(),
            unknown_outcomes: summary.unknown_outcomes,
            clock_behind_ms: summary.clock_behind_ms,
        }
    }

    pub fn show(&self, console: &Console) -> Result<(), Failure> {
        for warning in self.warnings() {
            console.note(&format!("{} {warning}", "warning:".yellow().bold()));
        }
        if console.is_json() { console.json(self) } else { console.result(&self.lines()) }
    }

    /// Six lines, and one for an exposed port: what there is, what it protects, what it shows, who decides, what is left
    /// to protect, what to type.
    fn lines(&self) -> String {
        let path = |path: &PathBuf| styled(&path.display().to_string());
        let home = match self.created {
            true => format!("{} (made just now: keys, operator, policy)", path(&self.home)),
            false => path(&self.home),
        };
        let policy = match &self.preset {
            Some(name) => format!("policy {}", policy(name)),
            None => format!("policy in {}, {} actions", path(&self.home.join("policies")), self.actions),
        };
        let mut facts = Facts::default();
        facts.add("home", home).add("boundary", boundary(&self.boundary)).add(
            "root",
            self.root
                .as_ref()
                .map_or("none".into(), |root| format!("{} is what file actions see", path(root))),
        );
        if let Some(address) = self.exposed {
            facts.add("exposed", format!("http://{address} takes calls of this machine's users too"));
        }
        facts.add("operator", format!("{}; {policy}", styled(&self.operator)));
        if self.boundary == "same-user" {
            facts.add("protect", "latchgate operator protect puts a passphrase on the operator's key");
        }
        facts.add("next", "latchgate call fs_read '{\"path\":\"README.md\"}'".bold().to_string());
        facts.render()
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.observes {
            warnings.push(format!("THIS GATE OBSERVES: {}", crate::commands::reload::OBSERVES));
        }
        if self.recovered_bytes > 0 {
            let to = self.recovered_to.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            warnings.push(format!(
                "{} bytes of a torn tail were cut from the ledger and kept in {to}",
                self.recovered_bytes
            ));
        }
        if self.unknown_outcomes > 0 {
            warnings.push(format!(
                "{} interrupted calls may have happened; see `latchgate audit --kind call.outcome`",
                self.unknown_outcomes
            ));
        }
        if self.clock_behind_ms > 0 {
            let behind = when::span(self.clock_behind_ms);
            warnings.push(format!(
                "the clock is {behind} behind the ledger's last entry: set it, calls are denied until then"
            ));
        }
        warnings
    }
}

/// A preset in a few words.
fn policy(name: &str) -> String {
    match Preset::named(name) {
        Some(Preset::STANDARD) => "`standard`: looking is allowed, changing waits for an approval".into(),
        Some(preset) => format!("`{name}`: {}", preset.purpose().trim_end_matches('.')),
        None => styled(name),
    }
}

/// The boundary in force, said honestly, with the way out.
fn boundary(name: &str) -> String {
    match name {
        "same-user" => "same-user: programs run as you can reach the gate's keys; run agents as another user to change that".into(),
        other => styled(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stripped;

    fn started() -> Started {
        Started {
            created: true,
            home: "/h".into(),
            boundary: "same-user".into(),
            root: Some("/r".into()),
            actions: 5,
            observes: false,
            agent_socket: "/h/run/gate.sock".into(),
            exposed: None,
            operator: "local".into(),
            preset: Some("standard".into()),
            recovered_bytes: 0,
            recovered_to: None,
            unknown_outcomes: 0,
            clock_behind_ms: 0,
        }
    }

    #[test]
    fn a_first_start_is_told_in_six_lines() {
        let expected = "\
home      /h (made just now: keys, operator, policy)
boundary  same-user: programs run as you can reach the gate's keys; run agents as another user to change that
root      /r is what file actions see
operator  local; policy `standard`: looking is allowed, changing waits for an approval
protect   latchgate operator protect puts a passphrase on the operator's key
next      latchgate call fs_read '{\"path\":\"README.md\"}'";
        assert_eq!(stripped(&started().lines()), expected);
        assert!(started().warnings().is_empty());
    }

    #[test]
    fn a_later_start_names_where_the_policy_lies() {
        let lines = stripped(&Started { created: false, preset: None, ..started() }.lines());
        assert!(lines.starts_with("home      /h\n"), "{lines}");
        assert!(lines.contains("operator  local; policy in /h/policies, 5 actions"), "{lines}");
    }

    #[test]
    fn an_exposed_port_and_another_preset_are_told() {
        let exposed = Some("127.0.0.1:3000".parse().unwrap());
        let lines = stripped(&Started { exposed, preset: Some("read-only".into()), ..started() }.lines());
        assert!(lines.contains("\nexposed   http://127.0.0.1:3000 takes calls"), "{lines}");
        assert!(lines.contains("policy `read-only`: an agent that reads ordinary files"), "{lines}");
    }

    #[test]
    fn what_was_recovered_is_a_warning_each() {
        let started = Started { recovered_bytes: 7, unknown_outcomes: 1, clock_behind_ms: 5000, ..started() };
        assert_eq!(started.warnings().len(), 3);
    }
}
