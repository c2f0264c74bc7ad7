//! The state held against the reference, entry by entry, over logs drawn from one printed seed: both admit the same, and say the
//! same of what was admitted. `LATCHGATE_FOLD_COMMITS` says how many are tried, `LATCHGATE_CRASH_SEED` where it begins.

use super::reference::{Prior, Reference};
use super::*;

const COMMITS_DEFAULT: u64 = 60_000;
/// Of one log: the reference looks through all of it each time.
const LOG_LEN: u64 = 150;
/// Kinds of entries that are drawn.
const KINDS: usize = 10;

/// splitmix64.
struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}

/// A log that grows in both.
struct Pair {
    state: State,
    reference: Reference,
    now: Timestamp,
    chance: Chance,
    /// The newest lease of each session, by number.
    leases: Vec<Who>,
    approvals: u128,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let (state, reference) = (State::default(), Reference::default());
        let mut pair =
            Self { state, reference, now: at(0), chance: Chance(seed), leases: Vec::new(), approvals: 0 };
        let people = [("ana", "a", Role::Admin), ("bob", "b", Role::Approver), ("eve", "e", Role::Viewer)];
        pair.step(config("p"));
        pair.step(operators(&people));
        for session in 0..3 {
            let lease = pair.lease(session);
            pair.step(lease);
        }
        pair
    }

    /// One entry, tried on both; whether it was admitted.
    fn step(&mut self, body: Body) -> bool {
        let (found, expected) = (self.state.admit(&body, self.now), self.reference.admits(&body, self.now));
        assert_eq!(found.is_ok(), expected, "{found:?} at {:?}: {body:#?}", self.now);
        if expected {
            if let Body::LeaseIssued(issued) = &body {
                let at = self.leases.iter_mut().find(|who| who.session_id == issued.who.session_id);
                match at {
                    Some(who) => *who = issued.who.clone(),
                    None => self.leases.push(issued.who.clone()),
                }
            }
            let (seq, time) = (self.reference.len(), self.now);
            self.reference.push(time, body.clone());
            self.state.apply(&Entry { v: FORMAT, seq, time, gate: ORIGIN.into(), trace_id: None, body });
        }
        expected
    }

    fn agree(&mut self) {
        let open: Vec<_> = self.state.open_calls().map(|(seq, _)| seq).collect();
        assert_eq!(open, self.reference.open());
        let outcomes = |seq: u64| self.state.outcome_seq(seq).expect("an unknown outcome");
        let unknown: Vec<_> = self.reference.unknown().into_iter().map(outcomes).collect();
        let mut sorted = unknown;
        sorted.sort_unstable();
        assert_eq!(self.state.unknown(), sorted);
        assert_eq!(self.state.approvals_pending(self.now), self.reference.waiting(self.now).count());
        for who in &self.leases {
            assert_eq!(self.state.calls_left(&who.session_id), self.reference.calls_left(&who.session_id));
            assert_eq!(self.state.is_revoked(who), self.reference.is_revoked(who));
        }
        let call = self.call();
        let found = self.state.prior_of(&call, self.now).map(|standing| match standing {
            Standing::Mismatch => Prior::Mismatch,
            Standing::Held { .. } => Prior::Held,
            Standing::Running { .. } => Prior::Running,
            Standing::Finished { .. } => Prior::Finished,
            Standing::Unknown { .. } => Prior::Unknown,
        });
        assert_eq!(found, self.reference.prior(&call, self.now), "at {:?}: {call:#?}", self.now);
    }

    fn lease(&mut self, session: u64) -> Body {
        let made = T0 + self.now.as_ms() - at(0).as_ms();
        let who = Who {
            principal: Principal::Uid(1000 + (session % 2) as u32),
            session_id: SessionId::new(T0 as u64, u128::from(session)),
            lease_jti: LeaseId::new(made as u64, u128::from(self.chance.draw())),
            agent: Some(self.chance.of(&["a", "b"]).into()),
        };
        let budget = |chance: &mut Chance, max| (chance.below(3) == 0).then(|| 5 + chance.below(max));
        let budgets = Budgets {
            max_calls: budget(&mut self.chance, 60),
            max_cost_usd_cents: budget(&mut self.chance, 100),
        };
        let end = at(60 * 24 * HOUR);
        let issued = LeaseIssued {
            who,
            jkt: "jkt".into(),
            scopes: Vec::new(),
            budgets,
            expires_at: end,
            session_expires_at: end,
            renews: None,
            proof: None,
        };
        Body::LeaseIssued(issued)
    }

    fn call(&mut self) -> Call {
        let n = self.chance.below(5);
        let mut call = Call { is_read: n == 4, ..call(n) };
        if let Some(who) = (!self.leases.is_empty()).then(|| self.chance.below(self.leases.len() as u64)) {
            call.who = self.leases[who as usize].clone();
        }
        call.idempotency_key = self.chance.of(&[None, None, Some("k"), Some("l")]).map(str::to_owned);
        call.policy.verdict = self.chance.of(&[Verdict::Allow, Verdict::Allow, Verdict::Ask]);
        if self.chance.below(30) == 0 {
            call.policy.digest = Digest::of(b"another policy");
        }
        call
    }

    fn signed(&mut self) -> Signed {
        let (operator, jkt) = self.chance.of(&[
            ("ana", "a"),
            ("bob", "b"),
            ("bob", "b"),
            ("eve", "e"),
            ("bob", "x"),
            ("joe", "j"),
        ]);
        Signed { operator: operator.into(), jkt: jkt.into(), body: "{}".into(), proof: "p".into() }
    }

    /// A held call of the last hours: of older ones nobody asks.
    fn recent(&mut self) -> Option<CallHeld> {
        let recent = |(at, _): &(Timestamp, &CallHeld)| self.now.since(*at) < 20 * HOUR;
        let held: Vec<_> = self.reference.all_held().filter(recent).map(|(_, held)| held.clone()).collect();
        (!held.is_empty()).then(|| held[self.chance.below(held.len() as u64) as usize].clone())
    }

    fn intent(&mut self) -> CallIntent {
        let fresh = GrantId::new(self.now.as_ms() as u64, u128::from(self.chance.draw()));
        let used = self.reference.open().first().and_then(|seq| self.reference.intent_at(*seq));
        let grant =
            used.map(|intent| intent.grant_id).filter(|_| self.chance.below(20) == 0).unwrap_or(fresh);
        let call = self.call();
        let cost = Cost { calls: 1, usd_cents: self.chance.below(10), ..Cost::default() };
        let intent = CallIntent { cost, ..intent(grant, call) };
        let Some(held) = self.recent().filter(|_| self.chance.below(3) == 0) else { return intent };
        let yes: Vec<_> =
            self.reference.said_yes(held.approval_id).map(|(at, s)| (at, s.operator.clone())).collect();
        let Some((decided_at, _)) = yes.last() else { return intent };
        let names: Vec<_> = yes.iter().map(|(_, name)| name.as_str()).collect();
        let scope = ApprovalScope::Once;
        let approval =
            ApprovalRef { id: held.approval_id, operator: names.join(","), decided_at: *decided_at, scope };
        let call = if self.chance.below(10) == 0 { intent.call } else { held.call };
        CallIntent { call, approval: Some(approval), ..intent }
    }

    fn outcome(&mut self) -> Body {
        let seq = self.chance.below(self.reference.len());
        let open = self.reference.open();
        let seq = if open.is_empty() || self.chance.below(10) == 0 { seq } else { self.chance.of(&open) };
        let Some(of) = self.reference.intent_at(seq).cloned() else {
            return Body::CallOutcome(outcome(seq, &intent(grant(1), call(1))));
        };
        let make = self.chance.of(&[outcome, outcome, harmless_outcome, unknown_outcome]);
        let mut receipt = make(seq, &of);
        receipt.cost.usd_cents = self.chance.below(of.cost.usd_cents + 2);
        Body::CallOutcome(receipt)
    }

    /// Something that may fit, and the number of its kind.
    fn body(&mut self) -> (usize, Body) {
        match self.chance.below(100) {
            0..36 => (0, Body::CallIntent(self.intent())),
            36..62 => (1, self.outcome()),
            62..72 => {
                self.approvals += 1;
                let (call, approvers) =
                    (self.call(), self.chance.of(&[None, None, Some(1), Some(2), Some(0)]));
                let id = self.recent().map(|held| held.approval_id).filter(|_| self.chance.below(20) == 0);
                let hours = 1 + self.chance.below(3) as i64;
                let held = CallHeld {
                    approval_id: id.unwrap_or_else(|| approval_id(self.approvals)),
                    expires_at: self.now.plus_ms(hours * HOUR),
                    lease_expires_at: self.now.plus_ms(self.chance.of(&[0, HOUR, HOUR])),
                    approvers,
                    held_max: self.chance.of(&[None, Some(3)]),
                    ..held(1, call)
                };
                (2, Body::CallHeld(held))
            }
            72..82 => {
                let Some(held) = self.recent() else { return (9, config("p")) };
                let decision = self.chance.of(&[
                    Decision::Approved,
                    Decision::Approved,
                    Decision::Approved,
                    Decision::Denied,
                    Decision::Expired,
                    Decision::Void,
                ]);
                let by_person = matches!(decision, Decision::Approved | Decision::Denied);
                let signed = by_person.then(|| self.signed());
                let cool_down_until = self.chance.of(&[None, Some(self.now.plus_ms(2 * HOUR))]);
                let decided = ApprovalDecided { signed, cool_down_until, ..decided(&held, decision) };
                (3, Body::ApprovalDecided(decided))
            }
            82..89 => {
                let seqs =
                    (0..self.chance.below(4)).map(|_| self.chance.below(self.reference.len())).collect();
                (4, Body::CallsDelivered(CallsDelivered { intents: seqs }))
            }
            89..94 => {
                let unknown = self.reference.unknown();
                let seq = self.chance.below(self.reference.len());
                let seq = if unknown.is_empty() { seq } else { self.chance.of(&unknown) };
                let resolution = self.chance.of(&[Resolution::Done, Resolution::NotDone]);
                let receipt_id = latchgate_wire::ids::ReceiptId::new(T0 as u64, u128::from(seq));
                let (note, signed) = (None, self.signed());
                let resolved = OutcomeResolved { receipt_id, intent_seq: seq, resolution, note, signed };
                (5, Body::OutcomeResolved(resolved))
            }
            94..97 => {
                let session = self.chance.below(5);
                (6, self.lease(session))
            }
            97 => {
                let n = self.chance.below(self.leases.len() as u64) as usize;
                let who = self.leases[n].clone();
                let target = match self.chance.below(8) {
                    0 => RevocationTarget::Session(who.session_id),
                    1..4 => RevocationTarget::Lease(who.lease_jti),
                    4 => RevocationTarget::Agent(self.chance.of(&["a", "b"]).into()),
                    5 => RevocationTarget::All(Everything::Everything),
                    _ => RevocationTarget::Principal(who.principal),
                };
                let revoked = LeaseRevoked { target, operator: "ana".into(), reason: None, proof: None };
                (7, Body::LeaseRevoked(revoked))
            }
            98 => {
                let people = [("ana", "a", Role::Admin), ("bob", "b", Role::Approver)];
                let kept = 1 + self.chance.below(2) as usize;
                (8, operators(&people[..kept]))
            }
            _ => (9, config(self.chance.of(&["p", "p", "another policy"]))),
        }
    }

    fn wait(&mut self) {
        let ms = match self.chance.below(40) {
            0 => self.chance.below(26 * HOUR as u64),
            1..4 => self.chance.below(2 * HOUR as u64),
            _ => self.chance.below(20_000),
        };
        self.now = self.now.plus_ms(ms as i64);
    }
}

#[test]
fn the_state_and_the_reference_admit_and_say_the_same() {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
    };
    let (seed, commits) =
        (number("LATCHGATE_CRASH_SEED", 20_261_120), number("LATCHGATE_FOLD_COMMITS", COMMITS_DEFAULT));
    println!("LATCHGATE_CRASH_SEED={seed} LATCHGATE_FOLD_COMMITS={commits}");
    let (mut tried, mut admitted, mut logs) = (0, [0u64; KINDS], 0);
    while tried < commits {
        logs += 1;
        let mut pair = Pair::new(seed.wrapping_mul(1_000_003).wrapping_add(logs));
        for _ in 0..LOG_LEN {
            pair.wait();
            let (kind, body) = pair.body();
            admitted[kind] += u64::from(pair.step(body));
            tried += 1;
            if tried % 4 == 0 {
                pair.agree();
            }
        }
    }
    println!("{tried} commits in {logs} logs, admitted by kind: {admitted:?}");
    assert!(
        admitted.iter().all(|count| *count * 1_000 >= tried),
        "a kind is hardly ever admitted: {admitted:?}"
    );
}
