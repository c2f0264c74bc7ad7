//! What a call was and what came of it: the parts of intents and outcomes. An outcome is the receipt.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ApprovalId, GrantId, LeaseId, ReceiptId, SessionId};
use crate::principal::Principal;
use crate::time::Timestamp;

/// Who asked. `agent` is the label that the client gave itself: shown, never authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Who {
    pub principal: Principal,
    pub session_id: SessionId,
    pub lease_jti: LeaseId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// The proof of possession that a call used up: with `jkt`, what a replay is recognised by (RFC 9449 section 11.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofId {
    /// RFC 7638 thumbprint of the proof's key.
    pub jkt: String,
    pub jti: String,
    /// Unix seconds.
    pub iat: i64,
}

/// The action as judged: its manifest's bytes and its module's bytes by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRef {
    pub id: String,
    pub version: String,
    pub manifest_digest: Digest,
    pub module_digest: Digest,
}

/// Whether the plan lists the operations or bounds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanKind {
    Exact,
    Envelope,
}

/// The plan by salted digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanRef {
    pub digest: Digest,
    pub kind: PlanKind,
}

/// The policy's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Allow,
    Ask,
    Deny,
}

/// Which policy answered what, and by which rule (`@id`); `default` where no rule matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    pub digest: Digest,
    pub rule: String,
    pub verdict: Verdict,
    /// The rule's own limit (`@at_most`), counted when a call is committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<AtMost>,
    /// What the other rules would have answered, where one that only observes denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
}

/// An answer that was not given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Would {
    pub rule: String,
    pub verdict: Verdict,
}

/// So many calls within so many seconds, over everybody whom the rule permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtMost {
    pub n: u64,
    pub window_s: u64,
}

/// How far an approval reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalScope {
    Once,
    Session,
    Always,
}

impl ApprovalScope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Session => "session",
            Self::Always => "always",
        }
    }
}

/// The approval that a call was executed under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRef {
    pub id: ApprovalId,
    pub operator: String,
    pub decided_at: Timestamp,
    pub scope: ApprovalScope,
}

/// What a call may use up: reserved at the intent, settled at the outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    pub calls: u64,
    pub usd_cents: u64,
    /// Bytes of request bodies that leave for a service.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes_out: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Cost {
    /// What is left of a reservation after `spent`; nothing below zero.
    pub fn less(self, spent: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(spent.calls),
            usd_cents: self.usd_cents.saturating_sub(spent.usd_cents),
            bytes_out: self.bytes_out.saturating_sub(spent.bytes_out),
        }
    }

    pub fn plus(self, more: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(more.calls),
            usd_cents: self.usd_cents.saturating_add(more.usd_cents),
            bytes_out: self.bytes_out.saturating_add(more.bytes_out),
        }
    }

    /// Whether every part is at most that of `other`.
    pub fn is_within(self, other: Self) -> bool {
        self.calls <= other.calls && self.usd_cents <= other.usd_cents && self.bytes_out <= other.bytes_out
    }
}

/// Over what time a budget counts. Hours and days slide: they end now, and are counted by the minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    Hour,
    Day,
    /// The session, from its first lease to its end.
    Session,
}

impl Window {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Session => "session",
        }
    }
}

/// A budget that the operators set, as it bounds one call. A member that is absent bounds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub window: Window,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd_cents: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
}

impl Limit {
    /// Whether so much may be used up in all.
    pub fn admits(&self, sum: Cost) -> bool {
        let within = |used: u64, max: Option<u64>| max.is_none_or(|max| used <= max);
        within(sum.calls, self.calls)
            && within(sum.usd_cents, self.usd_cents)
            && within(sum.bytes_out, self.bytes_out)
    }
}

/// Where a payload lies in the payload store: segment and offset, `"0:4096"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadAt {
    pub segment: u32,
    pub offset: u64,
}

/// The operation in words that contain no argument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The action's title.
    pub summary: String,
    /// Origin and path template, such as `https://api.github.com/repos/{owner}/{repo}` or `fs:{path}`.
    pub target: String,
    /// Salted digest of the plan.
    pub digest: Digest,
}

/// What is known about an effect on the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectStatus {
    /// It did not happen.
    None,
    /// It happened.
    Done,
    /// It may have happened. Never retried by the gate.
    Unknown,
}

/// One effect as the host observed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// `http.request`, `fs.read`, `fs.list`, `fs.write`, `fs.delete`.
    pub kind: String,
    /// Origin and path template, as in [`Operation::target`].
    pub target: String,
    pub status: EffectStatus,
    /// The upstream's status code, for `http.request` with an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// Bytes received (read, response) or written.
    pub bytes: u64,
    /// Salted digest of those bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// Whether what happened is what was planned, by the host's own observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationStatus {
    /// Every planned operation was observed, and nothing else; the service's answer is what the manifest expects.
    Verified,
    /// Something planned did not happen, or the service answered otherwise than the manifest expects.
    VerificationFailed,
    /// The manifest declares that the host cannot tell.
    UnverifiableDeclared,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verification {
    pub status: VerificationStatus,
}

/// What the agent got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultKind {
    Success,
    ProviderFailure,
    Timeout,
}

/// The result by salted digest; the bytes are in the payload store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultRef {
    pub kind: ResultKind,
    pub digest: Digest,
    /// Size of the output as JSON.
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<PayloadAt>,
}

/// The boundary in force between agent and gate (architecture: "Boundaries, said honestly").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Boundary {
    Service,
    Jail,
    SameUser,
}

impl Boundary {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Jail => "jail",
            Self::SameUser => "same-user",
        }
    }
}

/// What running the guest took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    pub duration_ms: u64,
    /// 0 if the guest returned a result, 1 if it returned an error, 2 if it was stopped or never ran.
    pub exit_code: u8,
    pub fuel_consumed: u64,
}

/// Why a call did not succeed, in the receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The provider could not be reached or did not answer usefully.
    ProviderFailed,
    ProviderTimeout,
    /// The object was no longer what the plan was made for; nothing was done.
    Changed,
    /// A guard refused at execution; nothing was done.
    Refused,
    /// The guest said that it failed, or its answer is no JSON.
    GuestFailed,
    /// The guest was stopped: fuel, time, memory, trap.
    GuestStopped,
    /// The lease was revoked while the call ran, which stopped it.
    Revoked,
    /// A fault of the gate.
    Fault,
    /// The gate was interrupted; what happened is not known.
    Interrupted,
}

/// The outcome of a call: the receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    pub receipt_id: ReceiptId,
    /// `seq` of the `call.intent` that this answers.
    pub intent_seq: u64,
    pub grant_id: GrantId,
    pub action: ActionRef,
    pub principal: Principal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    pub session_id: SessionId,
    pub operation: Operation,
    pub effects: Vec<Effect>,
    pub verification: Verification,
    /// Absent if the outcome is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ResultRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRef>,
    pub boundary: Boundary,
    pub runtime: Runtime,
    /// What the reservation of the intent came to.
    pub cost: Cost,
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_class: Option<FailureClass>,
}

impl Receipt {
    /// What is known about the call as a whole: unknown if any effect is, else done if any was done.
    pub fn effect(&self) -> EffectStatus {
        if self.effects.iter().any(|e| e.status == EffectStatus::Unknown) {
            EffectStatus::Unknown
        } else if self.effects.iter().any(|e| e.status == EffectStatus::Done) {
            EffectStatus::Done
        } else {
            EffectStatus::None
        }
    }

    /// Succeeded, and what happened is what was planned (as far as the host can tell).
    pub fn is_fully_successful(&self) -> bool {
        let succeeded = self.result.as_ref().is_some_and(|r| r.kind == ResultKind::Success);
        succeeded && self.verification.status != VerificationStatus::VerificationFailed
    }
}

impl std::fmt::Display for PayloadAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.segment, self.offset)
    }
}

impl Serialize for PayloadAt {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PayloadAt {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let at = text.split_once(':').and_then(|(segment, offset)| {
            Some(Self { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
        });
        match at {
            Some(at) if at.to_string() == text => Ok(at),
            _ => Err(serde::de::Error::custom("expected `segment:offset`")),
        }
    }
}
