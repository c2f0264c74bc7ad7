//! What is on the screen, and what a key or a word of the gate makes of it. Pure: no terminal, no clock, no gate.
//!
//! A call is never put in the place of another that waits for a decision: whoever presses a key decides what was read.

mod news;

use std::collections::BTreeSet;

use latchgate_wire::api::{ApprovalDetail, ApprovalInfo, ReachRequest};
use latchgate_wire::ids::ApprovalId;

use super::gate::{Decision, Word};
use super::page::Page;
use crate::commands::approvals::wider::{Scope, usual};
use crate::terminal::keys::{Key, Pressed};

/// Of a reason, as the gate takes it.
const REASON_BYTES_MAX: usize = 1024;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    Quit,
    Suspend,
    Show(ApprovalId),
    Gather(Vec<ApprovalId>),
    Decide(Vec<Decision>),
}

/// The call on the screen.
pub struct Held {
    pub detail: ApprovalDetail,
    pub page: Page,
    pub is_whole: bool,
    /// What became of it, once it no longer waits for us.
    pub became: Option<String>,
}

/// What keys mean.
pub enum Mode {
    Looking,
    /// Shows the rule that an approval for the session makes, and asks.
    Session {
        reach: ReachRequest,
        page: Page,
    },
    /// Takes the reason of a denial.
    Reason(String),
    /// Shows all calls alike, and asks.
    Alike {
        all: Vec<ApprovalDetail>,
        page: Page,
    },
    /// The gate was told, and has not answered.
    Deciding,
}

pub struct Watch {
    pub operator: String,
    pub waiting: Vec<ApprovalInfo>,
    pub held: Option<Held>,
    pub mode: Mode,
    /// The last thing to say.
    pub note: Option<String>,
    /// Why nothing is heard of the gate.
    pub silence: Option<String>,
    known: BTreeSet<ApprovalId>,
    awaited: Option<ApprovalId>,
    has_arrived: bool,
    approved: usize,
}

impl Watch {
    /// `known` waited before we began: no bell for those.
    pub fn new(operator: &str, known: BTreeSet<ApprovalId>) -> Self {
        Self {
            operator: operator.to_owned(),
            waiting: Vec::new(),
            held: None,
            mode: Mode::Looking,
            note: None,
            silence: None,
            known,
            awaited: None,
            has_arrived: false,
            approved: 0,
        }
    }

    /// Whether calls came since the last time.
    pub fn take_arrived(&mut self) -> bool {
        std::mem::take(&mut self.has_arrived)
    }

    pub fn pressed(&mut self, pressed: &Pressed) -> Act {
        if pressed.0.contains(&Key::Interrupt) {
            return Act::Quit;
        }
        if pressed.0.contains(&Key::Suspend) {
            return Act::Suspend;
        }
        if let Mode::Reason(_) = self.mode {
            return self.reason(pressed);
        }
        let Some(key) = pressed.alone() else {
            self.note = Some("more than one key at once: nothing was done".into());
            return Act::Nothing;
        };
        if self.scrolled(key) {
            return Act::Nothing;
        }
        self.note = None;
        match (&self.mode, key) {
            (Mode::Looking, key) => self.looking(key),
            (Mode::Session { .. } | Mode::Alike { .. }, Key::Char('y')) => self.confirmed(),
            (Mode::Session { .. } | Mode::Alike { .. }, Key::Escape | Key::Char('q' | 'n')) => {
                self.mode = Mode::Looking;
                Act::Nothing
            }
            (Mode::Deciding, Key::Char('q')) => Act::Quit,
            (Mode::Session { .. } | Mode::Alike { .. } | Mode::Deciding | Mode::Reason(_), _) => Act::Nothing,
        }
    }

    fn looking(&mut self, key: Key) -> Act {
        match key {
            Key::Char('q') => Act::Quit,
            Key::Char('n') => self.step(1),
            Key::Char('p') => self.step(-1),
            Key::Char('v') => {
                if let Some(held) = &mut self.held {
                    held.is_whole = !held.is_whole;
                }
                Act::Nothing
            }
            Key::Char('a') => match self.read_on_screen() {
                Some(held) => {
                    let decision = on(&held.detail, Word::Approve);
                    self.decide(vec![decision])
                }
                None => Act::Nothing,
            },
            Key::Char('s') => {
                if self.read_on_screen().is_some()
                    && let Some(reach) = usual(Scope::Session)
                {
                    self.mode = Mode::Session { reach, page: Page::default() };
                }
                Act::Nothing
            }
            Key::Char('d') => {
                if self.open().is_some() {
                    self.mode = Mode::Reason(String::new());
                }
                Act::Nothing
            }
            Key::Char('b') => self.gather(),
            _ => Act::Nothing,
        }
    }

    /// The call on the screen, if it can still be decided.
    fn open(&mut self) -> Option<&Held> {
        let note = match &self.held {
            None => "nothing waits",
            Some(_) if self.awaited.is_some() => "another call is about to be shown",
            Some(held) if held.became.is_some() => "that one is decided; n shows the next",
            Some(_) => return self.held.as_ref(),
        };
        self.note = Some(note.into());
        None
    }

    /// The same, if all of it was on the screen.
    fn read_on_screen(&mut self) -> Option<&Held> {
        let unread = self.open()?.page.unread();
        match unread {
            Some(0) => self.held.as_ref(),
            unread => {
                self.note = Some(unread_note(unread));
                None
            }
        }
    }

    fn gather(&mut self) -> Act {
        let Some(held) = self.open() else { return Act::Nothing };
        let of = (held.detail.info.action_id.clone(), held.detail.info.principal.clone());
        let alike = self.waiting.iter().filter(|info| (&info.action_id, &info.principal) == (&of.0, &of.1));
        Act::Gather(alike.map(|info| info.approval_id).collect())
    }

    fn confirmed(&mut self) -> Act {
        let (decisions, unread) = match (&self.mode, &self.held) {
            (Mode::Session { reach, page }, Some(held)) => {
                (vec![on(&held.detail, Word::ApproveSession(reach.clone()))], page.unread())
            }
            (Mode::Alike { all, page }, _) => {
                (all.iter().map(|detail| on(detail, Word::Approve)).collect(), page.unread())
            }
            _ => return Act::Nothing,
        };
        if unread != Some(0) {
            self.note = Some(unread_note(unread));
            return Act::Nothing;
        }
        self.decide(decisions)
    }

    fn decide(&mut self, decisions: Vec<Decision>) -> Act {
        self.mode = Mode::Deciding;
        self.approved = 0;
        Act::Decide(decisions)
    }

    fn reason(&mut self, pressed: &Pressed) -> Act {
        let Mode::Reason(reason) = &mut self.mode else { return Act::Nothing };
        for key in &pressed.0 {
            match key {
                Key::Enter => {
                    let reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
                    let denied = self.open().map(|held| on(&held.detail, Word::Deny(reason)));
                    return denied.map_or(Act::Nothing, |decision| self.decide(vec![decision]));
                }
                Key::Escape => {
                    self.mode = Mode::Looking;
                    return Act::Nothing;
                }
                Key::Backspace => drop(reason.pop()),
                Key::Char(c) if reason.len() + c.len_utf8() <= REASON_BYTES_MAX => reason.push(*c),
                _ => {}
            }
        }
        Act::Nothing
    }

    fn scrolled(&mut self, key: Key) -> bool {
        let page = match (&mut self.mode, &mut self.held) {
            (Mode::Session { page, .. } | Mode::Alike { page, .. }, _) => page,
            (_, Some(held)) => &mut held.page,
            (_, None) => return false,
        };
        match key {
            Key::Char(' ') | Key::PageDown => page.down(page.rows()),
            Key::PageUp => page.up(page.rows()),
            Key::Down => page.down(1),
            Key::Up => page.up(1),
            _ => return false,
        }
        self.note = None;
        true
    }

    /// The next of those that wait, from the newest to the oldest and round again.
    fn step(&mut self, by: isize) -> Act {
        let count = self.waiting.len();
        if count == 0 {
            self.held = None;
            return Act::Nothing;
        }
        let id = self.held.as_ref().map(|held| held.detail.info.approval_id);
        let at = self.waiting.iter().position(|info| Some(info.approval_id) == id);
        let next = at.map_or(0, |at| at.saturating_add(count).wrapping_add_signed(by) % count);
        self.show(self.waiting.get(next).map(|info| info.approval_id))
    }

    fn show(&mut self, id: Option<ApprovalId>) -> Act {
        let Some(id) = id else { return Act::Nothing };
        self.awaited = Some(id);
        Act::Show(id)
    }
}

fn on(detail: &ApprovalDetail, word: Word) -> Decision {
    Decision { id: detail.info.approval_id, plan_digest: detail.info.plan_digest, word }
}

fn unread_note(unread: Option<usize>) -> String {
    match unread {
        Some(1) => "1 line was not on the screen yet: space shows it".into(),
        Some(count) => format!("{count} lines were not on the screen yet: space shows them"),
        None => "it was not on the screen yet".into(),
    }
}

#[cfg(test)]
pub mod tests;
