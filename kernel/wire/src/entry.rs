//! Entries of the ledger: one line of canonical JSON (RFC 8785) each, signed with Ed25519.
//!
//! The signature is over `latchgate-entry-v1\n` and the JCS bytes of the entry without its `sig` member; the line is the
//! JCS form with it, at most 65,535 bytes, and is (without line break) the leaf of the Merkle tree.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::ids::{ApprovalId, GrantId, LeaseId, ReceiptId, SessionId, TraceId};
use crate::jail::{JailConnected, JailEnded, JailStarted};
use crate::notify;
use crate::operator_token::TokenDigest;
use crate::principal::Principal;
use crate::receipt::*;
use crate::secret::{SecretName, SecretNote};
use crate::time::Timestamp;
use crate::{jcs, json};

/// The version of the entry format that is written.
pub const FORMAT: u32 = 1;
/// The longest line, without its line break.
pub const LINE_BYTES_MAX: usize = 65_535;

const CONTEXT: &[u8] = b"latchgate-entry-v1\n";
const NO_SIG: &[u8] = br#""sig":"","#;

/// One fact in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub v: u32,
    /// Position in the log, from 0, without gaps.
    pub seq: u64,
    /// Gate time; never before that of the entry in front.
    pub time: Timestamp,
    /// The log's origin: gate name and ULID.
    pub gate: String,
    /// The request that this came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    #[serde(flatten)]
    pub body: Body,
}

/// What an entry says. `kind` is the tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub enum Body {
    #[serde(rename = "gate.started")]
    GateStarted(GateStarted),
    #[serde(rename = "gate.recovered")]
    GateRecovered(GateRecovered),
    #[serde(rename = "gate.stopped")]
    GateStopped(GateStopped),
    #[serde(rename = "config.changed")]
    ConfigChanged(ConfigChanged),
    #[serde(rename = "lease.issued")]
    LeaseIssued(LeaseIssued),
    #[serde(rename = "lease.revoked")]
    LeaseRevoked(LeaseRevoked),
    #[serde(rename = "call.denied")]
    CallDenied(CallDenied),
    #[serde(rename = "call.held")]
    CallHeld(CallHeld),
    #[serde(rename = "approval.decided")]
    ApprovalDecided(ApprovalDecided),
    #[serde(rename = "standing.revoked")]
    StandingRevoked(StandingRevoked),
    #[serde(rename = "operators.changed")]
    OperatorsChanged(OperatorsChanged),
    #[serde(rename = "agents.changed")]
    AgentsChanged(AgentsChanged),
    #[serde(rename = "secrets.changed")]
    SecretsChanged(SecretsChanged),
    #[serde(rename = "call.intent")]
    CallIntent(CallIntent),
    #[serde(rename = "call.outcome")]
    CallOutcome(Receipt),
    #[serde(rename = "calls.delivered")]
    CallsDelivered(CallsDelivered),
    #[serde(rename = "clock.accepted")]
    ClockAccepted(ClockAccepted),
    #[serde(rename = "refusals.counted")]
    RefusalsCounted(RefusalsCounted),
    #[serde(rename = "key.rotated")]
    KeyRotated(KeyRotated),
    #[serde(rename = "outcome.resolved")]
    OutcomeResolved(OutcomeResolved),
    #[serde(rename = "payloads.forgotten")]
    PayloadsForgotten(PayloadsForgotten),
    #[serde(rename = "notify.changed")]
    NotifyChanged(notify::ReceiversChanged),
    #[serde(rename = "notify.delivered")]
    NotifyDelivered(notify::Delivered),
    #[serde(rename = "notify.failed")]
    NotifyFailed(notify::Undelivered),
    #[serde(rename = "notify.asked")]
    NotifyAsked(notify::Asked),
    #[serde(rename = "jail.started")]
    JailStarted(JailStarted),
    #[serde(rename = "jail.connected")]
    JailConnected(JailConnected),
    #[serde(rename = "jail.ended")]
    JailEnded(JailEnded),
}

/// A gate took up the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateStarted {
    pub version: String,
    pub boundary: Boundary,
    /// Ed25519 public key of the entries that follow, base64url.
    pub entry_key: String,
    /// The largest checkpoint known at the start; it lies in this log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_size: Option<u64>,
}

/// What start-up found and did before the gate took calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRecovered {
    /// Bytes cut from the torn tail; they are kept aside.
    pub cut_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_digest: Option<Digest>,
    /// Intents that had no outcome; each has an `unknown` outcome behind this entry.
    pub open_intents: Vec<u64>,
}

/// A gate closed the log in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateStopped {
    pub reason: String,
}

/// The policy and the actions in force from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigChanged {
    /// Names `policy/<digest>` beside the log.
    pub policy_digest: Digest,
    /// Manifest digest of each action. A manifest pins its module.
    pub actions: BTreeMap<String, Digest>,
    /// The one rule by which the policy before differs, where an operator asked for that; absent where files changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowance: Option<AllowanceChange>,
}

/// A host was allowed by an operator, or is no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowanceChange {
    /// The policy in force until here.
    pub policy_before: Digest,
    pub change: Change,
    /// The rule's `@id`: it follows from principal, action and host.
    pub rule: String,
    /// The operator's proof, used up.
    pub proof: ProofId,
    pub signed: Signed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Removed,
}

/// Upper bounds that a lease carries; the session's whole use counts against them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budgets {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_calls: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_cost_usd_cents: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseIssued {
    pub who: Who,
    pub jkt: String,
    pub scopes: Vec<String>,
    #[serde(default)]
    pub budgets: Budgets,
    pub expires_at: Timestamp,
    /// When the session ends, whatever is renewed.
    pub session_expires_at: Timestamp,
    /// The lease that this one continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<LeaseId>,
    /// The proof that a renewal used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

/// What a revocation stops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationTarget {
    Lease(LeaseId),
    Session(SessionId),
    Principal(Principal),
    /// The agent label, as claimed.
    Agent(String),
    /// Every lease issued until now.
    All(Everything),
}

/// `"everything"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Everything {
    Everything,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseRevoked {
    pub target: RevocationTarget,
    pub operator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The operator's proof, used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

/// A refusal of an authenticated call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallDenied {
    pub who: Who,
    /// As asked for; shortened to 128 bytes, since it need not exist.
    pub action_id: String,
    /// The problem code that the agent was given.
    pub error: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<ApprovalId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

/// The part that a held call and an intent share: what is to be done, for whom, as judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    pub who: Who,
    pub action: ActionRef,
    /// Keyed hash over action and canonical arguments: equal calls of this gate have equal hashes.
    pub request_hash: Digest,
    pub operation: Operation,
    pub plan: PlanRef,
    /// Salted digest of the canonical arguments.
    pub args_digest: Digest,
    /// Arguments, plan and salt in the payload store.
    pub payload: PayloadAt,
    pub policy: PolicyRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Reads may be repeated; everything else is joined with its like.
    pub is_read: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallHeld {
    pub approval_id: ApprovalId,
    pub call: Call,
    pub expires_at: Timestamp,
    /// When the lease ends that the call was made under.
    pub lease_expires_at: Timestamp,
    /// How many operators must approve; absent is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<u32>,
    /// How many calls of one principal, this one included, might wait when it was held; absent is [`HELD_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_max: Option<u32>,
}

/// Held calls that may wait at once for one principal, unless the gate is told otherwise.
pub const HELD_MAX: u32 = 64;

impl CallHeld {
    pub fn held_max(&self) -> u32 {
        self.held_max.unwrap_or(HELD_MAX)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    Denied,
    Expired,
    /// Withdrawn, or overtaken by a revocation or a changed policy.
    Void,
}

/// The operator's own word: what was signed, so that the decision can be verified later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// Name of the operator whose key signed.
    pub operator: String,
    /// RFC 7638 thumbprint of that key.
    pub jkt: String,
    /// The request body, JSON text.
    pub body: String,
    /// The DPoP proof over method, URL and body hash.
    pub proof: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalDecided {
    pub approval_id: ApprovalId,
    pub decision: Decision,
    pub plan_digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ApprovalScope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Absent where the gate itself decided (expiry, revocation).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// What is allowed beyond the call that was shown; there exactly with the scopes `session` and `always`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<Reach>,
    /// Until when an identical call is denied without asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cool_down_until: Option<Timestamp>,
}

/// Which later calls an approval answers, too: those of the same principal that differ in nothing but the arguments that
/// the operator freed. Values are compared as digests; there are no patterns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Keyed digest over what must stay as it was: action and manifest, the asking rule, the target of each step, and every
    /// argument that is not free.
    pub pins: Digest,
    /// Names of the top-level arguments that may change.
    pub free: Vec<String>,
    pub until: Timestamp,
    /// How many further calls it answers.
    pub max_uses: u64,
}

/// A standing approval was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingRevoked {
    pub approval_id: ApprovalId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub signed: Signed,
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Viewer,
    Approver,
    Admin,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// One operator, as others may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorKey {
    pub role: Role,
    /// RFC 7638 thumbprint of the key.
    pub jkt: String,
    /// Of the token that may come beside the key's proof, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenDigest>,
}

/// Who the operators are from here on, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorsChanged {
    /// By name.
    pub operators: BTreeMap<String, OperatorKey>,
    /// Who changed them; absent where the gate found its files changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// The enrolled agents from here on, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentsChanged {
    /// RFC 7638 thumbprint of each agent's key, by the agent's name.
    pub agents: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// Secrets that were set or removed: by name, never a value or anything made of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsChanged {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<SecretName, SecretNote>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<SecretName>,
    /// Who changed them; absent where the gate found its store changed. What they signed holds values and is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// The operator's proof, used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

/// The call will now be executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallIntent {
    pub grant_id: GrantId,
    pub call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalRef>,
    /// Reserved until the outcome.
    pub cost: Cost,
    /// When the guest is stopped at the latest.
    pub deadline: Timestamp,
    /// There where `approval` is a standing one: what the call was recognised by ([`Reach::pins`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<Digest>,
    /// The operators' budgets that bound it, one for each window at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limit>,
}

/// Answers that were wholly written to their callers' sockets: from here on an identical call is a new call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallsDelivered {
    /// `seq` of the intents.
    pub intents: Vec<u64>,
}

/// An operator vouched for the system's clock after it had parted from gate time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockAccepted {
    pub operator: String,
    /// Wall clock minus gate time, before it was accepted.
    pub drift_ms: i64,
    /// The operator's proof, used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofId>,
}

/// Refusals before authentication, counted by problem code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalsCounted {
    pub since: Timestamp,
    pub counts: BTreeMap<String, u64>,
}

/// The log's key changes. The key that was signs this entry; the one that signs from the next entry on has its word in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRotated {
    /// Ed25519 public keys, base64url.
    pub old_key: String,
    pub new_key: String,
    /// The new key's signature over what [`crate::keychain`] says, base64url.
    pub accepted: String,
    /// Who asked for it.
    pub signed: Signed,
}

/// What an operator found out about a call that may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resolution {
    Done,
    NotDone,
}

impl Resolution {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::NotDone => "not-done",
        }
    }
}

/// An outcome that was unknown is known now, by an operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeResolved {
    pub receipt_id: ReceiptId,
    /// `seq` of the intent that the receipt answers.
    pub intent_seq: u64,
    pub resolution: Resolution,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub signed: Signed,
}

/// Whose payloads are forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgotten {
    Receipt(ReceiptId),
    Session(SessionId),
    /// Everything of calls whose entries are older.
    Before(Timestamp),
    /// By the setting for actions of that class.
    Retention {
        class: String,
        before: Timestamp,
    },
}

/// The keys of these payloads are destroyed: nobody can read them any more. The entries that name them stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadsForgotten {
    pub of: Forgotten,
    pub payloads: Vec<PayloadAt>,
    /// Absent where a setting demands it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// Why a line is no entry of this log.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    #[error("line of {0} bytes, {LINE_BYTES_MAX} at most")]
    TooLong(usize),
    #[error("no JSON: {0}")]
    Json(String),
    #[error("not canonical (RFC 8785), so not the bytes that were signed")]
    NotCanonical,
    #[error("format version {found}; this program reads up to {FORMAT}")]
    Version { found: u64 },
    #[error("members are not those of an entry: {0}")]
    Shape(String),
    #[error("signature does not match: the entry was altered or signed by another key")]
    Signature,
}

/// An entry as it stands in the log: the value and its exact line.
#[derive(Clone, Debug)]
pub struct Line {
    pub entry: Entry,
    bytes: Vec<u8>,
}

impl Line {
    /// The bytes without line break.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Serialize)]
struct Unsigned<'a> {
    #[serde(flatten)]
    entry: &'a Entry,
    sig: &'static str,
}

impl Entry {
    /// Canonicalises and signs.
    ///
    /// # Errors
    /// [`EntryError::TooLong`] if the line would pass [`LINE_BYTES_MAX`].
    pub fn sign(self, key: &SigningKey) -> Result<Line, EntryError> {
        let draft = serde_json::to_value(&Unsigned { entry: &self, sig: "" })
            .map_err(|error| EntryError::Json(error.to_string()))?;
        let draft = jcs::canonical_value(&draft).map_err(|error| EntryError::Json(error.to_string()))?;
        let gap = sig_gap(&draft, NO_SIG).ok_or_else(|| EntryError::Json("no place for `sig`".into()))?;
        let (head, tail) = (&draft[..gap], &draft[gap + NO_SIG.len()..]);
        let sig = BASE64URL.encode(key.sign(&[CONTEXT, head, tail].concat()).to_bytes());
        let bytes = [head, br#""sig":""#, sig.as_bytes(), br#"","#, tail].concat();
        if bytes.len() > LINE_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        Ok(Line { entry: self, bytes })
    }

    /// Reads a line (without line break) and checks form, version and signature. Position and meaning are the
    /// reader's to check.
    pub fn open(line: &[u8], key: &VerifyingKey) -> Result<Line, EntryError> {
        let entry = Self::read(line)?;
        let start = sig_gap(line, br#""sig":""#).ok_or(EntryError::Signature)?;
        // 86 base64url characters, then `",`: the member is never the last, `time` and `v` follow.
        let (sig, after) = (line.get(start + 7..start + 93), start + 95);
        let signature = sig
            .and_then(|sig| BASE64URL.decode(sig).ok())
            .and_then(|sig| Signature::from_slice(&sig).ok())
            .ok_or(EntryError::Signature)?;
        let rest = line.get(after..).ok_or(EntryError::Signature)?;
        key.verify_strict(&[CONTEXT, &line[..start], rest].concat(), &signature)
            .map_err(|_| EntryError::Signature)?;
        Ok(Line { entry, bytes: line.to_vec() })
    }

    /// Reads a line without checking its signature.
    pub fn read(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(EntryError::TooLong(line.len()));
        }
        let limits = json::Limits { bytes_max: LINE_BYTES_MAX, ..json::Limits::default() };
        let mut value = json::parse(line, limits).map_err(|error| EntryError::Json(error.to_string()))?;
        let version = value.get("v").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if version != u64::from(FORMAT) {
            return Err(EntryError::Version { found: version });
        }
        let canonical = jcs::canonical_value(&value).map_err(|error| EntryError::Json(error.to_string()))?;
        if canonical != line {
            return Err(EntryError::NotCanonical);
        }
        if let Some(members) = value.as_object_mut() {
            members.remove("sig");
        }
        serde_json::from_value(value).map_err(|error| EntryError::Shape(error.to_string()))
    }
}

/// Where the member `sig` begins. Inside strings the quotes are escaped, and no other member of that name exists, so the
/// first hit is the member.
fn sig_gap(line: &[u8], needle: &[u8]) -> Option<usize> {
    line.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SigningKey {
        SigningKey::from_bytes(&[3; 32])
    }

    fn entry(reason: &str) -> Entry {
        Entry {
            v: FORMAT,
            seq: 4,
            time: Timestamp::from_ms(1_700_000_000_000),
            gate: "latchgate/01TEST".into(),
            trace_id: None,
            body: Body::GateStopped(GateStopped { reason: reason.into() }),
        }
    }

    #[test]
    fn a_signed_entry_opens_and_is_canonical() {
        let line = entry("asked").sign(&key()).unwrap();
        let opened = Entry::open(line.bytes(), &key().verifying_key()).unwrap();
        assert_eq!(opened.entry, entry("asked"));
        let text = std::str::from_utf8(line.bytes()).unwrap();
        assert!(text.starts_with(
            r#"{"gate":"latchgate/01TEST","kind":"gate.stopped","reason":"asked","seq":4,"sig":""#
        ));
    }

    #[test]
    fn a_string_that_looks_like_the_signature_changes_nothing() {
        let line = entry(r#"","sig":"","x":""#).sign(&key()).unwrap();
        let opened = Entry::open(line.bytes(), &key().verifying_key()).unwrap();
        assert_eq!(opened.entry, entry(r#"","sig":"","x":""#));
    }

    #[test]
    fn every_changed_byte_is_found() {
        let line = entry("asked").sign(&key()).unwrap();
        for position in 0..line.bytes().len() {
            let mut bytes = line.bytes().to_vec();
            bytes[position] ^= 1;
            assert!(Entry::open(&bytes, &key().verifying_key()).is_err(), "byte {position}");
        }
    }

    #[test]
    fn another_key_does_not_open() {
        let line = entry("asked").sign(&key()).unwrap();
        let other = SigningKey::from_bytes(&[4; 32]).verifying_key();
        assert!(matches!(Entry::open(line.bytes(), &other), Err(EntryError::Signature)));
    }

    #[test]
    fn an_unknown_member_or_version_is_refused() {
        let bytes = br#"{"gate":"g","kind":"gate.stopped","more":1,"reason":"r","seq":0,"sig":"","time":"2023-11-14T22:13:20.007Z","v":1}"#;
        assert!(matches!(Entry::read(bytes), Err(EntryError::Shape(_))));
        let newer = String::from_utf8(bytes.to_vec()).unwrap().replace("\"v\":1", "\"v\":2");
        assert!(matches!(Entry::read(newer.as_bytes()), Err(EntryError::Version { found: 2 })));
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_signed_and_one_more_is_not() {
        let spare = LINE_BYTES_MAX - entry("").sign(&key()).unwrap().bytes().len();
        assert!(entry(&"x".repeat(spare)).sign(&key()).is_ok());
        assert!(matches!(entry(&"x".repeat(spare + 1)).sign(&key()), Err(EntryError::TooLong(_))));
    }
}
