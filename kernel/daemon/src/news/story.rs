//! What a receiver is told of an entry: facts in the gate's words, and apart from them the agent's own.

use latchgate_monitor::ports::Approval;
use latchgate_wire::entry::{
    ApprovalDecided, Body, CallDenied, CallHeld, Decision, Entry, LeaseRevoked, RevocationTarget,
    StandingRevoked,
};
use latchgate_wire::notify::{Ask, Event};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{EffectStatus, Receipt};
use latchgate_wire::time::Timestamp;

use super::text::{FACT_BYTES_MAX, WORDS_BYTES_MAX, shown};

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    pub topic: Topic,
    /// `seq` of the entries that it tells of: one, or several refusals.
    pub first: u64,
    pub last: u64,
    pub count: u64,
    pub at: Timestamp,
    pub title: String,
    pub facts: Vec<Part>,
    /// What an agent chose. Untrusted, whatever it says.
    pub words: Vec<Part>,
    /// What shows more.
    pub command: String,
    /// Whose refusals these are.
    pub(super) denied: Option<Principal>,
}

/// A name of ours, and a text that is safe to show on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: &'static str,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Event(Event),
    /// An operator asked for it.
    Test,
}

impl Topic {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event(event) => event.as_str(),
            Self::Test => "test",
        }
    }

    /// Which of a receiver's topics an entry is; `None` for one that is no news to it.
    pub fn of(body: &Body, receiver: &str) -> Option<Self> {
        match body {
            Body::CallHeld(_) => Some(Self::Event(Event::Held)),
            Body::ApprovalDecided(_) => Some(Self::Event(Event::Decided)),
            Body::CallDenied(_) => Some(Self::Event(Event::Denied)),
            Body::LeaseRevoked(_) | Body::StandingRevoked(_) => Some(Self::Event(Event::Revoked)),
            Body::CallOutcome(receipt) => {
                (receipt.effect() == EffectStatus::Unknown).then_some(Self::Event(Event::Unknown))
            }
            Body::NotifyAsked(asked) => {
                (asked.ask == Ask::Test && asked.receiver == receiver).then_some(Self::Test)
            }
            _ => None,
        }
    }
}

/// What a story needs beside its entry.
pub trait Sources {
    /// The agent's own words about why, of a held call.
    fn agent_reason(&self, held: &CallHeld) -> Option<String>;
    /// The held call that a decision is about, while it is remembered.
    fn held(&self, decided: &ApprovalDecided) -> Option<Approval>;
}

impl Story {
    /// `None` for an entry that is no news to the receiver.
    pub fn of(entry: &Entry, receiver: &str, sources: &impl Sources) -> Option<Self> {
        let mut story = Self {
            topic: Topic::of(&entry.body, receiver)?,
            first: entry.seq,
            last: entry.seq,
            count: 1,
            at: entry.time,
            title: String::new(),
            facts: Vec::new(),
            words: Vec::new(),
            command: String::new(),
            denied: None,
        };
        match &entry.body {
            Body::CallHeld(held) => story.held(held, sources),
            Body::ApprovalDecided(decided) => story.decided(decided, sources),
            Body::CallDenied(denied) => story.denied(denied, entry),
            Body::LeaseRevoked(revoked) => story.revoked(revoked),
            Body::StandingRevoked(revoked) => story.standing_revoked(revoked),
            Body::CallOutcome(receipt) => story.unknown(receipt),
            Body::NotifyAsked(asked) => story.test(&asked.signed.operator),
            _ => return None,
        }
        story.fact("gate", &entry.gate);
        Some(story)
    }

    /// Takes in a refusal that follows on this one's, of the same principal: a receiver is not flooded by whoever is refused.
    pub fn absorb(&mut self, next: &Self) -> bool {
        let is_like = self.denied.is_some() && self.denied == next.denied;
        if is_like {
            self.last = next.last;
            self.count += next.count;
            self.title = format!("{} calls were refused; the first:", self.count);
        }
        is_like
    }

    fn held(&mut self, held: &CallHeld, sources: &impl Sources) {
        let call = &held.call;
        self.title = "A call waits for a decision".into();
        self.fact("action", &call.action.id);
        self.fact("summary", &call.operation.summary);
        self.fact("target", &call.operation.target);
        self.fact("principal", &call.who.principal.to_string());
        self.fact("rule", &call.policy.rule);
        self.fact("plan_digest", &call.plan.digest.to_string());
        self.fact("approval_id", &held.approval_id.to_string());
        self.fact("expires_at", &held.expires_at.to_string());
        self.agent(call.who.agent.as_deref());
        self.said("agent_reason", sources.agent_reason(held).as_deref());
        self.command = format!("latchgate approvals show {}", held.approval_id);
    }

    fn decided(&mut self, decided: &ApprovalDecided, sources: &impl Sources) {
        let (word, title) = match decided.decision {
            Decision::Approved => ("approved", "A held call was approved"),
            Decision::Denied => ("denied", "A held call was denied"),
            Decision::Expired => ("expired", "Nobody decided a held call in time"),
            Decision::Void => ("void", "A held call ended without a decision"),
        };
        self.title = title.into();
        self.fact("decision", word);
        if let Some(signed) = &decided.signed {
            self.fact("operator", &signed.operator);
        }
        if let Some(scope) = decided.scope {
            self.fact("scope", scope.as_str());
        }
        if let Some(approval) = sources.held(decided) {
            let call = &approval.held.call;
            self.fact("action", &call.action.id);
            self.fact("target", &call.operation.target);
            self.fact("principal", &call.who.principal.to_string());
            self.agent(call.who.agent.as_deref());
        }
        self.fact("plan_digest", &decided.plan_digest.to_string());
        self.fact("approval_id", &decided.approval_id.to_string());
        self.reason(decided.reason.as_deref());
        self.command = format!("latchgate approvals show {}", decided.approval_id);
    }

    fn denied(&mut self, denied: &CallDenied, entry: &Entry) {
        self.title = "A call was refused".into();
        self.denied = Some(denied.who.principal.clone());
        self.fact("code", &denied.error);
        if let Some(policy) = &denied.policy {
            self.fact("rule", &policy.rule);
        }
        self.fact("principal", &denied.who.principal.to_string());
        // It need not exist: the caller chose it.
        self.said("asked_for", Some(&denied.action_id));
        self.agent(denied.who.agent.as_deref());
        self.command = match entry.trace_id {
            Some(trace_id) => format!("latchgate audit --id {trace_id}"),
            None => "latchgate audit --kind call.denied --limit 5".into(),
        };
    }

    fn revoked(&mut self, revoked: &LeaseRevoked) {
        self.title = "Leases were revoked".into();
        match &revoked.target {
            RevocationTarget::Lease(lease) => self.fact("lease", &lease.to_string()),
            RevocationTarget::Session(session) => self.fact("session", &session.to_string()),
            RevocationTarget::Principal(principal) => self.fact("principal", &principal.to_string()),
            RevocationTarget::Agent(label) => self.agent(Some(label)),
            RevocationTarget::All(_) => self.fact("leases", "all of them"),
        }
        self.fact("operator", &revoked.operator);
        self.reason(revoked.reason.as_deref());
        self.command = "latchgate audit --kind lease.revoked --limit 5".into();
    }

    fn standing_revoked(&mut self, revoked: &StandingRevoked) {
        self.title = "A standing approval was revoked".into();
        self.fact("approval_id", &revoked.approval_id.to_string());
        self.fact("operator", &revoked.signed.operator);
        self.reason(revoked.reason.as_deref());
        self.command = format!("latchgate audit --id {}", revoked.approval_id);
    }

    fn unknown(&mut self, receipt: &Receipt) {
        self.title = "A call may have happened, and nobody knows: look before anything is repeated".into();
        self.fact("action", &receipt.action.id);
        self.fact("summary", &receipt.operation.summary);
        self.fact("target", &receipt.operation.target);
        self.fact("principal", &receipt.principal.to_string());
        self.fact("receipt_id", &receipt.receipt_id.to_string());
        self.agent(receipt.agent.as_deref());
        self.command = "latchgate ledger unknown".into();
    }

    fn test(&mut self, operator: &str) {
        self.title = "A test: messages of this gate arrive here".into();
        self.fact("operator", operator);
        self.command = "latchgate notify list".into();
    }

    fn fact(&mut self, name: &'static str, text: &str) {
        self.facts.push(Part { name, text: shown(text, FACT_BYTES_MAX) });
    }

    /// An operator's, or the gate's own.
    fn reason(&mut self, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.facts.push(Part { name: "reason", text: shown(reason, WORDS_BYTES_MAX) });
        }
    }

    /// The name that a client gave itself.
    fn agent(&mut self, label: Option<&str>) {
        self.said("agent", label);
    }

    fn said(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.words.push(Part { name, text: shown(text, WORDS_BYTES_MAX) });
        }
    }
}
