//! What the log means: the state that decides which entry may come next, a pure fold over the entries so far.
//!
//! The writer folds entries as it accepts them, readers see a second fold of what is synced, start-up and `verify` fold the
//! log again: one set of rules for all. Invariant: [`State::admit`] is total and changes nothing; [`State::apply`] never
//! fails, whatever it is given, so that a log that was signed can always be read back.

mod approvals;
mod calls;
mod grants;
mod notify;
mod people;
mod rates;
mod revocations;
mod rules;
mod secrets;
mod sessions;
mod standings;
mod usage;

use std::collections::{BTreeMap, HashMap};

use latchgate_monitor::ports::{Approval, ApprovalStatus, CallIdentity, Refusal, StandingApproval};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::{
    ApprovalDecided, Body, Call, CallIntent, ConfigChanged, Decision, Entry, OperatorKey, Resolution,
};
use latchgate_wire::ids::{ApprovalId, SessionId};
use latchgate_wire::notify::ReceiversChanged;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{Cost, Limit, Receipt, Who, Window};
use latchgate_wire::secret::{SecretName, SecretNote};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

pub use calls::{OpenCall, Standing};
pub use notify::{Dead, Receiver};

/// How long answers, keys and approvals are remembered (contract: Once).
pub const MEMORY_MS: i64 = 24 * 60 * 60 * 1000;

/// Raised whenever the same entries come to another state than before: what was sealed under another number is not taken up.
pub const FOLD: u32 = 1;

/// How often, in gate time, what nobody can ask for any more is dropped.
const SWEEP_MS: i64 = 60 * 60 * 1000;

/// Why an entry does not fit behind the log.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Objection {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The call is one that is live already; the place of its outcome, where there is one, is given by `seq`.
    #[error("the call joins one that is live or waits for delivery")]
    Joined(Standing),
    /// No caller can cause this: the entry contradicts itself or the log.
    #[error("{0}")]
    Invalid(&'static str),
}

/// The state after some number of entries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    size: u64,
    last_time: Option<Timestamp>,
    swept_at: Option<Timestamp>,
    config: Option<ConfigChanged>,
    revocations: revocations::Revocations,
    sessions: sessions::Sessions,
    grants: grants::Grants,
    approvals: approvals::Approvals,
    calls: calls::Calls,
    rates: rates::Rates,
    usage: usage::Usage,
    standings: standings::Standings,
    cool_downs: HashMap<calls::RequestId, CoolDown>,
    people: people::People,
    secrets: secrets::Secrets,
    notify: notify::Receivers,
}

/// A denial that answers for its like, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CoolDown {
    until: Timestamp,
    reason: Option<String>,
}

impl State {
    /// Whether an entry with this body may follow at this time.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn admit(&self, body: &Body, now: Timestamp) -> Result<(), Objection> {
        match body {
            Body::LeaseIssued(issued) => self.admit_lease(issued, now),
            Body::CallHeld(held) => self.admit_held(held, now),
            Body::ApprovalDecided(decided) => self.admit_decision(decided, now),
            Body::CallIntent(intent) => self.admit_intent(intent, now),
            Body::CallOutcome(receipt) => self.admit_outcome(receipt),
            Body::StandingRevoked(revoked) => self.admit_standing_revoked(revoked),
            Body::OperatorsChanged(changed) => self.admit_operators(changed),
            Body::AgentsChanged(changed) => self.admit_change(changed.signed.as_ref()),
            Body::ConfigChanged(config) => self.admit_config(config),
            Body::KeyRotated(rotated) => self.admit_change(Some(&rotated.signed)),
            Body::OutcomeResolved(resolved) => self.admit_resolution(resolved),
            Body::PayloadsForgotten(forgotten) => self.admit_forgotten(forgotten),
            Body::NotifyDelivered(delivered) => self.notify.admit_delivered(delivered, self.size),
            Body::NotifyFailed(failed) => self.notify.admit_failed(failed, self.size),
            Body::NotifyAsked(asked) => {
                self.notify.admit_asked(asked)?;
                self.admit_change(Some(&asked.signed))
            }
            Body::GateStarted(_)
            | Body::GateRecovered(_)
            | Body::GateStopped(_)
            | Body::JailStarted(_)
            | Body::JailConnected(_)
            | Body::JailEnded(_)
            | Body::LeaseRevoked(_)
            | Body::CallDenied(_)
            | Body::NotifyChanged(_)
            | Body::CallsDelivered(_)
            | Body::SecretsChanged(_)
            | Body::ClockAccepted(_)
            | Body::RefusalsCounted(_) => Ok(()),
        }
    }

    /// Takes the entry in.
    pub fn apply(&mut self, entry: &Entry) {
        let now = entry.time;
        match &entry.body {
            // What is in force, not who put it there.
            Body::ConfigChanged(config) => {
                self.config = Some(ConfigChanged { allowance: None, ..config.clone() });
            }
            Body::LeaseIssued(issued) => self.sessions.issued(issued),
            Body::LeaseRevoked(revoked) => self.revocations.revoke(&revoked.target, now),
            Body::CallHeld(held) => {
                self.approvals.held(held, entry);
                self.calls.held(held, now);
            }
            Body::ApprovalDecided(decided) => self.apply_decision(decided, now),
            Body::StandingRevoked(revoked) => self.standings.revoked(revoked.approval_id),
            Body::OperatorsChanged(changed) => self.people.operators_changed(changed),
            Body::AgentsChanged(changed) => self.people.agents_changed(changed),
            Body::SecretsChanged(changed) => self.secrets.changed(changed),
            Body::CallIntent(intent) => self.apply_intent(intent, entry),
            Body::CallOutcome(receipt) => self.apply_outcome(receipt, entry),
            Body::CallsDelivered(delivered) => self.calls.delivered(&delivered.intents),
            Body::OutcomeResolved(resolved) => self.calls.resolved(resolved, now),
            Body::NotifyChanged(changed) => self.notify.changed(changed, entry.seq),
            Body::NotifyDelivered(delivered) => self.notify.delivered(delivered),
            Body::NotifyFailed(failed) => self.notify.failed(failed, now),
            Body::NotifyAsked(asked) => self.notify.asked(asked),
            Body::GateStarted(_)
            | Body::GateRecovered(_)
            | Body::GateStopped(_)
            | Body::JailStarted(_)
            | Body::JailConnected(_)
            | Body::JailEnded(_)
            | Body::CallDenied(_)
            | Body::KeyRotated(_)
            | Body::PayloadsForgotten(_)
            | Body::ClockAccepted(_)
            | Body::RefusalsCounted(_) => {}
        }
        self.size = entry.seq.saturating_add(1);
        self.last_time = Some(now);
        self.sweep(now);
    }

    fn apply_decision(&mut self, decided: &ApprovalDecided, now: Timestamp) {
        self.approvals.decided(decided, now);
        let Some(approval) = self.approvals.named(decided.approval_id) else { return };
        if let (Some(reach), ApprovalStatus::Approved) = (&decided.reach, approval.status) {
            self.standings.granted(approval, reach);
        }
        if let (Some(until), Decision::Denied) = (decided.cool_down_until, decided.decision) {
            let cool_down = CoolDown { until, reason: decided.reason.clone() };
            self.cool_downs.insert(request_of(&approval.held.call), cool_down);
        }
    }

    fn apply_intent(&mut self, intent: &CallIntent, entry: &Entry) {
        self.grants.consume(intent.grant_id, entry.time);
        self.sessions.reserve(&intent.call.who.session_id, intent.cost);
        self.usage.reserve(&intent.call.who.principal, intent.cost, entry.time);
        self.rates.count(&intent.call.policy, entry.time);
        match (&intent.approval, intent.pins) {
            (Some(approval), None) => self.approvals.redeemed(approval.id, entry.seq),
            (Some(approval), Some(_)) => self.standings.used(approval.id),
            (None, _) => {}
        }
        self.calls.intent(intent, entry);
    }

    fn apply_outcome(&mut self, receipt: &Receipt, entry: &Entry) {
        let Some(open) = self.calls.finished(receipt, entry.seq, entry.time) else { return };
        let unspent = open.intent.cost.less(receipt.cost);
        self.sessions.release(&open.intent.call.who.session_id, unspent);
        self.usage.release(&open.intent.call.who.principal, unspent, open.time);
    }

    /// What was dropped here was out of reach before: no answer changes by it.
    fn sweep(&mut self, now: Timestamp) {
        let due = self.swept_at.is_none_or(|at| now.since(at) >= SWEEP_MS);
        if !due {
            return;
        }
        self.swept_at = Some(now);
        self.sessions.sweep(now);
        self.rates.sweep(now);
        self.usage.sweep(now);
        self.standings.sweep(now);
        self.cool_downs.retain(|_, cool_down| now < cool_down.until);
        self.approvals.sweep(now, &self.calls);
        let approvals = &self.approvals;
        self.calls.sweep(now, |id| approvals.waits(id, now));
    }

    /// A receiver of notifications: how far it was told, and its dead letters.
    pub fn receiver(&self, name: &str) -> Option<&Receiver> {
        self.notify.named(name)
    }

    /// Who is told of what, as the log says.
    pub fn receivers(&self) -> ReceiversChanged {
        self.notify.all()
    }

    /// The number of entries folded.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    /// Policy and actions in force.
    pub fn config(&self) -> Option<&ConfigChanged> {
        self.config.as_ref()
    }

    pub fn is_revoked(&self, who: &Who) -> bool {
        self.revocations.covers(who)
    }

    /// What is left of a session's call budget; `None` if it has none. A session that was never opened has nothing left.
    pub fn calls_left(&self, session: &SessionId) -> Option<u64> {
        self.sessions.calls_left(session)
    }

    /// What counts against a budget of this window, settled and reserved.
    pub fn used(&self, who: &Who, window: Window, now: Timestamp) -> Cost {
        match window {
            Window::Session => self.sessions.named(&who.session_id).map(|s| s.used()).unwrap_or_default(),
            Window::Hour | Window::Day => self.usage.within(&who.principal, window, now),
        }
    }

    /// Every principal of the last day with what it used up within a window.
    pub fn spent(&self, window: Window, now: Timestamp) -> BTreeMap<String, Cost> {
        let of = |principal: &Principal| (principal.to_string(), self.usage.within(principal, window, now));
        self.usage.principals().map(of).collect()
    }

    /// Whether a limit leaves room for so much more.
    fn has_room(&self, who: &Who, limit: &Limit, cost: Cost, now: Timestamp) -> bool {
        limit.admits(self.used(who, limit.window, now).plus(cost))
    }

    /// Standing approvals that may answer a call of this caller; which of them does is told by their pins.
    pub fn standings_for(&self, who: &Who, action_id: &str, now: Timestamp) -> Vec<StandingApproval> {
        let live = self.standings.of(who, action_id, now).filter(|s| !self.is_revoked(&s.who));
        live.cloned().collect()
    }

    /// Standing approvals in force.
    pub fn standings(&self, now: Timestamp) -> Vec<StandingApproval> {
        let live = self.standings.all().filter(|s| standings::is_live(s, now) && !self.is_revoked(&s.who));
        live.cloned().collect()
    }

    pub fn operators(&self) -> &BTreeMap<String, OperatorKey> {
        self.people.operators()
    }

    /// Thumbprint of each enrolled agent's key, by name.
    pub fn agents(&self) -> &BTreeMap<String, String> {
        self.people.agents()
    }

    /// Which secrets the store holds.
    pub fn secrets(&self) -> &BTreeMap<SecretName, SecretNote> {
        self.secrets.notes()
    }

    /// The live call that this one joins, or the one that its key names.
    pub fn prior(&self, identity: &CallIdentity, now: Timestamp) -> Option<Standing> {
        let hash = calls::RequestId::of(&identity.principal, &identity.action_id, &identity.request_hash);
        let key = identity.idempotency_key.as_deref();
        let key = key.map(|key| calls::KeyId::of(&identity.principal, &identity.action_id, key));
        self.standing(hash, key, &identity.request_hash, identity.is_read, now)
    }

    fn prior_of(&self, call: &Call, now: Timestamp) -> Option<Standing> {
        let hash = request_of(call);
        let key = call.idempotency_key.as_deref();
        let key = key.map(|key| calls::KeyId::of(&call.who.principal, &call.action.id, key));
        self.standing(hash, key, &call.request_hash, call.is_read, now)
    }

    fn standing(
        &self,
        hash: calls::RequestId,
        key: Option<calls::KeyId>,
        request_hash: &Digest,
        is_read: bool,
        now: Timestamp,
    ) -> Option<Standing> {
        let held = |id| self.approvals.waits(id, now);
        match key {
            // A key makes its own identity: a new key is a new call.
            Some(key) => self.calls.by_key(&key, request_hash, now, held),
            None if is_read => None,
            None => self.calls.by_request(&hash, now, held),
        }
    }

    pub fn approval(&self, id: ApprovalId) -> Option<&Approval> {
        self.approvals.named(id)
    }

    pub fn approvals(&self) -> impl Iterator<Item = &Approval> {
        self.approvals.all()
    }

    pub fn approvals_pending(&self, now: Timestamp) -> usize {
        self.approvals().filter(|a| a.status == ApprovalStatus::Pending && now < a.held.expires_at).count()
    }

    /// Intents without an outcome, by `seq`.
    pub fn open_calls(&self) -> impl Iterator<Item = (u64, &OpenCall)> {
        self.calls.open()
    }

    pub fn open_len(&self) -> usize {
        self.calls.open_len()
    }

    pub fn is_open(&self, intent_seq: u64) -> bool {
        self.calls.is_open(intent_seq)
    }

    /// Where the outcome of an intent lies, if it is still remembered.
    pub fn outcome_seq(&self, intent_seq: u64) -> Option<u64> {
        self.calls.outcome_seq(intent_seq)
    }

    pub fn unknown_len(&self) -> usize {
        self.calls.unknown().count()
    }

    /// Where the outcomes lie that may have happened and that nobody has resolved, in the order of the log.
    pub fn unknown(&self) -> Vec<u64> {
        let mut unknown: Vec<_> = self.calls.unknown().collect();
        unknown.sort_unstable();
        unknown
    }

    /// What an operator found out about the call of an intent, while its outcome is remembered.
    pub fn resolution(&self, intent_seq: u64) -> Option<Resolution> {
        self.calls.resolution(intent_seq)
    }
}

fn request_of(call: &Call) -> calls::RequestId {
    calls::RequestId::of(&call.who.principal, &call.action.id, &call.request_hash)
}

#[cfg(test)]
mod tests;
