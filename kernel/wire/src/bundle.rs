//! A bundle: entries of a log with the proof that they are in it, in one JSON document that needs nothing else but a key.
//!
//! ```text
//! {"format":"latchgate-bundle-v1","key":<base64url>,"checkpoint":<signed note>,
//!  "entries":[{"index":7,"entry":<the line>,"proof":[<base64>..]}..],"payloads":[{"of":"arguments","salt":..,"value":..}..]}
//! ```
//!
//! `entries` ascend by index. Changes of the log's key that lead from an entry's key to the checkpoint's are among them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::digest::{Digest, Salt};
use crate::entry::{Body, Entry, EntryError};
use crate::jcs;
use crate::keychain::{self, Keychain, RotationError};
use crate::merkle::{Hash, leaf_hash};
use crate::proof::{self, ProofError};

pub const FORMAT: &str = "latchgate-bundle-v1";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub format: String,
    /// The log's first key of these entries, by its own word. Trust comes from elsewhere.
    pub key: String,
    /// The signed note, with whatever witnesses have added.
    pub checkpoint: String,
    pub entries: Vec<Bundled>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub payloads: Vec<Payload>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundled {
    pub index: u64,
    /// Its exact line.
    pub entry: String,
    /// From the leaf's neighbour up, base64.
    pub proof: Vec<String>,
}

/// What an entry names by digest only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    pub of: PayloadOf,
    /// 32 bytes, base64.
    pub salt: String,
    pub value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PayloadOf {
    /// `args_digest` of the intent.
    Arguments,
    /// `plan.digest` of the intent.
    Plan,
    /// `result.digest` of the outcome.
    Result,
}

/// What a bundle proves.
#[derive(Clone, Debug)]
pub struct Proved {
    pub checkpoint: Checkpoint,
    pub entries: Vec<Entry>,
    /// The payloads are those that the entries name.
    pub payloads: Vec<PayloadOf>,
}

/// Why a bundle proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("expected a bundle of the format `{FORMAT}`, found `{0}`")]
    Format(String),
    #[error("it holds no entry")]
    Empty,
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    #[error("entry {index}: {error}")]
    Entry { index: u64, error: EntryError },
    #[error("entry {index}: its own number is {seq}")]
    Index { index: u64, seq: u64 },
    #[error("entry {index}: it belongs to `{gate}`, the checkpoint to another log")]
    Gate { index: u64, gate: String },
    #[error("entry {index}: {error}")]
    Proof { index: u64, error: ProofError },
    #[error("entry {index}: expected hashes of 32 bytes in base64")]
    Hash { index: u64 },
    #[error("entry {index}: {error}")]
    Rotation { index: u64, error: RotationError },
    #[error("the bundle names no Ed25519 key")]
    Key,
    #[error("no key in it is the one given, nor follows from it")]
    Untrusted,
    #[error("the {0} are not those that the entries name")]
    Payload(&'static str),
}

impl Bundle {
    /// Checks everything that it says against a key of the log: its first for these entries, or one that came to be it.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn prove(&self, key: &VerifyingKey) -> Result<Proved, BundleError> {
        if self.format != FORMAT {
            return Err(BundleError::Format(self.format.clone()));
        }
        let mut chain = Keychain::of(keychain::parse(&self.key).ok_or(BundleError::Key)?);
        let mut entries: Vec<Entry> = Vec::new();
        for bundled in &self.entries {
            let index = bundled.index;
            let line = Entry::open(bundled.entry.as_bytes(), chain.at(index));
            let entry = line.map_err(|error| BundleError::Entry { index, error })?.entry;
            if entry.seq != index || entries.last().is_some_and(|last| last.seq >= index) {
                return Err(BundleError::Index { index, seq: entry.seq });
            }
            chain.follow(&entry).map_err(|error| BundleError::Rotation { index, error })?;
            entries.push(entry);
        }
        if !chain.contains(key) {
            return Err(BundleError::Untrusted);
        }
        let checkpoint = Checkpoint::open(&self.checkpoint, chain.last())?;
        for (bundled, entry) in self.entries.iter().zip(&entries) {
            bundled.prove(entry, &checkpoint)?;
        }
        if entries.is_empty() {
            return Err(BundleError::Empty);
        }
        let payloads =
            self.payloads.iter().map(|payload| payload.prove(&entries)).collect::<Result<_, _>>()?;
        Ok(Proved { checkpoint, entries, payloads })
    }
}

impl Bundled {
    pub fn new(index: u64, line: &[u8], proof: &[Hash]) -> Self {
        let proof = proof.iter().map(|hash| BASE64.encode(hash)).collect();
        // An entry is JSON text, so this changes nothing.
        Self { index, entry: String::from_utf8_lossy(line).into_owned(), proof }
    }

    fn prove(&self, entry: &Entry, checkpoint: &Checkpoint) -> Result<(), BundleError> {
        let index = self.index;
        if entry.gate != checkpoint.origin {
            return Err(BundleError::Gate { index, gate: entry.gate.clone() });
        }
        let hash = |text: &String| BASE64.decode(text).ok()?.try_into().ok();
        let hashes: Option<Vec<Hash>> = self.proof.iter().map(hash).collect();
        let hashes = hashes.ok_or(BundleError::Hash { index })?;
        let leaf = leaf_hash(self.entry.as_bytes());
        proof::verify_inclusion(&leaf, index, checkpoint.size, &hashes, &checkpoint.root)
            .map_err(|error| BundleError::Proof { index, error })
    }
}

impl Payload {
    fn prove(&self, entries: &[Entry]) -> Result<PayloadOf, BundleError> {
        let name = match self.of {
            PayloadOf::Arguments => "arguments",
            PayloadOf::Plan => "steps of the plan",
            PayloadOf::Result => "contents of the result",
        };
        let wrong = || BundleError::Payload(name);
        let salt: [u8; 32] =
            BASE64.decode(&self.salt).ok().and_then(|s| s.try_into().ok()).ok_or_else(wrong)?;
        let bytes = jcs::canonical_value(&self.value).map_err(|_| wrong())?;
        let digest = Digest::salted(&Salt(salt), &bytes);
        let is_named = entries.iter().any(|entry| match (&entry.body, self.of) {
            (Body::CallIntent(intent), PayloadOf::Arguments) => intent.call.args_digest == digest,
            (Body::CallIntent(intent), PayloadOf::Plan) => intent.call.plan.digest == digest,
            (Body::CallOutcome(receipt), PayloadOf::Result) => {
                receipt.result.as_ref().is_some_and(|result| result.digest == digest)
            }
            _ => false,
        });
        if is_named { Ok(self.of) } else { Err(wrong()) }
    }
}
