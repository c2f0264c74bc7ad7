//! What the tests share: entries to commit, a clock to set, a disk that fails.

pub mod disk;

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use ed25519_dalek::SigningKey;
use latchgate_monitor::ports::{Clock, Commit, CommitError, Committed, Durability, Log as _};
use latchgate_wire::digest::Digest;
use latchgate_wire::entry::*;
use latchgate_wire::ids::*;
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::*;
use latchgate_wire::time::Timestamp;
use zeroize::Zeroizing;

use crate::disk::Disk;
use crate::open::Sizes;
use crate::{Ledger, OpenConfig, OpenError, Recovery, payload, sealed, segment};

/// 2026-01-01.
pub const T0: i64 = 1_767_225_600_000;
pub const HOUR: i64 = 3_600_000;
pub const ACTION: &str = "notes_write";

pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_ms(T0 + ms)
}

pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(T0)))
    }

    pub fn advance(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

pub fn session(n: u128) -> SessionId {
    SessionId::new(T0 as u64, n)
}

pub fn who() -> Who {
    Who {
        principal: Principal::Uid(1000),
        session_id: session(1),
        lease_jti: LeaseId::new(T0 as u64, 1),
        agent: Some("tester".into()),
    }
}

pub fn config(policy: &str) -> Body {
    Body::ConfigChanged(ConfigChanged {
        policy_digest: Digest::of(policy.as_bytes()),
        actions: [(ACTION.to_owned(), Digest::of(b"manifest"))].into(),
        allowance: None,
    })
}

pub fn lease(who: Who, budgets: Budgets) -> Body {
    Body::LeaseIssued(LeaseIssued {
        who,
        jkt: "jkt".into(),
        scopes: vec!["tools:call".into()],
        budgets,
        expires_at: at(HOUR),
        session_expires_at: at(24 * HOUR),
        renews: None,
        proof: None,
    })
}

pub fn max_calls(n: u64) -> Budgets {
    Budgets { max_calls: Some(n), max_cost_usd_cents: None }
}

/// A write, allowed by the policy `p`; equal for equal `n`.
pub fn call(n: u64) -> Call {
    let plan = Digest::concat(&[b"plan", &n.to_be_bytes()]);
    Call {
        who: who(),
        action: ActionRef {
            id: ACTION.into(),
            version: "1.0.0".into(),
            manifest_digest: Digest::of(b"manifest"),
            module_digest: Digest::of(b"module"),
        },
        request_hash: Digest::concat(&[b"request", &n.to_be_bytes()]),
        operation: Operation { summary: "Write a note".into(), target: "fs:{path}".into(), digest: plan },
        plan: PlanRef { digest: plan, kind: PlanKind::Exact },
        args_digest: Digest::concat(&[b"args", &n.to_be_bytes()]),
        payload: PayloadAt { segment: 0, offset: n * 100 },
        policy: PolicyRef {
            digest: Digest::of(b"p"),
            rule: "r1".into(),
            verdict: Verdict::Allow,
            at_most: None,
            would: None,
        },
        idempotency_key: None,
        is_read: false,
        proof: None,
    }
}

pub fn read_call(n: u64) -> Call {
    Call { is_read: true, ..call(n) }
}

pub fn keyed(call: Call, key: &str) -> Call {
    Call { idempotency_key: Some(key.into()), ..call }
}

pub fn asked(mut call: Call) -> Call {
    call.policy.verdict = Verdict::Ask;
    call
}

pub fn grant(n: u64) -> GrantId {
    GrantId::new(T0 as u64, u128::from(n))
}

pub fn intent(grant_id: GrantId, call: Call) -> CallIntent {
    CallIntent {
        grant_id,
        call,
        approval: None,
        cost: Cost { calls: 1, ..Cost::default() },
        deadline: at(60_000),
        pins: None,
        limits: Vec::new(),
    }
}

pub fn approval_id(n: u128) -> ApprovalId {
    ApprovalId::new(T0 as u64, n)
}

pub fn held(n: u128, call: Call) -> CallHeld {
    CallHeld {
        approval_id: approval_id(n),
        call,
        expires_at: at(HOUR),
        lease_expires_at: at(HOUR),
        approvers: None,
        held_max: None,
    }
}

pub fn decided(held: &CallHeld, decision: Decision) -> ApprovalDecided {
    let signed = Signed { operator: "op".into(), jkt: "k".into(), body: "{}".into(), proof: "p".into() };
    ApprovalDecided {
        approval_id: held.approval_id,
        decision,
        plan_digest: held.call.plan.digest,
        scope: Some(ApprovalScope::Once),
        reason: None,
        signed: matches!(decision, Decision::Approved | Decision::Denied).then_some(signed),
        reach: None,
        cool_down_until: None,
    }
}

/// Operators by name, each with the key `k` unless another is said, and role.
pub fn operators(operators: &[(&str, &str, Role)]) -> Body {
    let key = |(name, jkt, role): &(&str, &str, Role)| {
        ((*name).to_owned(), OperatorKey { role: *role, jkt: (*jkt).to_owned(), token: None })
    };
    Body::OperatorsChanged(OperatorsChanged { operators: operators.iter().map(key).collect(), signed: None })
}

pub fn effect(status: EffectStatus) -> Effect {
    Effect {
        kind: "fs.write".into(),
        target: "fs:{path}".into(),
        status,
        http_status: None,
        bytes: 3,
        digest: None,
    }
}

/// A successful outcome with one effect that was done.
pub fn outcome(intent_seq: u64, intent: &CallIntent) -> Receipt {
    Receipt {
        receipt_id: ReceiptId::new(T0 as u64, u128::from(intent_seq)),
        intent_seq,
        grant_id: intent.grant_id,
        action: intent.call.action.clone(),
        principal: intent.call.who.principal.clone(),
        agent: intent.call.who.agent.clone(),
        session_id: intent.call.who.session_id,
        operation: intent.call.operation.clone(),
        effects: vec![effect(EffectStatus::Done)],
        verification: Verification { status: VerificationStatus::Verified },
        result: Some(ResultRef {
            kind: ResultKind::Success,
            digest: Digest::of(b"out"),
            bytes: 2,
            payload: None,
        }),
        approval: intent.approval.clone(),
        boundary: Boundary::SameUser,
        runtime: Runtime::default(),
        cost: intent.cost,
        started_at: at(0),
        finished_at: at(1),
        failure_class: None,
    }
}

pub fn unknown_outcome(intent_seq: u64, intent: &CallIntent) -> Receipt {
    Receipt {
        effects: vec![effect(EffectStatus::Unknown)],
        result: None,
        failure_class: Some(FailureClass::ProviderTimeout),
        ..outcome(intent_seq, intent)
    }
}

pub fn harmless_outcome(intent_seq: u64, intent: &CallIntent) -> Receipt {
    Receipt {
        effects: vec![effect(EffectStatus::None)],
        result: Some(ResultRef {
            kind: ResultKind::ProviderFailure,
            digest: Digest::of(b"out"),
            bytes: 2,
            payload: None,
        }),
        failure_class: Some(FailureClass::ProviderFailed),
        ..outcome(intent_seq, intent)
    }
}

pub fn commit(body: Body) -> Commit {
    Commit { trace_id: Some(TraceId::new(T0 as u64, 7)), body, payload: Durability::Buffered }
}

/// A directory for one ledger, and what it is opened with.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub clock: Arc<TestClock>,
    pub sizes: Sizes,
    /// What the writer said when it ended for good.
    pub fatal: Arc<Mutex<Vec<String>>>,
}

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

pub const ORIGIN: &str = "test/01TESTTESTTESTTESTTESTTEST";

impl Home {
    pub fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap())
    }

    /// Where syncing is free, if there is such a place: for tests that bring their own disk.
    pub fn in_memory() -> Self {
        Self::in_dir(tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn in_dir(dir: tempfile::TempDir) -> Self {
        std::fs::create_dir(dir.path().join("keys")).unwrap();
        let sizes = Sizes {
            log: segment::Sizes { roll_bytes: 64 << 10, chunk_bytes: 32 << 10 },
            payload: payload::Sizes { roll_bytes: 64 << 10, chunk_bytes: 16 << 10 },
            sealed: sealed::Sizes::default(),
        };
        Self { dir, clock: TestClock::new(), sizes, fatal: Arc::default() }
    }

    pub fn ledger_dir(&self) -> std::path::PathBuf {
        self.dir.path().join("ledger")
    }

    pub fn last_checkpoint(&self) -> std::path::PathBuf {
        self.dir.path().join("keys/last-checkpoint")
    }

    pub fn config(&self) -> OpenConfig {
        let fatal = Arc::clone(&self.fatal);
        OpenConfig {
            dir: self.ledger_dir(),
            index_dir: self.dir.path().join("index"),
            last_checkpoint: self.last_checkpoint(),
            origin: ORIGIN.into(),
            entry_key: key(),

            next_key: None,
            payload_key: Zeroizing::new([9; 32]),
            state_key: Zeroizing::new([8; 32]),
            clock: self.clock.clone(),
            version: "test".into(),
            boundary: Boundary::SameUser,
            on_fatal: Arc::new(move |why| fatal.lock().unwrap().push(why.to_owned())),
        }
    }

    pub fn open(&self) -> Result<(Ledger, Recovery), OpenError> {
        self.open_on(Arc::new(crate::disk::RealDisk))
    }

    pub fn open_on(&self, disk: Arc<dyn Disk>) -> Result<(Ledger, Recovery), OpenError> {
        Ledger::open_on(disk, self.sizes, self.config())
    }

    /// An open ledger with a policy and one session.
    pub fn ready(&self, budgets: Budgets) -> Ledger {
        let (ledger, _) = self.open().unwrap();
        say(&ledger, config("p")).unwrap();
        say(&ledger, lease(who(), budgets)).unwrap();
        ledger
    }

    pub fn segments(&self) -> Vec<std::path::PathBuf> {
        segment::list(&self.ledger_dir().join("log")).unwrap().into_iter().map(|(_, path)| path).collect()
    }
}

/// Commits and waits.
pub fn say(ledger: &Ledger, body: Body) -> Result<Committed, CommitError> {
    pollster::block_on(ledger.commit(commit(body)))
}

pub fn close(ledger: &Ledger) {
    pollster::block_on(ledger.close("test")).unwrap();
}

/// Ends the threads as a crash would: nothing more is written.
pub fn abandon(ledger: Ledger) {
    let thread = Arc::clone(&ledger.thread);
    drop(ledger);
    Arc::into_inner(thread).expect("the last handle").join().unwrap();
}

/// Every line of a closed or abandoned ledger.
pub fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    crate::scan::split(&bytes).lines.into_iter().map(|range| bytes[range].to_vec()).collect()
}

/// What is synced, as a start that reads everything finds it.
pub fn folded(home: &Home) -> crate::view::Synced {
    let (ledger, _) = home.open().unwrap();
    let synced = ledger.view.read().clone();
    abandon(ledger);
    synced
}

/// Verifies the ledger of a home that is closed.
pub fn verified(home: &Home) -> crate::verify::Report {
    verified_with(home, crate::verify::Trust::Key(key().verifying_key()))
}

pub fn verified_with(home: &Home, trust: crate::verify::Trust) -> crate::verify::Report {
    crate::verify::verify(&crate::verify::Request {
        dir: &home.ledger_dir(),
        trust,
        remembered: &[home.last_checkpoint()],
        since: None,
        payload_key: None,
        progress: &|_| {},
    })
    .unwrap()
}
