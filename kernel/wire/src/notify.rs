//! Who is told of what, and what became of it: the entries behind notifications, and `GET /v1/notify` on the admin socket.
//!
//! The queue of a receiver is the log itself from its cursor on. An event is an entry; it was delivered, or it is a dead letter, or
//! the cursor stands before it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::entry::Signed;
use crate::time::Timestamp;

/// What somebody may want to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A call waits for a person (`call.held`).
    Held,
    /// Somebody decided it, or nobody did in time (`approval.decided`).
    Decided,
    /// A call was refused (`call.denied`).
    Denied,
    /// Leases or a standing approval were taken back (`lease.revoked`, `standing.revoked`).
    Revoked,
    /// A call may have happened, and nobody knows (`call.outcome`).
    Unknown,
}

impl Event {
    pub const ALL: [Self; 5] = [Self::Held, Self::Decided, Self::Denied, Self::Revoked, Self::Unknown];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Decided => "decided",
            Self::Denied => "denied",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
        }
    }
}

/// Who is told from here on, and of what: all receivers. One that is new begins behind this entry; one that is not named any more
/// is forgotten with what it was not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiversChanged {
    /// Events by the receiver's name.
    pub receivers: BTreeMap<String, BTreeSet<Event>>,
}

/// How far receivers were told since the last such entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivered {
    /// By the receiver's name.
    pub receivers: BTreeMap<String, Progress>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// `seq` of the first entry that was not dealt with yet.
    pub next: u64,
    /// Dead letters that were sent again and are delivered now, by their first event's `seq`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub again: Vec<u64>,
}

/// A message was given up: it is a dead letter until somebody asks for it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undelivered {
    pub receiver: String,
    /// `seq` of the events that it told of, first and last: those of the receiver's between them are in it.
    pub first: u64,
    pub last: u64,
    pub attempts: u32,
    /// Of the last attempt. Never what the receiver answered.
    pub reason: String,
}

/// What an operator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// A message that says that messages arrive. It takes its place behind what waits.
    Test,
    /// Every dead letter of the receiver, once more.
    Retry,
}

impl Ask {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Retry => "retry",
        }
    }
}

/// An operator's word about a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub receiver: String,
    pub ask: Ask,
    pub signed: Signed,
}

/// `GET /v1/notify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverList {
    pub receivers: Vec<Receiver>,
}

/// One receiver, and how it stands. Without where it is: that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    pub name: String,
    /// `webhook`, `slack`, `teams`, `telegram` or `ntfy`.
    pub kind: String,
    pub events: BTreeSet<Event>,
    /// `seq` of the first entry that it was not told of, and how many entries of the log lie from there on.
    pub next: u64,
    pub behind: u64,
    /// The message that waits now, if it failed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    pub dead_letters: Vec<DeadLetter>,
    /// Dead letters that are kept in the log alone, for their number.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dead_letters_beyond: u64,
    /// It may lie in a private network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dangerous_private: bool,
}

/// A receiver in `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub name: String,
    /// Entries that it was not told of, news or not.
    pub behind: u64,
    pub dead_letters: u64,
    /// Why the message that waits did not arrive yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
}

/// A message that did not arrive yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub first: u64,
    pub attempts: u32,
    pub reason: String,
    pub next_attempt_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    pub first: u64,
    pub last: u64,
    pub attempts: u32,
    pub reason: String,
    /// When it was given up.
    pub at: Timestamp,
}

/// `POST /v1/notify/NAME/test` and `/retry`: the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFor {
    pub receiver: String,
    pub ask: Ask,
    pub log_index: u64,
    /// How many dead letters are sent again.
    pub dead_letters: usize,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
