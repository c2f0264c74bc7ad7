//! Decisions about calls, counted: by the minute in the index, and from the log for the minute that is not over there yet.
//!
//! Times never go back along the log, so the counts of every minute before that of the last indexed entry are final.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use latchgate_wire::entry::{Body, Entry};
use latchgate_wire::stats::{AuditStats, By, Decision, StatsQuery, StatsRow};
use latchgate_wire::time::Timestamp;

use crate::query::Queries;
use crate::view::ReadError;

const MINUTE_MS: i64 = 60_000;
const MINUTES_PER_HOUR: u64 = 60;
const ROWS_MAX: usize = 1_000;

/// What is counted of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Since 1970.
    minute: u64,
    decision: Decision,
    principal: String,
    action: String,
}

impl Mark {
    /// `None` for an entry that is no decision about a call.
    pub fn of(entry: &Entry) -> Option<Self> {
        let (decision, principal, action) = match &entry.body {
            Body::CallIntent(intent) => {
                let decision = if intent.approval.is_some() { Decision::Approved } else { Decision::Allowed };
                (decision, &intent.call.who.principal, &intent.call.action.id)
            }
            Body::CallHeld(held) => (Decision::Held, &held.call.who.principal, &held.call.action.id),
            Body::CallDenied(denied) => (Decision::Denied, &denied.who.principal, &denied.action_id),
            Body::GateStarted(_)
            | Body::GateRecovered(_)
            | Body::GateStopped(_)
            | Body::JailStarted(_)
            | Body::JailConnected(_)
            | Body::JailEnded(_)
            | Body::ConfigChanged(_)
            | Body::LeaseIssued(_)
            | Body::LeaseRevoked(_)
            | Body::ApprovalDecided(_)
            | Body::StandingRevoked(_)
            | Body::OperatorsChanged(_)
            | Body::AgentsChanged(_)
            | Body::SecretsChanged(_)
            | Body::CallOutcome(_)
            | Body::NotifyChanged(_)
            | Body::NotifyDelivered(_)
            | Body::NotifyFailed(_)
            | Body::NotifyAsked(_)
            | Body::CallsDelivered(_)
            | Body::ClockAccepted(_)
            | Body::KeyRotated(_)
            | Body::OutcomeResolved(_)
            | Body::PayloadsForgotten(_)
            | Body::RefusalsCounted(_) => return None,
        };
        let minute = minute_of(entry.time);
        Some(Self { minute, decision, principal: principal.to_string(), action: action.clone() })
    }

    /// Minute u64 BE | decision | principal | 00 | action. A principal's text holds no NUL.
    pub fn to_bytes(&self) -> Vec<u8> {
        let decision = self.decision as u8;
        let head = [&self.minute.to_be_bytes()[..], &[decision], self.principal.as_bytes()].concat();
        [&head[..], &[0], self.action.as_bytes()].concat()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (minute, rest) = bytes.split_first_chunk::<8>()?;
        let (decision, rest) = rest.split_first()?;
        let decision = Decision::ALL.into_iter().find(|known| *known as u8 == *decision)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self {
            minute: u64::from_be_bytes(*minute),
            decision,
            principal: text(&rest[..end])?,
            action: text(&rest[end + 1..])?,
        })
    }
}

impl Queries {
    /// Rows of counts. Reads files: not for the threads that serve sockets.
    pub fn stats(&self, query: &StatsQuery) -> Result<AuditStats, ReadError> {
        let low = query.since.map_or(0, minute_of);
        let high = query.until.map_or(u64::MAX, |until| minute_of(until.plus_ms(MINUTE_MS - 1)));
        let mut rows = Rows { by: query.by, rows: BTreeMap::new() };
        let settled = match self.count_indexed(&mut rows, low, high)? {
            Ok(settled) => settled,
            Err(why) => {
                tracing::warn!(%why, "the index cannot be read; the log is counted instead");
                rows.rows.clear();
                0
            }
        };
        self.count_log(&mut rows, low.max(settled), high)?;
        let (rows, left_off) = rows.finish();
        Ok(AuditStats {
            by: query.by,
            since: query.since.map(|_| time_of(low)),
            until: query.until.map(|_| time_of(high)),
            rows,
            left_off,
        })
    }

    /// Takes what the index has settled; gives the minute from which on the log is asked. The inner error is the index's.
    fn count_indexed(&self, rows: &mut Rows, low: u64, high: u64) -> Result<Result<u64, String>, ReadError> {
        let Some(index) = &self.index else { return Ok(Ok(0)) };
        let Some(last) = self.indexed.load(Ordering::Acquire).checked_sub(1) else { return Ok(Ok(0)) };
        let Some(last) = self.view.entry(last)? else { return Ok(Ok(0)) };
        let settled = minute_of(last.time);
        if low < settled.min(high) {
            for counted in index.marks(low..settled.min(high)) {
                match counted {
                    Ok((mark, count)) => rows.add(&mark, count),
                    Err(why) => return Ok(Err(why)),
                }
            }
        }
        Ok(Ok(settled))
    }

    fn count_log(&self, rows: &mut Rows, low: u64, high: u64) -> Result<(), ReadError> {
        let size = self.view.size();
        let mut seq = self.first_at(time_of(low), size)?;
        while seq < size {
            let Some(block) = self.view.read().places.block(seq) else { break };
            let skip = usize::try_from(seq - block.first_seq).unwrap_or(usize::MAX);
            for line in block.read()?.into_iter().skip(skip) {
                let entry =
                    Entry::read(&line).map_err(|error| ReadError::Entry { seq, why: error.to_string() })?;
                if minute_of(entry.time) >= high || seq >= size {
                    return Ok(());
                }
                Mark::of(&entry).iter().for_each(|mark| rows.add(mark, 1));
                seq += 1;
            }
        }
        Ok(())
    }
}

struct Rows {
    by: By,
    rows: BTreeMap<String, StatsRow>,
}

impl Rows {
    fn add(&mut self, mark: &Mark, count: u64) {
        let key = match self.by {
            By::Action => mark.action.clone(),
            By::Principal => mark.principal.clone(),
            By::Decision => mark.decision.as_str().to_owned(),
            By::Hour => time_of(mark.minute - mark.minute % MINUTES_PER_HOUR).to_string(),
        };
        let row = self
            .rows
            .entry(key)
            .or_insert_with_key(|key| StatsRow { key: key.clone(), ..StatsRow::default() });
        row.add(mark.decision, count);
    }

    /// The rows in their order, and how many are left off.
    fn finish(self) -> (Vec<StatsRow>, usize) {
        let mut rows: Vec<StatsRow> = self.rows.into_values().collect();
        let surplus = rows.len().saturating_sub(ROWS_MAX);
        match self.by {
            // Their text sorts as they do.
            By::Hour => drop(rows.drain(..surplus)),
            By::Action | By::Principal | By::Decision => {
                rows.sort_by_key(|row| std::cmp::Reverse(row.total));
                rows.truncate(ROWS_MAX);
            }
        }
        (rows, surplus)
    }
}

fn minute_of(time: Timestamp) -> u64 {
    u64::try_from(time.as_ms() / MINUTE_MS).unwrap_or(0)
}

fn time_of(minute: u64) -> Timestamp {
    Timestamp::from_ms(i64::try_from(minute).unwrap_or(i64::MAX).saturating_mul(MINUTE_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_whatever_an_agent_called_its_action() {
        for action in ["fs_read", "", "a\0b", "ü"] {
            let mark = Mark {
                minute: 29_453_760,
                decision: Decision::Held,
                principal: "uid:1000".into(),
                action: action.into(),
            };
            assert_eq!(Mark::from_bytes(&mark.to_bytes()), Some(mark));
        }
        assert_eq!(Mark::from_bytes(b"short"), None);
    }

    #[test]
    fn rows_beyond_the_limit_are_counted_and_the_smallest() {
        let mut rows = Rows { by: By::Action, rows: BTreeMap::new() };
        let mark = |action: String| Mark {
            minute: 1,
            decision: Decision::Denied,
            principal: "uid:1".into(),
            action,
        };
        (0..ROWS_MAX).for_each(|n| rows.add(&mark(format!("a{n}")), 1));
        rows.add(&mark("often".into()), 2);
        let (rows, left_off) = rows.finish();
        assert_eq!((rows.len(), left_off, rows[0].key.as_str()), (ROWS_MAX, 1, "often"));
    }
}
