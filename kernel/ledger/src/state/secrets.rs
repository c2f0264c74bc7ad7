//! Which secrets the store holds, as the log says: names and revisions.

use std::collections::BTreeMap;

use latchgate_wire::entry::SecretsChanged;
use latchgate_wire::secret::{SecretName, SecretNote};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secrets(BTreeMap<SecretName, SecretNote>);

impl Secrets {
    pub fn changed(&mut self, changed: &SecretsChanged) {
        changed.removed.iter().for_each(|name| {
            self.0.remove(name);
        });
        self.0.extend(changed.set.iter().map(|(name, note)| (name.clone(), *note)));
    }

    pub fn notes(&self) -> &BTreeMap<SecretName, SecretNote> {
        &self.0
    }
}
