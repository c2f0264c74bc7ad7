//! Which value holds: the command line before the environment, before the file, before the default.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::environment::Environment;
use super::file::Contents;
use super::kind::Raw;
use super::receivers;
use super::table::Row;
use super::{Config, ROWS};

/// Everything that is wrong, each with its place: file and line, variable, or flag.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Flag,
    Environment,
    File,
    /// Follows from another setting.
    Derived,
    Default,
}

/// One setting with its value, for whoever asks what the gate goes by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `table.member`.
    pub name: String,
    /// Null where there is none, and none is needed.
    pub value: Value,
    pub origin: Origin,
    /// What goes where there is none.
    #[serde(skip)]
    pub absent: Option<&'static str>,
}

/// A setting of the command line.
#[derive(Clone, Debug)]
pub struct Given {
    /// `--expose-http`.
    pub flag: &'static str,
    /// `http.expose`.
    pub setting: &'static str,
    pub value: String,
}

/// The configuration in force, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Resolved {
    pub config: Config,
    /// In the order of the rows.
    origins: Vec<Origin>,
    receivers: Vec<receivers::Given>,
}

impl Resolved {
    /// Of a file that may be absent, and then says nothing.
    ///
    /// # Errors
    /// Every problem of file, environment and command line.
    pub fn load(path: &Path, environment: &Environment, given: &[Given]) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(ConfigError(vec![format!("{}: {error}", path.display())])),
        };
        Self::of(&path.display().to_string(), &text, environment, given)
    }

    /// Of a file's text.
    ///
    /// # Errors
    /// As [`Resolved::load`].
    pub fn of(
        file: &str,
        text: &str,
        environment: &Environment,
        given: &[Given],
    ) -> Result<Self, ConfigError> {
        let mut resolved = Self {
            config: Config::default(),
            origins: vec![Origin::Default; ROWS.len()],
            receivers: Vec::new(),
        };
        let Contents { written, receivers: items, mut problems } = Contents::read(text);
        for written in written {
            if let Err(problem) = resolved.take(written.row, &written.raw, Origin::File) {
                problems.push((written.line, format!("{} {problem}", written.row.name())));
            }
        }
        let (receivers, wrong) = receivers::resolve(&items);
        problems.extend(wrong);
        resolved.config.notify = receivers.iter().map(|receiver| receiver.settings.clone()).collect();
        resolved.receivers = receivers;
        problems.sort();
        let mut problems: Vec<_> =
            problems.into_iter().map(|(line, problem)| format!("{file}:{line}: {problem}")).collect();
        let (written, unknown) = environment.read();
        problems.extend(unknown);
        for (row, raw) in written {
            if let Err(problem) = resolved.take(row, &raw, Origin::Environment) {
                problems.push(format!("{} {problem}", row.variable()));
            }
        }
        for given in given {
            let Some(row) = ROWS.iter().find(|row| row.name() == given.setting) else { continue };
            if let Err(problem) = resolved.take(row, &Raw::Spelled(given.value.clone()), Origin::Flag) {
                problems.push(format!("{} {problem}", given.flag));
            }
        }
        if !problems.is_empty() {
            return Err(ConfigError(problems));
        }
        let expose = resolved.config.http.expose;
        resolved.derive(expose);
        Ok(resolved)
    }

    /// Where no canonical URL was chosen, it is that of the TCP port. Port 0 is the system's choice: known, and said again, once
    /// it is bound.
    pub fn derive(&mut self, bound: Option<SocketAddr>) {
        let Some(address) = bound.filter(|address| address.port() != 0) else { return };
        for (row, origin) in ROWS.iter().zip(&mut self.origins) {
            if row.name() == "gate.public_base_url" && matches!(origin, Origin::Default | Origin::Derived) {
                *origin = Origin::Derived;
                self.config.gate.public_base_url = format!("http://localhost:{}", address.port());
            }
        }
    }

    /// In the order of the file that a new home gets.
    pub fn settings(&self) -> Vec<Setting> {
        let settings = ROWS.iter().zip(&self.origins).map(|(row, origin)| Setting {
            name: row.name(),
            value: (row.shown)(&self.config),
            origin: *origin,
            absent: (row.absent)(),
        });
        settings.chain(self.receivers.iter().flat_map(receivers::Given::shown)).collect()
    }

    /// The settings in force that weaken the gate.
    pub fn dangers(&self) -> Vec<String> {
        let dangerous = ROWS.iter().filter(|row| row.member.starts_with("dangerous"));
        dangerous
            .filter(|row| (row.shown)(&self.config) == Value::Bool(true))
            .map(Row::name)
            .chain(self.receivers.iter().flat_map(receivers::Given::dangers))
            .collect()
    }

    fn take(&mut self, row: &'static Row, raw: &Raw, origin: Origin) -> Result<(), String> {
        if !(row.take)(&mut self.config, raw) {
            return Err(row.problem(raw));
        }
        for (other, at) in ROWS.iter().zip(&mut self.origins) {
            if std::ptr::eq(other, row) {
                *at = origin;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
