//! Every setting with its value and where that came from, for whoever asks what the gate goes by.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::config::{Config, ConfigError};

/// One setting, as `latchgate.toml` names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// `table.member`.
    pub name: &'static str,
    /// Null where there is none, and none is needed.
    pub value: Value,
    pub origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    File,
    Default,
    /// Follows from another setting.
    Derived,
}

impl Setting {
    /// The settings that a start without flags would go by. An absent file is all defaults.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn all(path: &Path) -> Result<Vec<Self>, ConfigError> {
        let mut config = Config::load(path)?;
        let written = config.clone();
        config.expose(None)?;
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let file: toml::Table = toml::from_str(&text)
            .map_err(|error| ConfigError(vec![format!("{}: {error}", path.display())]))?;
        let mut settings = listed(&config);
        for (setting, before) in settings.iter_mut().zip(listed(&written)) {
            setting.origin = match setting.name.split_once('.') {
                Some((table, member)) if file.get(table).is_some_and(|table| table.get(member).is_some()) => {
                    Origin::File
                }
                _ if setting.value != before.value => Origin::Derived,
                _ => Origin::Default,
            };
        }
        Ok(settings)
    }
}

/// In the order of the file that a new home gets.
fn listed(config: &Config) -> Vec<Setting> {
    // Taken apart, so that a new member is missed here and not by whoever looks for it.
    let Config {
        public_base_url,
        require_body_hash,
        lease_ttl_s,
        approval_ttl_s,
        fs_root,
        dangerous_loopback,
        drain_s,
        expose_http,
        calls_per_s,
        leases_per_s,
    } = config;
    let values = [
        ("gate.public_base_url", json!(public_base_url)),
        ("gate.drain_s", json!(drain_s)),
        ("auth.require_body_hash", json!(require_body_hash)),
        ("auth.lease_ttl_s", json!(lease_ttl_s)),
        ("approvals.ttl_s", json!(approval_ttl_s)),
        ("fs.root", json!(fs_root.as_ref().map(|root| root.display().to_string()))),
        ("egress.dangerous_loopback", json!(dangerous_loopback)),
        ("http.expose", json!(expose_http)),
        ("limits.calls_per_s", json!(calls_per_s)),
        ("limits.leases_per_s", json!(leases_per_s)),
    ];
    values.into_iter().map(|(name, value)| Setting { name, value, origin: Origin::Default }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::config::TEMPLATE;

    fn of(text: &str) -> Vec<Setting> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("latchgate.toml");
        std::fs::write(&path, text).unwrap();
        Setting::all(&path).unwrap()
    }

    fn find(settings: &[Setting], name: &str) -> (Value, Origin) {
        settings.iter().find(|s| s.name == name).map(|s| (s.value.clone(), s.origin)).unwrap()
    }

    #[test]
    fn every_member_that_the_template_names_is_listed() {
        let settings = of(TEMPLATE);
        assert!(settings.iter().all(|setting| setting.origin == Origin::Default));
        let all = TEMPLATE.replace("\n# ", "\n").replacen("latchgate: every", "# latchgate: every", 1);
        for setting in of(&all) {
            assert_eq!(setting.origin, Origin::File, "{}", setting.name);
        }
        let members = TEMPLATE.lines().filter(|line| line.starts_with("# ") && line.contains(" = ")).count();
        assert_eq!(settings.len(), members);
    }

    #[test]
    fn a_value_is_said_to_come_from_where_it_came() {
        let settings = of("[http]\nexpose = \"127.0.0.1:4000\"\n[auth]\nlease_ttl_s = 300\n");
        assert_eq!(find(&settings, "auth.lease_ttl_s"), (json!(300), Origin::File));
        assert_eq!(find(&settings, "approvals.ttl_s"), (json!(900), Origin::Default));
        assert_eq!(find(&settings, "fs.root"), (Value::Null, Origin::Default));
        let url = json!("http://localhost:4000");
        assert_eq!(find(&settings, "gate.public_base_url"), (url, Origin::Derived));
    }
}
