//! The rules of the log a second time, as its documentation tells them: nothing is kept but the log, and every question is answered
//! by looking through all of it. It forgets nothing, so that what the state forgets must be what nobody can ask for.

use super::*;

const DAY: i64 = 24 * HOUR;

#[derive(Default)]
pub struct Reference {
    log: Vec<(Timestamp, Body)>,
}

/// Where an earlier identical call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prior {
    Mismatch,
    Held,
    Running,
    Finished,
    Unknown,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Running,
    /// Something was done, or it succeeded; since when, and where in the log.
    Answered(Timestamp, usize),
    Harmless,
    Unknown,
}

impl Reference {
    pub fn push(&mut self, time: Timestamp, body: Body) {
        self.log.push((time, body));
    }

    pub fn admits(&self, body: &Body, now: Timestamp) -> bool {
        match body {
            Body::LeaseIssued(new) => {
                let of_session = |old: &&LeaseIssued| old.who.session_id == new.who.session_id;
                let mut before = self.leases().filter(of_session);
                let is_renewal = |old: &LeaseIssued| {
                    old.who.principal == new.who.principal && old.session_expires_at == new.session_expires_at
                };
                let in_time = now < new.session_expires_at && new.expires_at <= new.session_expires_at;
                !self.is_revoked(&new.who) && in_time && before.all(is_renewal)
            }
            Body::CallHeld(held) => {
                let waiting = self.waiting(now).filter(|h| h.call.who.principal == held.call.who.principal);
                self.may_call(&held.call)
                    && now < held.lease_expires_at
                    && held.call.policy.verdict == Verdict::Ask
                    && held.approvers != Some(0)
                    && self.held(held.approval_id).is_none()
                    && self.prior(&held.call, now).is_none()
                    && !self.cools_down(&held.call, now)
                    && waiting.count() < held.held_max() as usize
            }
            Body::ApprovalDecided(decided) => self.admits_decision(decided, now),
            Body::CallIntent(intent) => {
                let used = |(_, i): (usize, &CallIntent)| i.grant_id == intent.grant_id;
                let allowed = match &intent.approval {
                    Some(approval) => self.is_redeemable(approval, &intent.call, now),
                    None => {
                        intent.call.policy.verdict == Verdict::Allow
                            && self.prior(&intent.call, now).is_none()
                    }
                };
                allowed && self.may_call(&intent.call) && !self.intents().any(used) && self.affords(intent)
            }
            Body::CallOutcome(receipt) => {
                let open = self.intents().find(|(seq, _)| *seq as u64 == receipt.intent_seq);
                open.is_some_and(|(seq, intent)| {
                    self.fate(seq) == Fate::Running
                        && intent.grant_id == receipt.grant_id
                        && intent.call.who.session_id == receipt.session_id
                        && intent.approval == receipt.approval
                        && receipt.cost.calls <= intent.cost.calls
                        && receipt.cost.usd_cents <= intent.cost.usd_cents
                })
            }
            Body::OutcomeResolved(resolved) => {
                self.is_operator(Some(&resolved.signed)) && self.unknown().contains(&resolved.intent_seq)
            }
            _ => true,
        }
    }

    fn admits_decision(&self, decided: &ApprovalDecided, now: Timestamp) -> bool {
        let Some((_, held)) = self.held(decided.approval_id) else { return false };
        let status = self.status(decided.approval_id);
        let is_past = now >= held.expires_at;
        let may = match decided.decision {
            Decision::Approved => {
                let by = decided.signed.as_ref().map(|signed| &signed.operator);
                let again =
                    self.said_yes(decided.approval_id).any(|(_, signed)| Some(&signed.operator) == by);
                !is_past
                    && !again
                    && !self.is_revoked(&held.call.who)
                    && self.is_operator(decided.signed.as_ref())
            }
            Decision::Denied => self.is_operator(decided.signed.as_ref()),
            Decision::Expired => is_past,
            Decision::Void => true,
        };
        let open = status == ApprovalStatus::Pending
            || (status == ApprovalStatus::Approved && decided.decision == Decision::Void);
        may && open && held.call.plan.digest == decided.plan_digest
    }

    /// Of calls that are not reads, or that have a name: nobody asks what became of the others.
    pub fn unknown(&self) -> Vec<u64> {
        let asked = |intent: &CallIntent| {
            !intent.call.is_read || intent.call.idempotency_key.is_some() || intent.approval.is_some()
        };
        let unknown = self.intents().filter(|(seq, i)| asked(i) && self.fate(*seq) == Fate::Unknown);
        unknown.map(|(seq, _)| seq as u64).collect()
    }

    pub fn open(&self) -> Vec<u64> {
        let running = self.intents().filter(|(seq, _)| self.fate(*seq) == Fate::Running);
        running.map(|(seq, _)| seq as u64).collect()
    }

    pub fn calls_left(&self, session: &SessionId) -> Option<u64> {
        let leases: Vec<_> = self.leases().filter(|lease| lease.who.session_id == *session).collect();
        if leases.is_empty() {
            return Some(0);
        }
        let max = leases.iter().filter_map(|lease| lease.budgets.max_calls).min()?;
        Some(max.saturating_sub(self.used(session).calls))
    }

    pub fn is_revoked(&self, who: &Who) -> bool {
        let until = |at: &Timestamp| who.lease_jti.time_ms() as i64 <= at.as_ms();
        self.log.iter().any(|(at, body)| match body {
            Body::LeaseRevoked(revoked) => match &revoked.target {
                RevocationTarget::Lease(id) => *id == who.lease_jti,
                RevocationTarget::Session(id) => *id == who.session_id,
                RevocationTarget::Principal(principal) => *principal == who.principal && until(at),
                RevocationTarget::Agent(agent) => Some(agent) == who.agent.as_ref() && until(at),
                RevocationTarget::All(_) => until(at),
            },
            _ => false,
        })
    }

    pub fn prior(&self, call: &Call, now: Timestamp) -> Option<Prior> {
        let calls = self.log.iter().enumerate().rev().filter_map(|(seq, (at, body))| match body {
            Body::CallHeld(held) => Some((seq, *at, &held.call, Some(held.approval_id))),
            Body::CallIntent(intent) => Some((seq, *at, &intent.call, None)),
            _ => None,
        });
        let mut own = calls.filter(|(_, _, c, _)| c.who.principal == call.who.principal);
        let Some(key) = &call.idempotency_key else {
            if call.is_read {
                return None;
            }
            let (seq, _, _, held) =
                own.find(|(_, _, c, _)| !c.is_read && c.request_hash == call.request_hash)?;
            return match held {
                Some(id) => self.waits(id, now).then_some(Prior::Held),
                None => self.standing(seq, now).filter(|_| !self.is_delivered(seq)),
            };
        };
        let (seq, at, named, held) = own.find(|(_, _, c, _)| c.idempotency_key.as_ref() == Some(key))?;
        let is_bound = match held {
            Some(id) => self.waits(id, now),
            None => {
                now.since(at) <= DAY || self.is_unsettled(seq) || self.was_resolved_within_a_day(seq, now)
            }
        };
        match (is_bound, named.request_hash == call.request_hash) {
            (false, _) => None,
            (true, false) => Some(Prior::Mismatch),
            (true, true) if held.is_some() => Some(Prior::Held),
            (true, true) => self.standing(seq, now),
        }
    }

    fn standing(&self, seq: usize, now: Timestamp) -> Option<Prior> {
        match self.fate(seq) {
            Fate::Running => Some(Prior::Running),
            Fate::Unknown => Some(Prior::Unknown),
            Fate::Harmless => None,
            Fate::Answered(at, _) => (now.since(at) <= DAY).then_some(Prior::Finished),
        }
    }

    fn fate(&self, intent: usize) -> Fate {
        let mut fate = Fate::Running;
        for (seq, (at, body)) in self.log.iter().enumerate() {
            match body {
                Body::CallOutcome(receipt) if receipt.intent_seq == intent as u64 => {
                    let succeeded = receipt.result.as_ref().is_some_and(|r| r.kind == ResultKind::Success);
                    fate = match receipt.effects[0].status {
                        EffectStatus::Unknown => Fate::Unknown,
                        EffectStatus::None if !succeeded => Fate::Harmless,
                        EffectStatus::None | EffectStatus::Done => Fate::Answered(*at, seq),
                    };
                }
                Body::OutcomeResolved(resolved) if resolved.intent_seq == intent as u64 => {
                    fate = match resolved.resolution {
                        Resolution::Done => Fate::Answered(*at, seq),
                        Resolution::NotDone => Fate::Harmless,
                    };
                }
                _ => {}
            }
        }
        fate
    }

    fn is_delivered(&self, seq: usize) -> bool {
        let Fate::Answered(_, answered) = self.fate(seq) else { return false };
        self.log[answered..].iter().any(
            |(_, body)| matches!(body, Body::CallsDelivered(delivered) if delivered.intents.contains(&(seq as u64))),
        )
    }

    fn is_unsettled(&self, seq: usize) -> bool {
        matches!(self.fate(seq), Fate::Running | Fate::Unknown)
    }

    fn was_resolved_within_a_day(&self, seq: usize, now: Timestamp) -> bool {
        self.log.iter().any(|(at, body)| {
            matches!(body, Body::OutcomeResolved(resolved) if resolved.intent_seq == seq as u64)
                && now.since(*at) <= DAY
        })
    }

    fn status(&self, id: ApprovalId) -> ApprovalStatus {
        let redeems = |intent: &CallIntent| intent.approval.as_ref().is_some_and(|a| a.id == id);
        if self.intents().any(|(_, intent)| redeems(intent)) {
            return ApprovalStatus::Redeemed;
        }
        let decisions: Vec<_> = self.decisions(id).map(|(_, decided)| decided.decision).collect();
        let needed = self.held(id).map_or(1, |(_, held)| held.approvers.unwrap_or(1) as usize);
        match decisions.iter().find(|decision| **decision != Decision::Approved) {
            Some(Decision::Denied) => ApprovalStatus::Denied,
            Some(Decision::Expired) => ApprovalStatus::Expired,
            Some(_) => ApprovalStatus::Void,
            None if decisions.len() >= needed => ApprovalStatus::Approved,
            None => ApprovalStatus::Pending,
        }
    }

    fn is_redeemable(&self, approval: &ApprovalRef, call: &Call, now: Timestamp) -> bool {
        let Some((_, held)) = self.held(approval.id) else { return false };
        let yes: Vec<_> = self.said_yes(approval.id).collect();
        let names: Vec<_> = yes.iter().map(|(_, signed)| signed.operator.as_str()).collect();
        let is_as_decided = approval.operator == names.join(",")
            && yes.last().is_some_and(|(at, _)| *at == approval.decided_at);
        let same_rule = call.policy.verdict == Verdict::Allow || held.call.policy.rule == call.policy.rule;
        let as_held = Call { policy: held.call.policy.clone(), who: held.call.who.clone(), ..call.clone() };
        self.status(approval.id) == ApprovalStatus::Approved
            && now < held.expires_at
            && is_as_decided
            && same_rule
            && call.policy.verdict != Verdict::Deny
            && call.who.session_id == held.call.who.session_id
            && as_held == held.call
    }

    fn waits(&self, id: ApprovalId, now: Timestamp) -> bool {
        let in_time = self.held(id).is_some_and(|(_, held)| now < held.expires_at);
        in_time && matches!(self.status(id), ApprovalStatus::Pending | ApprovalStatus::Approved)
    }

    pub fn waiting(&self, now: Timestamp) -> impl Iterator<Item = &CallHeld> {
        let pending = move |held: &&CallHeld| {
            now < held.expires_at && self.status(held.approval_id) == ApprovalStatus::Pending
        };
        self.all_held().map(|(_, held)| held).filter(pending)
    }

    fn cools_down(&self, call: &Call, now: Timestamp) -> bool {
        let mut denials = self.log.iter().rev().filter_map(|(_, body)| match body {
            Body::ApprovalDecided(decided) if decided.decision == Decision::Denied => {
                let (_, held) = self.held(decided.approval_id)?;
                let same = held.call.who.principal == call.who.principal
                    && held.call.request_hash == call.request_hash;
                decided.cool_down_until.filter(|_| same)
            }
            _ => None,
        });
        denials.next().is_some_and(|until| now < until)
    }

    fn may_call(&self, call: &Call) -> bool {
        let config = self.log.iter().rev().find_map(|(_, body)| match body {
            Body::ConfigChanged(config) => Some(config),
            _ => None,
        });
        let as_judged = config.is_some_and(|config| {
            config.policy_digest == call.policy.digest
                && config.actions.get(&call.action.id) == Some(&call.action.manifest_digest)
        });
        let mut leases = self.leases();
        let has_session = leases.any(|lease| {
            lease.who.session_id == call.who.session_id && lease.who.principal == call.who.principal
        });
        as_judged && has_session && !self.is_revoked(&call.who)
    }

    fn affords(&self, intent: &CallIntent) -> bool {
        let session = &intent.call.who.session_id;
        let used = self.used(session);
        self.leases().filter(|lease| lease.who.session_id == *session).all(|lease| {
            let Budgets { max_calls, max_cost_usd_cents } = lease.budgets;
            max_calls.is_none_or(|max| used.calls + intent.cost.calls <= max)
                && max_cost_usd_cents.is_none_or(|max| used.usd_cents + intent.cost.usd_cents <= max)
        })
    }

    /// What was spent, and what running calls may still spend.
    fn used(&self, session: &SessionId) -> Cost {
        let mut used = Cost::default();
        for (seq, intent) in self.intents().filter(|(_, i)| i.call.who.session_id == *session) {
            let spent = self.log.iter().find_map(|(_, body)| match body {
                Body::CallOutcome(receipt) if receipt.intent_seq == seq as u64 => Some(receipt.cost),
                _ => None,
            });
            let cost = spent.unwrap_or(intent.cost);
            used.calls += cost.calls;
            used.usd_cents += cost.usd_cents;
        }
        used
    }

    fn is_operator(&self, signed: Option<&Signed>) -> bool {
        let operators = self.log.iter().rev().find_map(|(_, body)| match body {
            Body::OperatorsChanged(changed) => Some(&changed.operators),
            _ => None,
        });
        let known = signed.and_then(|signed| Some((operators?.get(&signed.operator)?, signed)));
        known.is_some_and(|(known, signed)| known.jkt == signed.jkt && known.role != Role::Viewer)
    }

    fn leases(&self) -> impl Iterator<Item = &LeaseIssued> {
        self.log.iter().filter_map(|(_, body)| match body {
            Body::LeaseIssued(issued) => Some(issued),
            _ => None,
        })
    }

    fn intents(&self) -> impl Iterator<Item = (usize, &CallIntent)> {
        self.log.iter().enumerate().filter_map(|(seq, (_, body))| match body {
            Body::CallIntent(intent) => Some((seq, intent)),
            _ => None,
        })
    }

    pub fn all_held(&self) -> impl Iterator<Item = (Timestamp, &CallHeld)> {
        self.log.iter().filter_map(|(at, body)| match body {
            Body::CallHeld(held) => Some((*at, held)),
            _ => None,
        })
    }

    pub fn held(&self, id: ApprovalId) -> Option<(Timestamp, &CallHeld)> {
        self.all_held().find(|(_, held)| held.approval_id == id)
    }

    fn decisions(&self, id: ApprovalId) -> impl Iterator<Item = (Timestamp, &ApprovalDecided)> {
        self.log.iter().filter_map(move |(at, body)| match body {
            Body::ApprovalDecided(decided) if decided.approval_id == id => Some((*at, decided)),
            _ => None,
        })
    }

    pub fn said_yes(&self, id: ApprovalId) -> impl Iterator<Item = (Timestamp, &Signed)> {
        let yes = self.decisions(id).filter(|(_, decided)| decided.decision == Decision::Approved);
        yes.filter_map(|(at, decided)| Some((at, decided.signed.as_ref()?)))
    }

    pub fn intent_at(&self, seq: u64) -> Option<&CallIntent> {
        self.intents().find(|(found, _)| *found as u64 == seq).map(|(_, intent)| intent)
    }

    pub fn len(&self) -> u64 {
        self.log.len() as u64
    }
}
