//! What an entry can be found by. Queries, the index and the scan that replaces it all ask this one function.

use latchgate_wire::api::AuditQuery;
use latchgate_wire::entry::{Body, Call, Entry, Forgotten, RevocationTarget};
use latchgate_wire::jail::{JailConnected, JailEnded, JailStarted};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::Who;

/// A name with its kind, such as `kind:call.intent` or `id:rcpt_...`.
pub type Term = String;

/// The terms that an entry must have to be an answer, the most telling first.
pub fn wanted(query: &AuditQuery) -> Vec<Term> {
    let id = query.id.as_ref().map(|id| term("id", id));
    let (kind, principal, action) =
        (query.kind.as_deref(), query.principal.as_deref(), query.action.as_deref());
    let several = several(kind, principal, action);
    let single = [("principal", principal), ("action", action), ("kind", kind)];
    let single = single.into_iter().filter_map(|(name, value)| Some(term(name, value?)));
    id.into_iter().chain(several.map_or_else(|| single.collect(), |term| vec![term])).collect()
}

/// A term for two or three of these together: each may be frequent where all of them never meet, so they are one list. `None`
/// for fewer.
fn several(kind: Option<&str>, principal: Option<&str>, action: Option<&str>) -> Option<Term> {
    let parts = [kind, principal, action];
    let is_several = parts.iter().flatten().count() > 1;
    // Neither kinds nor principals contain a line break.
    is_several.then(|| format!("of:{}", parts.map(Option::unwrap_or_default).join("\n")))
}

/// The kind as it is written in the entry.
pub fn kind(body: &Body) -> &'static str {
    match body {
        Body::GateStarted(_) => "gate.started",
        Body::GateRecovered(_) => "gate.recovered",
        Body::GateStopped(_) => "gate.stopped",
        Body::ConfigChanged(_) => "config.changed",
        Body::LeaseIssued(_) => "lease.issued",
        Body::LeaseRevoked(_) => "lease.revoked",
        Body::CallDenied(_) => "call.denied",
        Body::CallHeld(_) => "call.held",
        Body::ApprovalDecided(_) => "approval.decided",
        Body::StandingRevoked(_) => "standing.revoked",
        Body::OperatorsChanged(_) => "operators.changed",
        Body::AgentsChanged(_) => "agents.changed",
        Body::SecretsChanged(_) => "secrets.changed",
        Body::CallIntent(_) => "call.intent",
        Body::CallOutcome(_) => "call.outcome",
        Body::CallsDelivered(_) => "calls.delivered",
        Body::ClockAccepted(_) => "clock.accepted",
        Body::RefusalsCounted(_) => "refusals.counted",
        Body::KeyRotated(_) => "key.rotated",
        Body::OutcomeResolved(_) => "outcome.resolved",
        Body::PayloadsForgotten(_) => "payloads.forgotten",
        Body::NotifyChanged(_) => "notify.changed",
        Body::NotifyDelivered(_) => "notify.delivered",
        Body::NotifyFailed(_) => "notify.failed",
        Body::NotifyAsked(_) => "notify.asked",
        Body::JailStarted(_) => "jail.started",
        Body::JailConnected(_) => "jail.connected",
        Body::JailEnded(_) => "jail.ended",
    }
}

/// Every term of an entry.
pub fn of(entry: &Entry) -> Vec<Term> {
    let kind = kind(&entry.body);
    let mut terms = each_of(entry, kind);
    let named = |name: &str| terms.iter().find_map(|term| term.strip_prefix(name)).map(str::to_owned);
    let (principal, action) = (named("principal:"), named("action:"));
    let (principal, action) = (principal.as_deref(), action.as_deref());
    for (kind, principal, action) in [
        (Some(kind), principal, None),
        (Some(kind), None, action),
        (None, principal, action),
        (Some(kind), principal, action),
    ] {
        let is_new = |term: &Term| !terms.contains(term);
        let several = several(kind, principal, action).filter(is_new);
        terms.extend(several);
    }
    terms
}

fn each_of(entry: &Entry, kind: &'static str) -> Vec<Term> {
    let mut terms = Terms(vec![term("kind", kind)]);
    if let Some(trace_id) = &entry.trace_id {
        terms.id(trace_id);
    }
    match &entry.body {
        Body::LeaseIssued(issued) => {
            terms.who(&issued.who);
            issued.renews.iter().for_each(|lease| terms.id(lease));
        }
        Body::LeaseRevoked(revoked) => match &revoked.target {
            RevocationTarget::Lease(lease) => terms.id(lease),
            RevocationTarget::Session(session) => terms.id(session),
            RevocationTarget::Principal(principal) => terms.add("principal", principal),
            RevocationTarget::Agent(_) | RevocationTarget::All(_) => {}
        },
        Body::CallDenied(denied) => {
            terms.who(&denied.who);
            terms.add("action", &denied.action_id);
            denied.approval_id.iter().for_each(|id| terms.id(id));
        }
        Body::CallHeld(held) => {
            terms.call(&held.call);
            terms.id(&held.approval_id);
        }
        Body::ApprovalDecided(decided) => terms.id(&decided.approval_id),
        Body::StandingRevoked(revoked) => terms.id(&revoked.approval_id),
        Body::CallIntent(intent) => {
            terms.call(&intent.call);
            terms.id(&intent.grant_id);
            intent.approval.iter().for_each(|approval| terms.id(&approval.id));
        }
        Body::CallOutcome(receipt) => {
            terms.add("principal", &receipt.principal);
            terms.add("action", &receipt.action.id);
            terms.id(&receipt.receipt_id);
            terms.id(&receipt.grant_id);
            terms.id(&receipt.session_id);
            receipt.approval.iter().for_each(|approval| terms.id(&approval.id));
        }
        Body::OutcomeResolved(resolved) => terms.id(&resolved.receipt_id),
        Body::PayloadsForgotten(forgotten) => match &forgotten.of {
            Forgotten::Receipt(receipt) => terms.id(receipt),
            Forgotten::Session(session) => terms.id(session),
            Forgotten::Before(_) | Forgotten::Retention { .. } => {}
        },
        Body::JailStarted(JailStarted { jail, .. })
        | Body::JailConnected(JailConnected { jail, .. })
        | Body::JailEnded(JailEnded { jail, .. }) => {
            terms.add("principal", &Principal::Jail(jail.clone()));
        }
        Body::GateStarted(_)
        | Body::GateRecovered(_)
        | Body::GateStopped(_)
        | Body::ConfigChanged(_)
        | Body::OperatorsChanged(_)
        | Body::AgentsChanged(_)
        | Body::SecretsChanged(_)
        | Body::KeyRotated(_)
        | Body::NotifyChanged(_)
        | Body::NotifyDelivered(_)
        | Body::NotifyFailed(_)
        | Body::NotifyAsked(_)
        | Body::CallsDelivered(_)
        | Body::ClockAccepted(_)
        | Body::RefusalsCounted(_) => {}
    }
    terms.0
}

struct Terms(Vec<Term>);

impl Terms {
    fn add(&mut self, kind: &str, name: &impl ToString) {
        self.0.push(term(kind, &name.to_string()));
    }

    fn id(&mut self, id: &impl ToString) {
        self.add("id", id);
    }

    fn who(&mut self, who: &Who) {
        self.add("principal", &who.principal);
        self.id(&who.session_id);
        self.id(&who.lease_jti);
    }

    fn call(&mut self, call: &Call) {
        self.who(&call.who);
        self.add("action", &call.action.id);
    }
}

fn term(kind: &str, name: &str) -> Term {
    format!("{kind}:{name}")
}
