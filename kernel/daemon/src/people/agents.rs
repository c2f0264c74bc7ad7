//! Enrolled agents: keys that are a principal of their own, `agent:NAME`, once they prove themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use latchgate_wire::jwk::{Jwk, Thumbprint};
use serde::{Deserialize, Serialize};

use crate::home::files::{private_dir, read_private};
use crate::home::keys::KeyError;
use crate::home::places::Places;
use crate::people::operators::list;

/// One file of `agents/`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentFile {
    /// Public key.
    jwk: Jwk,
}

/// The names that keys prove.
pub struct Agents(ArcSwap<BTreeMap<Thumbprint, String>>);

impl Agents {
    /// # Errors
    /// A file that is no key, that others could replace, or that holds the key of another agent.
    pub fn load(places: &Places) -> Result<Self, KeyError> {
        Ok(Self(ArcSwap::from_pointee(read(places)?)))
    }

    /// Reads `agents/` anew. What cannot be read leaves the agents as they are.
    pub fn reload(&self, places: &Places) -> Result<(), KeyError> {
        self.0.store(Arc::new(read(places)?));
        Ok(())
    }

    pub fn name(&self, jkt: &Thumbprint) -> Option<String> {
        self.0.load().get(jkt).cloned()
    }

    /// The thumbprint of each agent's key, as the ledger names them.
    pub fn keys(&self) -> BTreeMap<String, String> {
        self.0.load().iter().map(|(jkt, name)| (name.clone(), jkt.to_string())).collect()
    }
}

/// What `agents/NAME.toml` says.
pub fn file(jwk: Jwk) -> Result<String, toml::ser::Error> {
    toml::to_string(&AgentFile { jwk })
}

fn read(places: &Places) -> Result<BTreeMap<Thumbprint, String>, KeyError> {
    let dir = places.agents_dir();
    private_dir(&dir)?;
    let mut by_key = BTreeMap::new();
    for (name, path) in list(&dir)? {
        let broken = || KeyError::Broken(path.display().to_string());
        let text = String::from_utf8(read_private(&path)?).map_err(|_| broken())?;
        let file: AgentFile = toml::from_str(&text).map_err(|_| broken())?;
        if let Some(other) = by_key.insert(file.jwk.thumbprint(), name.clone()) {
            return Err(KeyError::Shared { path, other });
        }
    }
    Ok(by_key)
}
