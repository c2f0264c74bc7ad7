//! A receiver's queue: the log from a cursor on, read as stories.

use std::sync::Arc;

use latchgate_ledger::{Ledger, PayloadStore};
use latchgate_monitor::ports::Approval;
use latchgate_monitor::ports::Log as _;
use latchgate_monitor::steps::CallPayload;
use latchgate_wire::entry::{ApprovalDecided, CallHeld, Entry};

use super::story::{Sources, Story, Topic};
use crate::config::NotifySettings;

/// Entries read at once.
const LINES_MAX: usize = 500;
/// Stories told before the log is looked at again.
const STORIES_MAX: usize = 64;

/// What waits, and where to go on behind it.
#[derive(Debug, Default)]
pub struct Batch {
    pub stories: Vec<Story>,
    pub next: u64,
}

/// The log, as stories need it.
pub struct Source {
    pub ledger: Ledger,
    pub payloads: Arc<PayloadStore>,
}

impl Source {
    /// Reads on from an entry, up to `end` and not into it. Reads files: to be called where blocking is allowed.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn read(&self, of: &NotifySettings, from: u64, end: u64) -> Result<Batch, String> {
        let wanted = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        let lines = self.ledger.entries(from, LINES_MAX.min(wanted)).map_err(|error| error.to_string())?;
        let mut batch = Batch { stories: Vec::new(), next: from };
        for line in &lines {
            if let Some(story) = self.story(of, line)? {
                let is_absorbed = batch.stories.last_mut().is_some_and(|last| last.absorb(&story));
                if !is_absorbed {
                    if batch.stories.len() == STORIES_MAX {
                        return Ok(batch);
                    }
                    batch.stories.push(story);
                }
            }
            batch.next += 1;
        }
        Ok(batch)
    }

    fn story(&self, of: &NotifySettings, line: &[u8]) -> Result<Option<Story>, String> {
        if !may_be_news(line) {
            return Ok(None);
        }
        let entry = Entry::read(line).map_err(|error| error.to_string())?;
        let is_wanted = match Topic::of(&entry.body, &of.name) {
            Some(Topic::Event(event)) => of.events.contains(&event),
            Some(Topic::Test) => true,
            None => false,
        };
        Ok(if is_wanted { Story::of(&entry, &of.name, self) } else { None })
    }
}

impl Sources for Source {
    fn agent_reason(&self, held: &CallHeld) -> Option<String> {
        // Forgotten, or gone with the power: the story is told without it.
        CallPayload::read(&*self.payloads, held.call.payload).ok()?.agent_reason
    }

    fn held(&self, decided: &ApprovalDecided) -> Option<Approval> {
        self.ledger.approval(decided.approval_id)
    }
}

/// A look at the line that most entries do not pass. Within strings quotes are escaped, so what is found is a member.
fn may_be_news(line: &[u8]) -> bool {
    const KIND: &str = r#""kind":""#;
    const KINDS: [&str; 6] = [
        "call.held\"",
        "approval.decided\"",
        "call.denied\"",
        "lease.revoked\"",
        "standing.revoked\"",
        "notify.asked\"",
    ];
    let Ok(line) = std::str::from_utf8(line) else { return false };
    line.match_indices(KIND).any(|(at, _)| {
        let kind = &line[at + KIND.len()..];
        KINDS.iter().any(|news| kind.starts_with(news))
            || (kind.starts_with("call.outcome\"") && line.contains(r#""status":"unknown""#))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_member_of_the_entry_makes_it_news() {
        for (line, is) in [
            (r#"{"call":{"plan":{"kind":"exact"}},"kind":"call.held"}"#, true),
            (r#"{"kind":"call.intent","x":"\"kind\":\"call.held\""}"#, false),
            (r#"{"effects":[{"kind":"fs.read","status":"done"}],"kind":"call.outcome"}"#, false),
            (r#"{"effects":[{"kind":"fs.write","status":"unknown"}],"kind":"call.outcome"}"#, true),
            (r#"{"kind":"notify.delivered"}"#, false),
        ] {
            assert_eq!(may_be_news(line.as_bytes()), is, "{line}");
        }
    }
}
