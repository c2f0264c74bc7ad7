//! Claim and redemption of one approval under every order that a scheduler can find.
//!
//! Real here: the rules of the log, [`State::admit`] and [`State::apply`], which the writer asks in exactly this way for
//! every commit of a batch. Modelled: the queue (one channel into one thread that owns the state and takes whatever waits as
//! a batch), what readers see (a copy of the state, replaced once a batch is durable and before anybody is answered), gate
//! time, and the callers, who do in this order what `calls::approvals` and `pipeline` of the gate do: decide, look, redeem,
//! have the effect, record it, and make void what was not redeemed. Signing, files and the steps of the monitor are left
//! out: what is asked is whether a conditional commit is enough, whatever callers believed they had seen.

use std::sync::Arc;

use shuttle::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::sync::{Mutex, RwLock};
use shuttle::thread;

use super::*;

/// Schedules that are tried of each model. They are the same ones every time.
const SCHEDULES: usize = 1_500;
const SEED: u64 = 20_261_120;

/// Of each thread: the default of 32 KiB is too little for the fold of a debug build.
const STACK_BYTES: usize = 1 << 20;

type Answer = Result<u64, Objection>;

struct Job {
    body: Body,
    answer: Sender<Answer>,
}

/// What everybody shares: the way to the writer, what is durable, and the world outside.
struct Gate {
    jobs: Mutex<Sender<Job>>,
    seen: RwLock<State>,
    log: Mutex<Vec<Entry>>,
    now_ms: AtomicI64,
    effects: AtomicUsize,
    grants: AtomicUsize,
    held: CallHeld,
}

/// The single writer: owns the state until nobody can ask any more.
fn write(gate: &Gate, mut state: State, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut batch = vec![first];
        batch.extend(std::iter::from_fn(|| jobs.try_recv().ok()));
        let mut answers = Vec::new();
        for Job { body, answer } in batch {
            let now = at(gate.now_ms.load(Ordering::SeqCst)).max(state.last_time().unwrap());
            answers.push((answer, accept(&mut state, body, now, &gate.log)));
        }
        gate.seen.write().unwrap().clone_from(&state);
        for (answer, verdict) in answers {
            let _gone = answer.send(verdict);
        }
    }
}

fn accept(state: &mut State, body: Body, now: Timestamp, log: &Mutex<Vec<Entry>>) -> Answer {
    state.admit(&body, now)?;
    let seq = state.size();
    let entry = Entry { v: FORMAT, seq, time: now, gate: ORIGIN.into(), trace_id: None, body };
    state.apply(&entry);
    log.lock().unwrap().push(entry);
    Ok(seq)
}

impl Gate {
    fn commit(&self, body: Body) -> Answer {
        let (answer, verdict) = channel();
        self.jobs.lock().unwrap().send(Job { body, answer }).unwrap();
        verdict.recv().unwrap()
    }

    /// What a reader knows of the approval.
    fn approval(&self) -> Approval {
        self.seen.read().unwrap().approval(self.held.approval_id).unwrap().clone()
    }

    fn decide(&self, operator: &str, decision: Decision) -> Answer {
        let signed =
            Signed { operator: operator.into(), jkt: operator.into(), body: "{}".into(), proof: "p".into() };
        let signed = matches!(decision, Decision::Approved | Decision::Denied).then_some(signed);
        self.commit(Body::ApprovalDecided(ApprovalDecided { signed, ..decided(&self.held, decision) }))
    }

    /// An operator's approval, and the execution behind it.
    fn approve(&self, operator: &str) {
        if self.decide(operator, Decision::Approved).is_ok() {
            self.execute();
        }
    }

    /// Of a call that is approved as far as can be seen. A start does the same with what an earlier process left.
    fn execute(&self) {
        let approval = self.approval();
        let (ApprovalStatus::Approved, Some(approved)) = (approval.status, approval.approved) else { return };
        let now = at(self.now_ms.load(Ordering::SeqCst)).as_ms() as u64;
        let grant = GrantId::new(now, self.grants.fetch_add(1, Ordering::SeqCst) as u128);
        let intent = CallIntent { approval: Some(approved), ..intent(grant, self.held.call.clone()) };
        match self.commit(Body::CallIntent(intent.clone())) {
            Ok(seq) => {
                self.effects.fetch_add(1, Ordering::SeqCst);
                self.commit(Body::CallOutcome(outcome(seq, &intent))).expect("the outcome of an open intent");
            }
            Err(_) => {
                let _refused_if_redeemed = self.decide("", Decision::Void);
            }
        }
    }

    /// The principal's leases end, and with them what waits: as the gate does behind the entry.
    fn revoke(&self) {
        let target = RevocationTarget::Principal(who().principal);
        let revoked = LeaseRevoked { target, operator: "ana".into(), reason: None, proof: None };
        self.commit(Body::LeaseRevoked(revoked)).expect("a revocation");
        if self.approval().status == ApprovalStatus::Pending {
            let _decided_meanwhile = self.decide("", Decision::Void);
        }
    }

    fn expire(&self) {
        self.now_ms.store(HOUR, Ordering::SeqCst);
        let _decided_meanwhile = self.decide("", Decision::Expired);
    }
}

type Caller = fn(&Gate);

/// Lets the callers at a held call, in many orders. At the end: one effect at most, one end at most, an effect exactly where
/// the end is a redemption, none behind a revocation or the end of the time, and a log that another fold admits entry by entry.
fn check(call: fn() -> Call, approvers: Option<u32>, callers: &'static [Caller]) {
    let model = move || run(call(), approvers, callers);
    let mut config = shuttle::Config::default();
    config.stack_size = STACK_BYTES;
    let random = shuttle::scheduler::RandomScheduler::new_from_seed(SEED, SCHEDULES);
    shuttle::Runner::new(random, config.clone()).run(model);
    let adverse = shuttle::scheduler::PctScheduler::new_from_seed(SEED, 3, SCHEDULES);
    shuttle::Runner::new(adverse, config).run(model);
}

fn run(call: Call, approvers: Option<u32>, callers: &'static [Caller]) {
    let people = [("ana", "ana", Role::Admin), ("bob", "bob", Role::Approver)];
    let held = CallHeld { approvers, ..held(1, asked(call)) };
    let first =
        [config("p"), operators(&people), lease(who(), Budgets::default()), Body::CallHeld(held.clone())];
    let (mut state, log) = (State::default(), Mutex::default());
    for body in first {
        accept(&mut state, body, at(0), &log).expect("what the model begins with");
    }
    let (jobs, waiting) = channel();
    let gate = Arc::new(Gate {
        jobs: Mutex::new(jobs),
        seen: RwLock::new(state.clone()),
        log,
        now_ms: AtomicI64::new(0),
        effects: AtomicUsize::new(0),
        grants: AtomicUsize::new(1),
        held,
    });
    let writing = thread::spawn({
        let gate = Arc::clone(&gate);
        move || write(&gate, state, &waiting)
    });
    let calling: Vec<_> = callers
        .iter()
        .map(|caller| {
            let gate = Arc::clone(&gate);
            thread::spawn(move || caller(&gate))
        })
        .collect();
    calling.into_iter().for_each(|caller| caller.join().unwrap());
    // Hangs up: the writer ends with the last of those who could ask.
    let (nobody, _) = channel();
    *gate.jobs.lock().unwrap() = nobody;
    writing.join().unwrap();
    assert_told_once(&gate);
}

fn assert_told_once(gate: &Gate) {
    let (log, effects) = (gate.log.lock().unwrap(), gate.effects.load(Ordering::SeqCst));
    let ended = |entry: &&Entry| match &entry.body {
        Body::ApprovalDecided(decided) => decided.decision != Decision::Approved,
        Body::CallIntent(_) => true,
        _ => false,
    };
    let ends = log.iter().filter(ended).count();
    let status = gate.approval().status;
    assert!(effects <= 1, "{effects} effects");
    assert!(ends <= 1, "{ends} ends: {log:#?}");
    assert_eq!(effects == 1, status == ApprovalStatus::Redeemed, "{status:?}");
    let is_intent = |entry: &Entry| matches!(entry.body, Body::CallIntent(_));
    let is_revocation = |entry: &Entry| matches!(entry.body, Body::LeaseRevoked(_));
    let behind = log.iter().skip_while(|entry| !is_revocation(entry));
    assert!(!behind.into_iter().any(is_intent), "executed after a revocation: {log:#?}");
    let late = log.iter().find(|entry| is_intent(entry) && entry.time >= gate.held.expires_at);
    assert!(late.is_none(), "executed after its end: {late:#?}");
    let mut again = State::default();
    for entry in log.iter() {
        again.admit(&entry.body, entry.time).expect("an entry that was admitted");
        again.apply(entry);
    }
    assert_eq!(again, *gate.seen.read().unwrap(), "what is folded again is what was published");
}

const ANA: Caller = |gate| gate.approve("ana");
const BOB: Caller = |gate| gate.approve("bob");
const DENY: Caller = |gate| {
    let _decided_meanwhile = gate.decide("ana", Decision::Denied);
};
const REDEEM: Caller = Gate::execute;
const REVOKE: Caller = Gate::revoke;
const EXPIRE: Caller = Gate::expire;

#[test]
fn of_two_approvals_and_a_start_that_takes_up_what_was_approved_one_redeems() {
    check(|| call(1), None, &[ANA, BOB, REDEEM, REDEEM]);
    // Calls of reads join nothing, so that nothing but the approval stands between two executions.
    check(|| read_call(1), None, &[ANA, BOB, REDEEM, REDEEM]);
}

#[test]
fn an_approval_races_a_denial_a_revocation_and_its_end() {
    check(|| call(1), None, &[ANA, REDEEM, DENY, REVOKE]);
    check(|| call(1), None, &[ANA, REDEEM, EXPIRE, REVOKE]);
}

#[test]
fn a_quorum_races_its_own_people_and_a_denial() {
    check(|| call(1), Some(2), &[ANA, ANA, BOB, REDEEM]);
    check(|| call(1), Some(2), &[ANA, BOB, DENY, REVOKE]);
}

/// By oneself, twice at once, nothing comes of it.
#[test]
fn one_person_twice_is_no_quorum_in_any_order() {
    const TWICE: Caller = |gate| {
        gate.approve("ana");
        assert_eq!(gate.approval().status, ApprovalStatus::Pending);
    };
    check(|| call(1), Some(2), &[TWICE, TWICE, REDEEM]);
}
