//! `GET /v1/audit/stats` on the admin socket: what the gate decided about calls, counted.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What the gate decided about a call. A held call that a person approves is counted twice: when held, and when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Policy let it run at once.
    Allowed,
    /// It waits, or waited, for a person.
    Held,
    /// It ran because a person had approved it, or calls like it.
    Approved,
    Denied,
}

impl Decision {
    pub const ALL: [Self; 4] = [Self::Allowed, Self::Held, Self::Approved, Self::Denied];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Held => "held",
            Self::Approved => "approved",
            Self::Denied => "denied",
        }
    }
}

/// What one row stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    #[default]
    Action,
    Principal,
    Decision,
    /// Each hour in which something was decided, in UTC.
    Hour,
}

/// The query; every member narrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatsQuery {
    #[serde(default)]
    pub by: By,
    /// Decisions at or after this time, rounded down to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Decisions before this time, rounded up to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditStats {
    pub by: By,
    /// The bounds in force: whole minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Hours in order; anything else by its total, the largest first.
    pub rows: Vec<StatsRow>,
    /// Rows beyond those shown: the oldest hours, or the smallest totals.
    pub left_off: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsRow {
    /// An action, a principal, a decision, or the time at which an hour begins.
    pub key: String,
    pub total: u64,
    pub allowed: u64,
    pub held: u64,
    pub approved: u64,
    pub denied: u64,
}

impl StatsRow {
    pub fn add(&mut self, decision: Decision, count: u64) {
        let of_decision = match decision {
            Decision::Allowed => &mut self.allowed,
            Decision::Held => &mut self.held,
            Decision::Approved => &mut self.approved,
            Decision::Denied => &mut self.denied,
        };
        *of_decision = of_decision.saturating_add(count);
        self.total = self.total.saturating_add(count);
    }

    pub fn of(&self, decision: Decision) -> u64 {
        match decision {
            Decision::Allowed => self.allowed,
            Decision::Held => self.held,
            Decision::Approved => self.approved,
            Decision::Denied => self.denied,
        }
    }
}
