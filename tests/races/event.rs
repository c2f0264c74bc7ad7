//! What can happen to a held call, made ready beforehand so that nothing but the wire lies between two of them.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use latchgate_tests::{Attempt, Chance, Connection, RawAgent, Reply};
use serde_json::{Value, json};

use crate::ground::{ACTIONS, Ground, Module, Rules, TITLE, manifest, replace};
use crate::round::{ANOTHER, Held};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Approve,
    /// By the same person: a second approval, and where two are asked no quorum.
    ApproveAgain,
    ApproveByAnother,
    Deny,
    RevokeLease,
    RevokeSession,
    RevokePrincipal,
    RevokeAgent,
    RevokeAll,
    ReloadSame,
    ReloadOther,
    OtherManifest,
    OtherModule,
    OtherFile,
    Retry,
    EditedBody,
    OtherPrincipal,
    OtherSession,
    Restart,
}

impl Event {
    /// Those that a round draws from. Each approval is tried often, or nothing would be raced for.
    pub const DRAWN: [Self; 18] = [
        Self::Approve,
        Self::ApproveAgain,
        Self::ApproveByAnother,
        Self::Deny,
        Self::RevokeLease,
        Self::RevokeSession,
        Self::RevokePrincipal,
        Self::RevokeAgent,
        Self::RevokeAll,
        Self::ReloadSame,
        Self::ReloadOther,
        Self::OtherManifest,
        Self::OtherModule,
        Self::OtherFile,
        Self::Retry,
        Self::EditedBody,
        Self::OtherPrincipal,
        Self::OtherSession,
    ];

    /// Leaves other rules or manifests behind.
    pub fn changes_configuration(self) -> bool {
        matches!(self, Self::ReloadOther | Self::OtherManifest | Self::OtherModule)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// An event that waits for its moment: files to be replaced, and a request that is signed already.
pub struct Ready {
    pub event: Event,
    files: Vec<(PathBuf, String)>,
    request: Option<(PathBuf, Vec<u8>)>,
}

impl Ready {
    /// # Panics
    /// For [`Event::Restart`], which is the round's own.
    pub fn new(event: Event, ground: &Ground, held: &Held, chance: &mut Chance) -> Self {
        let home = ground.gate.home();
        let revoke = |target: Value| ground.local.post("/v1/revoke", &json!({ "target": target }));
        let reload = || ground.local.post("/v1/reload", &json!({}));
        let manifests = |module: Module, title: &str| {
            let of = |action: &&str| {
                (home.join(format!("manifests/{action}.yaml")), manifest(action, module, title))
            };
            ACTIONS.iter().map(of).collect::<Vec<_>>()
        };
        let agent = &held.agent;
        let (files, attempt) = match event {
            Event::Approve | Event::ApproveAgain => {
                (Vec::new(), Some(ground.ana.post(&held.path("approve"), &held.shown())))
            }
            Event::ApproveByAnother => {
                (Vec::new(), Some(ground.bob.post(&held.path("approve"), &held.shown())))
            }
            Event::Deny => (Vec::new(), Some(ground.local.post(&held.path("deny"), &held.shown()))),
            Event::RevokeLease => (Vec::new(), Some(revoke(json!({ "lease": agent.lease_jti })))),
            Event::RevokeSession => (Vec::new(), Some(revoke(json!({ "session": agent.session_id })))),
            Event::RevokePrincipal => (Vec::new(), Some(revoke(json!({ "principal": agent.principal })))),
            Event::RevokeAgent => (Vec::new(), Some(revoke(json!({ "agent": held.label() })))),
            Event::RevokeAll => (Vec::new(), Some(revoke(json!({ "all": "everything" })))),
            Event::ReloadSame => (Vec::new(), Some(reload())),
            Event::ReloadOther => {
                let rules = *chance.of(&Rules::ALL[1..]);
                (vec![(home.join("policies/rules.yaml"), rules.text())], Some(reload()))
            }
            Event::OtherManifest => (manifests(Module::First, "Send one number"), Some(reload())),
            Event::OtherModule => (manifests(Module::Second, TITLE), Some(reload())),
            Event::OtherFile => {
                (held.file(ground).map(|path| (path, ANOTHER.to_owned())).into_iter().collect(), None)
            }
            Event::Retry => (Vec::new(), Some(held.call_by(agent))),
            Event::EditedBody => (Vec::new(), Some(held.edited_by(agent))),
            Event::OtherPrincipal => (Vec::new(), Some(held.call_by(&other_principal(ground, agent)))),
            Event::OtherSession => (Vec::new(), Some(held.call_by(&same_principal(ground, agent)))),
            Event::Restart => panic!("a restart is no request"),
        };
        Self { event, files, request: attempt.map(Attempt::prepared) }
    }

    /// What became of it: the reply, if there was one to be had.
    pub fn happen(&self) -> Option<Reply> {
        for (path, text) in &self.files {
            if self.event == Event::OtherFile {
                fs::write(path, text).unwrap();
            } else {
                replace(path, text);
            }
        }
        let (socket, bytes) = self.request.as_ref()?;
        let mut connection = Connection::try_open(socket).ok()?;
        connection.send(bytes);
        connection.try_reply()
    }
}

fn is_enrolled(agent: &RawAgent) -> bool {
    agent.principal.starts_with("agent:")
}

fn other_principal(ground: &Ground, agent: &RawAgent) -> RawAgent {
    if is_enrolled(agent) { ground.user() } else { ground.enrolled() }
}

fn same_principal(ground: &Ground, agent: &RawAgent) -> RawAgent {
    if is_enrolled(agent) { ground.enrolled() } else { ground.user() }
}
