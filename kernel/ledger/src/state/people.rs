//! Who the operators and the enrolled agents are, as the log says.

use std::collections::BTreeMap;

use latchgate_wire::entry::{AgentsChanged, OperatorKey, OperatorsChanged, Role, Signed};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    operators: BTreeMap<String, OperatorKey>,
    agents: BTreeMap<String, String>,
}

impl People {
    pub fn operators_changed(&mut self, changed: &OperatorsChanged) {
        self.operators.clone_from(&changed.operators);
    }

    pub fn agents_changed(&mut self, changed: &AgentsChanged) {
        self.agents.clone_from(&changed.agents);
    }

    /// Whether it was an operator of now, with the key of now, and of at least that role.
    pub fn may(&self, signed: &Signed, role: Role) -> bool {
        let known = self.operators.get(&signed.operator);
        known.is_some_and(|known| known.jkt == signed.jkt && known.role >= role)
    }

    pub fn operators(&self) -> &BTreeMap<String, OperatorKey> {
        &self.operators
    }

    pub fn agents(&self) -> &BTreeMap<String, String> {
        &self.agents
    }
}
