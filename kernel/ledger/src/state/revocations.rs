//! Revocations: which leases no longer count.

use std::collections::{HashMap, HashSet};

use latchgate_wire::entry::{Everything, RevocationTarget};
use latchgate_wire::ids::{LeaseId, SessionId};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Who;
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Never forgotten: operators make few, and forgetting one would revive what it stopped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocations {
    leases: HashSet<LeaseId>,
    sessions: HashSet<SessionId>,
    principals: HashMap<Principal, Timestamp>,
    agents: HashMap<String, Timestamp>,
    all: Option<Timestamp>,
}

impl Revocations {
    pub fn revoke(&mut self, target: &RevocationTarget, at: Timestamp) {
        match target {
            RevocationTarget::Lease(id) => drop(self.leases.insert(*id)),
            RevocationTarget::Session(id) => drop(self.sessions.insert(*id)),
            RevocationTarget::Principal(principal) => drop(self.principals.insert(principal.clone(), at)),
            RevocationTarget::Agent(agent) => drop(self.agents.insert(agent.clone(), at)),
            RevocationTarget::All(Everything::Everything) => self.all = Some(at),
        }
    }

    /// Named itself, or by its session, or made no later than a revocation of its principal, agent or everything.
    pub fn covers(&self, who: &Who) -> bool {
        let made = i64::try_from(who.lease_jti.time_ms()).unwrap_or(i64::MAX);
        let reaches = |at: Option<&Timestamp>| at.is_some_and(|at| at.as_ms() >= made);
        self.leases.contains(&who.lease_jti)
            || self.sessions.contains(&who.session_id)
            || reaches(self.all.as_ref())
            || reaches(self.principals.get(&who.principal))
            || reaches(who.agent.as_ref().and_then(|agent| self.agents.get(agent)))
            || reaches(enrolled(&who.principal).and_then(|agent| self.agents.get(agent)))
    }
}

fn enrolled(principal: &Principal) -> Option<&String> {
    match principal {
        Principal::Agent(name) => Some(name),
        Principal::Uid(_) | Principal::Jail(_) => None,
    }
}
