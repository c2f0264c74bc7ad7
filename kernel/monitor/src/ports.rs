//! What the monitor needs of the world: the log, payloads, a look at the file system, a sandbox, time and randomness.
//!
//! Each port is passed to the steps that need it and to no other.

use std::future::Future;
use std::sync::Arc;

use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::entry::{Body, CallHeld, Line, Reach, Resolution};
use latchgate_wire::ids::{ApprovalId, TraceId};
use latchgate_wire::principal::Principal;
use latchgate_wire::receipt::{ActionRef, ApprovalRef, PayloadAt, Receipt, Who, Window};
use latchgate_wire::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::plan::{Before, FsOperation, FsPath};
use crate::shared;
use crate::steps::{Invocation, Permit, Ran};

/// Gate time: never goes back.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// Randomness fit for keys.
pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// 128 random bits.
    fn u128(&self) -> u128 {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        u128::from_le_bytes(bytes)
    }

    fn salt(&self) -> Salt {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        Salt(bytes)
    }
}

/// The append-only log and the state folded from it.
///
/// A commit is judged against the state that includes every commit accepted before it, applied, appended, synced, and only
/// then answered. What is refused leaves no trace.
pub trait Log: Send + Sync {
    fn commit(&self, commit: Commit) -> impl Future<Output = Result<Committed, CommitError>> + Send;

    /// Whether a revocation covers this lease.
    fn is_revoked(&self, who: &Who) -> bool;

    /// The live call that an identical call of this owner joins, and the call that its idempotency key names.
    fn prior(&self, identity: &CallIdentity) -> Option<Prior>;

    /// What is left of the session's call budget; `None` if it has none.
    fn calls_left(&self, who: &Who) -> Option<u64>;

    /// A held call of the last 24 hours.
    fn approval(&self, id: ApprovalId) -> Option<Approval>;

    /// Standing approvals in force that may answer a call of this caller; which of them does is told by its pins.
    fn standings(&self, who: &Who, action_id: &str) -> Vec<StandingApproval>;
}

/// An entry to be made. `seq` and `time` are the writer's.
#[derive(Clone, Debug)]
pub struct Commit {
    pub trace_id: Option<TraceId>,
    pub body: Body,
    /// The payloads that the body names must be durable before the answer.
    pub payload: Durability,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Synced before the entry is answered.
    Synced,
    /// May be lost with the power; the entry stays true.
    Buffered,
}

/// A durable entry.
#[derive(Clone, Debug)]
pub struct Committed {
    pub seq: u64,
    pub time: Timestamp,
    pub line: Arc<Line>,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No room for the entry and the outcomes of the open intents.
    #[error("the ledger's disk is full")]
    Full,
    /// The writer has ended, or refuses new calls (`reason`).
    #[error("the ledger takes no entries: {0}")]
    Closed(String),
    /// The entry itself cannot be written (too long).
    #[error("the entry cannot be written: {0}")]
    Invalid(String),
}

/// Why the state does not admit an entry.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the lease was revoked")]
    Revoked,
    #[error("the session's budget is used up")]
    BudgetExhausted,
    #[error("policy permits no more calls of this kind for now")]
    RateExhausted,
    #[error("the grant was used before")]
    GrantUsed,
    #[error("policy or manifest changed since the call was judged")]
    ConfigChanged,
    #[error("there is no such approval")]
    NoApproval,
    /// `status` in the words of [`ApprovalStatus`].
    #[error("the approval is {}", .status.as_str())]
    ApprovalNot { status: ApprovalStatus },
    #[error("the approval has expired")]
    ApprovalExpired,
    #[error("the plan is not the one that was held")]
    OtherPlan,
    #[error("the call joins one that is live or waits for delivery")]
    Joined(Box<Prior>),
    #[error("the idempotency key belongs to another request")]
    IdempotencyMismatch,
    #[error("no such open intent")]
    NoIntent,
    #[error("there is no call whose outcome is unknown under this receipt, or somebody has resolved it")]
    NotUnknown,
    #[error("too many calls are held for this principal")]
    TooManyHeld,
    #[error("the budget of this {} is used up", .window.as_str())]
    LimitReached { window: Window },
    /// `reason`: the operator's, for the agent.
    #[error("an operator denied this call; it is not asked about again until {until}")]
    CoolingDown { until: Timestamp, reason: Option<String> },
    #[error("you approved this call before; another operator must approve it, too")]
    ApprovedBefore,
    #[error("the decision is not by an operator of now, with the role that it needs")]
    NoOperator,
    #[error("a call that more than one operator must approve is approved once")]
    QuorumIsOnce,
    #[error("too many standing approvals are in force for this principal")]
    TooManyStanding,
}

/// What makes calls the same call (contract: Once).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallIdentity {
    pub principal: Principal,
    pub action_id: String,
    pub request_hash: Digest,
    pub idempotency_key: Option<String>,
    pub is_read: bool,
}

/// Where an earlier identical call stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Prior {
    /// The idempotency key was used with another request.
    Mismatch,
    /// Waiting for a decision.
    Held { approval_id: ApprovalId, request_hash: Digest, expires_at: Timestamp },
    /// Being executed.
    Running { intent_seq: u64 },
    /// Executed; its answer was not delivered, or is asked for again under its key.
    Finished(Arc<Finished>),
    /// Interrupted; what happened is not known.
    Unknown(Arc<Finished>),
}

/// An outcome with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub seq: u64,
    pub trace_id: Option<TraceId>,
    pub receipt: Receipt,
    /// What an operator found out, where the outcome was unknown.
    pub resolution: Option<Resolution>,
}

/// A held call and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    #[serde(with = "shared")]
    pub held: Arc<CallHeld>,
    pub held_seq: u64,
    pub held_at: Timestamp,
    pub trace_id: Option<TraceId>,
    pub status: ApprovalStatus,
    /// The decision, once approved.
    pub approved: Option<ApprovalRef>,
    /// Names of the operators who have said yes.
    pub approved_by: Vec<String>,
    /// The operator's reason, if denied; the gate's, if void.
    pub reason: Option<String>,
    /// The intent that redeemed it.
    pub intent_seq: Option<u64>,
    /// The outcome, if executed. Looked up when asked for: whoever keeps an approval keeps it without.
    #[serde(skip)]
    pub finished: Option<Arc<Finished>>,
}

impl Approval {
    /// How many operators must say yes.
    pub fn approvers(&self) -> usize {
        self.held.approvers.map_or(1, |n| usize::try_from(n).unwrap_or(usize::MAX))
    }
}

/// An approval that answers later calls, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingApproval {
    pub approved: ApprovalRef,
    /// Of the call that was shown.
    pub who: Who,
    pub action: ActionRef,
    pub summary: String,
    pub target: String,
    /// The rule that asked.
    pub rule: String,
    /// Arguments and plan of the call that was shown.
    pub payload: PayloadAt,
    pub reach: Reach,
    pub uses: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ApprovalStatus {
    Pending,
    /// Decided, not redeemed yet.
    Approved,
    Denied,
    Expired,
    Void,
    /// Redeemed: being executed or executed.
    Redeemed,
}

impl ApprovalStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved already",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Void => "void",
            Self::Redeemed => "redeemed",
        }
    }
}

/// Encrypted storage of arguments, plans and results beside the log.
pub trait Payloads: Send + Sync {
    /// Appends; durable only with a commit that says so.
    fn put(&self, bytes: &[u8]) -> Result<PayloadAt, PayloadError>;

    fn read(&self, at: PayloadAt) -> Result<Vec<u8>, PayloadError>;
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum PayloadError {
    #[error("the payload store's disk is full")]
    Full,
    #[error("the payload at {0} was forgotten or never reached the disk")]
    Gone(PayloadAt),
    #[error("the payload store failed: {0}")]
    Failed(String),
}

/// A look at the file system while the plan is made.
pub trait Probe: Send + Sync {
    /// What is there, where `operation` replaces or removes it; `None` where it only reads. The object is known to exist (or,
    /// for a write, its directory is) and to be of the kind that the operation works on.
    fn look(
        &self,
        operation: FsOperation,
        path: &FsPath,
    ) -> impl Future<Output = Result<Option<Before>, ProbeError>> + Send;

    /// The content of a regular file that a write may replace, at most `bytes_max` of it, and what a plan says of that very
    /// content.
    fn content(
        &self,
        path: &FsPath,
        bytes_max: u64,
    ) -> impl Future<Output = Result<(Vec<u8>, Before), ProbeError>> + Send;
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ProbeError {
    /// The root itself cannot be used: the operator's to mend.
    #[error("{message}")]
    Root { message: String, remediation: String },
    /// The object does not fit the operation: the caller's to mend.
    #[error("{message}")]
    Target { message: String },
}

/// Which secrets there are. Names only: no value passes through the monitor.
pub trait Secrets: Send + Sync {
    /// Whether a value of this name can be had, as far as can be told without having it.
    fn is_set(&self, name: &str) -> bool;
}

/// Runs the action's component. Takes the permit: what was not committed cannot be run, and nothing runs twice.
pub trait Sandbox: Send + Sync {
    fn run(&self, permit: Permit, invocation: Invocation) -> impl Future<Output = Ran> + Send;
}
