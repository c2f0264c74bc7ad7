//! Bodies of the agent API and the operator API.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::entry::{Budgets, Forgotten, Resolution, Role};
use crate::ids::{ApprovalId, GrantId, LeaseId, ReceiptId, SessionId, TraceId};
use crate::merkle::Hash;
use crate::operator_token::TokenDigest;
use crate::principal::Principal;
use crate::proof::{self, ProofError};
use crate::receipt::{
    ApprovalRef, ApprovalScope, Cost, Effect, EffectStatus, FailureClass, Limit, Runtime, VerificationStatus,
    Window,
};
use crate::time::Timestamp;

/// `POST /v1/leases`. `dpop_jwk` alone is enough.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRequest {
    /// `tools:call` (all), `action:<id>`, `class:<class>`; absent means `["tools:call"]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Public P-256 JWK; its thumbprint binds the lease.
    pub dpop_jwk: Value,
    /// A label, at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<Budgets>,
    /// Demand a body hash in every proof made under this lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bind_body: Option<bool>,
}

/// `POST /v1/leases/renew`: the same or less.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budgets: Option<Budgets>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeaseResponse {
    pub lease_jwt: String,
    pub session_id: SessionId,
    pub lease_jti: LeaseId,
    pub expires_at: Timestamp,
    pub principal: Principal,
}

/// One action, as `GET /v1/actions` lists it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionInfo {
    pub action_id: String,
    pub version: String,
    pub title: String,
    pub description: String,
    pub risk_level: String,
    pub class: String,
    pub tags: Vec<String>,
    pub request_schema: Value,
    pub response_schema: Value,
    pub annotations: Annotations,
    pub egress: Egress,
}

/// Hints in the words of MCP's tool annotations.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Annotations {
    pub read_only_hint: bool,
    pub destructive_hint: bool,
    pub idempotent_hint: bool,
    pub open_world_hint: bool,
}

/// Where an action may connect to: `"none"` or `{"proxy_allowlist":{"allowed_domains":[..]}}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    None,
    ProxyAllowlist { allowed_domains: Vec<String> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ActionList {
    pub actions: Vec<ActionInfo>,
}

/// 200 of `POST /v1/actions/{id}/execute`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Executed {
    /// `executed`.
    pub decision: String,
    pub trace_id: TraceId,
    pub action_id: String,
    pub grant_id: GrantId,
    pub receipt_id: ReceiptId,
    /// `seq` of the receipt in the ledger.
    pub log_index: u64,
    pub output: Value,
    pub verification: VerificationSummary,
    pub runtime: Runtime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRef>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct VerificationSummary {
    pub outcome: VerificationStatus,
    pub is_fully_successful: bool,
}

/// 202 of `POST /v1/actions/{id}/execute`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// `pending_approval`.
    pub decision: String,
    pub approval_id: ApprovalId,
    pub request_hash: Digest,
    pub expires_at: Timestamp,
    pub trace_id: TraceId,
}

/// Why a held call ended that its owner took back (`DELETE /v1/approvals/{id}`).
pub const WITHDRAWN: &str = "withdrawn by its owner";

/// `GET /v1/approvals/{id}/poll`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Poll {
    pub approval_id: ApprovalId,
    pub action_id: String,
    /// `pending`, `approved`, `denied`, `expired` or `failed`.
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<ReceiptId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
}

/// One held call, as operators (and, without arguments, its owner) see it in lists.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalInfo {
    pub approval_id: ApprovalId,
    /// `pending`, `approved`, `denied`, `expired`, `void`, `executed` or `unknown`.
    pub status: String,
    pub action_id: String,
    pub title: String,
    pub risk_level: String,
    pub principal: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    pub session_id: SessionId,
    pub held_at: Timestamp,
    pub expires_at: Timestamp,
    pub plan_digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<ReceiptId>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalList {
    pub approvals: Vec<ApprovalInfo>,
}

/// The whole held call, for the operator who decides it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApprovalDetail {
    #[serde(flatten)]
    pub info: ApprovalInfo,
    pub description: String,
    /// The rule that held it.
    pub rule: String,
    /// Why the rule's author wants it asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_reason: Option<String>,
    pub arguments: Value,
    /// The plan: every operation as it will be performed, secrets by name.
    pub plan: Value,
    pub boundary: crate::receipt::Boundary,
    /// How many operators must approve, and who has.
    pub approvers: usize,
    pub approved_by: Vec<String>,
    /// The agent's own words about why. Anything may stand here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_reason: Option<String>,
    /// What lies in the file now that a step would write or delete; absent where there is none or it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<String>,
    /// Decisions on calls of the same action by the same principal, newest first: those still remembered.
    pub earlier: Vec<EarlierDecision>,
    /// How the arguments differ from those of the last approved call of the action, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EarlierDecision {
    pub approval_id: ApprovalId,
    /// As in [`ApprovalInfo`].
    pub status: String,
    pub held_at: Timestamp,
    /// Names, joined by commas; empty where no operator decided.
    pub operator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One member that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// JSON pointer into the arguments.
    pub pointer: String,
    /// Absent where it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Value>,
    /// Absent where it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// Body of `POST /v1/approvals/{id}/approve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// What the operator was shown.
    pub plan_digest: Digest,
    #[serde(default = "once")]
    pub scope: ApprovalScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// With the scopes `session` and `always`, and only there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<ReachRequest>,
}

/// Which later calls an approval shall answer: those that differ in nothing but the arguments named here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachRequest {
    /// Names of top-level arguments that may change. Targets stay as they are all the same.
    #[serde(default)]
    pub free: Vec<String>,
    /// 1 to 31,622,400 s (366 days).
    pub for_s: u64,
    /// 1 to 1,000,000 further calls.
    pub max_uses: u64,
}

/// `GET /v1/standing`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandingList {
    pub standing: Vec<StandingInfo>,
}

/// A standing approval in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandingInfo {
    /// Of the approval that it came from.
    pub approval_id: ApprovalId,
    pub scope: ApprovalScope,
    pub principal: Principal,
    pub session_id: SessionId,
    pub action_id: String,
    pub title: String,
    /// Origin and path template.
    pub target: String,
    /// The arguments that must be these, as they are.
    pub pinned: Value,
    pub free: Vec<String>,
    pub operator: String,
    pub decided_at: Timestamp,
    pub until: Timestamp,
    pub uses: u64,
    pub max_uses: u64,
}

/// Body of `POST /v1/standing/{id}/revoke`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingRevokeRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Body of `POST /v1/allowlist`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowRequest {
    pub principal: Principal,
    pub action_id: String,
    /// One host by its name; no pattern.
    pub host: String,
}

/// `GET /v1/allowlist`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowanceList {
    pub allowances: Vec<AllowanceInfo>,
}

/// A host that an operator allowed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowanceInfo {
    /// The rule's `@id`, as verdicts name it.
    pub rule: String,
    pub principal: Principal,
    pub action_id: String,
    pub host: String,
    /// The rules that do not ask there.
    pub instead_of: Vec<String>,
}

/// What a change of the allow-list put in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AllowlistChanged {
    pub allowance: AllowanceInfo,
    pub policy_before: Digest,
    pub policy_digest: Digest,
    pub log_index: u64,
}

/// `GET /v1/operators`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperatorList {
    pub operators: Vec<OperatorInfo>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperatorInfo {
    pub name: String,
    pub role: Role,
    /// RFC 7638 thumbprint.
    pub jkt: String,
    /// Whether a token may come beside the key's proof.
    pub has_token: bool,
}

/// Body of `POST /v1/operators`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorRequest {
    pub name: String,
    pub role: Role,
    /// Public P-256 JWK.
    pub jwk: Value,
    /// Of a token that was made with the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenDigest>,
}

/// Body of `POST /v1/operators/{name}/token`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// Of the new token; `null`, said and not left out, takes the present one away.
    #[serde(deserialize_with = "Option::deserialize")]
    pub token: Option<TokenDigest>,
}

/// Body of `POST /v1/operators/{name}/rotate` and `POST /v1/agents/{name}/rotate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RotateRequest {
    /// Public P-256 JWK.
    pub jwk: Value,
}

/// `GET /v1/agents`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentList {
    pub agents: Vec<AgentInfo>,
}

/// One enrolled agent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AgentInfo {
    pub name: String,
    /// RFC 7638 thumbprint.
    pub jkt: String,
    /// The time of its newest entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    pub budgets: Vec<BudgetLine>,
}

/// Body of `POST /v1/agents`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentRequest {
    pub name: String,
    /// Public P-256 JWK.
    pub jwk: Value,
}

/// `GET /v1/budgets`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BudgetList {
    pub principals: Vec<PrincipalBudgets>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrincipalBudgets {
    pub principal: String,
    pub budgets: Vec<BudgetLine>,
}

/// What was used up of one window, settled and reserved, and how much may be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BudgetLine {
    /// `hour` or `day`.
    pub window: Window,
    pub used: Cost,
    /// Absent where nothing bounds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

fn once() -> ApprovalScope {
    ApprovalScope::Once
}

/// Body of `POST /v1/approvals/{id}/deny`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyRequest {
    pub plan_digest: Digest,
    /// Reaches the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For how long an identical call is denied without asking, 1 to 604,800 s. Absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_down_s: Option<u64>,
}

/// Body of `POST /v1/revoke`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeRequest {
    pub target: crate::entry::RevocationTarget,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer to `POST /v1/reload`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reloaded {
    pub actions_registered: usize,
    pub policy_digest: Digest,
    /// Whether a rule only observes: then most calls are recorded and not done.
    #[serde(default)]
    pub observes: bool,
}

/// `POST /v1/reload`; the body may be empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReloadRequest {
    /// The policy that must be in force now, or nothing is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Digest>,
}

/// Answer to an operator's decision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decided {
    pub approval_id: ApprovalId,
    /// `approved`, `denied`, or `pending` if more operators must approve.
    pub status: String,
    /// The execution's receipt, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_id: Option<ReceiptId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<EffectStatus>,
    /// Why the approved call was not executed, or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::problem::Problem>,
}

/// Query of `GET /v1/audit`; every member narrows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// Entry kind, such as `call.outcome`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Any identifier: receipt, approval, grant, trace, session or lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Entries at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Entries before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Entries before this `seq`: where the last page ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Entries at or behind this `seq`, oldest first: for whoever follows the log. Not together with `before`. With
    /// `Prefer: wait=N` the answer comes when there is an entry, or with none when the time is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// 1 to 1,000; absent means 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Entries, newest first (with `from` oldest first), each as the JSON that stands in the log.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AuditPage {
    pub entries: Vec<Value>,
    /// `from` of the page that follows: nothing in front of it is missing from this page and those before it.
    #[serde(default)]
    pub next_from: u64,
    /// `before` of the next page; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_before: Option<u64>,
}

/// `GET /readyz`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// `ready`, `starting` or `draining`.
    pub status: String,
    pub ledger: String,
    pub policy: String,
    pub actions_registered: usize,
    pub public_base_url: String,
}

/// `GET /v1/status` on the admin socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    pub status: String,
    pub version: String,
    pub gate: String,
    pub boundary: crate::receipt::Boundary,
    pub started_at: Timestamp,
    /// Gate time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// How far the wall clock has parted from gate time, if so far that calls are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_drift_ms: Option<i64>,
    pub uptime_s: u64,
    pub entries: u64,
    /// Calls of fdatasync for the log, and for payloads, since the start.
    pub ledger_syncs: u64,
    pub payload_syncs: u64,
    /// Bytes appended to the log since the start.
    pub ledger_bytes: u64,
    pub last_entry_at: Option<Timestamp>,
    pub policy_digest: Digest,
    /// Whether a rule of it only observes: then most calls are recorded and not done.
    #[serde(default)]
    pub observes: bool,
    pub actions_registered: usize,
    pub approvals_pending: usize,
    pub calls_running: usize,
    pub unknown_outcomes: usize,
    pub panics_caught: u64,
    #[serde(default)]
    pub secrets_set: usize,
    /// Those that actions declare and nobody has set.
    #[serde(default)]
    pub secrets_missing: usize,
    pub public_base_url: String,
    pub home: String,
    pub agent_socket: String,
    pub operator: String,
    /// Receivers of notifications, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<crate::notify::Summary>,
}

/// `GET /v1/ledger/consistency?old=A&new=B`: the log of size `new` begins with that of size `old`. Hashes in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsistencyProof {
    pub old: u64,
    pub old_root: String,
    pub new: u64,
    pub new_root: String,
    pub proof: Vec<String>,
    /// The newest checkpoint, which both are within: a signed note.
    pub checkpoint: String,
}

impl ConsistencyProof {
    /// The hashes of the proof, if they are hashes.
    pub fn hashes(&self) -> Option<Vec<Hash>> {
        self.proof.iter().map(|text| hash(text)).collect()
    }

    /// Checks that the larger log begins with the smaller, by the roots that it names; gives the larger's.
    pub fn prove(&self) -> Result<Hash, ProofError> {
        let parts = (hash(&self.old_root), hash(&self.new_root), self.hashes());
        let (Some(old_root), Some(new_root), Some(hashes)) = parts else { return Err(ProofError::Root) };
        proof::verify_consistency(self.old, &old_root, self.new, &new_root, &hashes)?;
        Ok(new_root)
    }
}

fn hash(text: &str) -> Option<Hash> {
    BASE64.decode(text).ok()?.try_into().ok()
}

/// `GET /v1/ledger/unknown`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnknownList {
    pub unknown: Vec<UnknownOutcome>,
}

/// A call that may have happened, with everything known about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UnknownOutcome {
    pub receipt_id: ReceiptId,
    pub log_index: u64,
    pub intent_seq: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    pub action_id: String,
    pub title: String,
    pub target: String,
    pub principal: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    pub session_id: SessionId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_class: Option<FailureClass>,
    pub effects: Vec<Effect>,
    /// Null where they are forgotten or lost.
    pub arguments: Value,
    pub plan: Value,
}

/// `POST /v1/ledger/unknown/{receipt}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    pub resolution: Resolution,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// `POST /v1/ledger/forget`: exactly one member.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<ReceiptId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
}

impl ForgetRequest {
    /// # Errors
    /// If there is not exactly one.
    pub fn of(self) -> Result<Forgotten, &'static str> {
        match (self.receipt, self.session, self.before) {
            (Some(receipt), None, None) => Ok(Forgotten::Receipt(receipt)),
            (None, Some(session), None) => Ok(Forgotten::Session(session)),
            (None, None, Some(time)) => Ok(Forgotten::Before(time)),
            _ => Err("expected exactly one of `receipt`, `session` and `before`"),
        }
    }
}

/// What was forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgot {
    pub payloads: u64,
    /// The entries that say so; none where there was nothing to forget.
    pub log_index: Vec<u64>,
}

/// `POST /v1/ledger/rotate-key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRotation {
    pub old_key: String,
    pub new_key: String,
    pub log_index: u64,
}
