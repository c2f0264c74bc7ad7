//! What the gate says, and what that changes on the screen.

use latchgate_wire::api::{ApprovalDetail, ApprovalInfo, Decided};
use latchgate_wire::ids::ApprovalId;

use super::{Act, Held, Mode, Watch};
use crate::commands::approvals::watch::gate::Told;
use crate::commands::approvals::watch::page::Page;
use crate::exit::Failure;
use crate::render::plan;

impl Watch {
    pub fn told(&mut self, told: Told) -> Act {
        match told {
            Told::Waiting(Ok(waiting)) => {
                self.silence = None;
                return self.waits(waiting);
            }
            Told::Waiting(Err(failure)) => self.silence = Some(failure.what),
            Told::Shown(id, shown) => self.shown(id, shown),
            Told::Gathered(Ok(all)) => self.gathered(all),
            Told::Gathered(Err(failure)) => self.note = Some(failure.what),
            Told::Decided(id, decided) => self.decided(id, decided),
            Told::Done => self.mode = Mode::Looking,
        }
        Act::Nothing
    }

    fn waits(&mut self, waiting: Vec<ApprovalInfo>) -> Act {
        let newest = waiting.iter().map(|info| info.approval_id).find(|id| !self.known.contains(id));
        self.has_arrived |= newest.is_some();
        self.known = waiting.iter().map(|info| info.approval_id).collect();
        self.waiting = waiting;
        if self.awaited.is_some() || matches!(self.mode, Mode::Deciding) {
            return Act::Nothing;
        }
        let Some(held) = &self.held else {
            return self.show(self.waiting.first().map(|info| info.approval_id));
        };
        let id = held.detail.info.approval_id;
        match held.became {
            Some(_) => self.show(newest),
            None if self.known.contains(&id) => Act::Nothing,
            // Somebody else decided, or nobody in time.
            None => self.show(Some(id)),
        }
    }

    fn shown(&mut self, id: ApprovalId, shown: Result<Box<ApprovalDetail>, Failure>) {
        if self.awaited.take_if(|awaited| *awaited == id).is_none() {
            return;
        }
        let detail = match shown {
            Ok(detail) => *detail,
            Err(failure) => {
                self.note = Some(failure.what);
                // It is gone altogether: nothing can be decided about it.
                if let Some(held) = self.held.as_mut().filter(|held| held.detail.info.approval_id == id) {
                    held.became = Some("no longer known to the gate".into());
                    self.mode = Mode::Looking;
                }
                return;
            }
        };
        let ended = (detail.info.status != "pending").then(|| detail.info.status.clone());
        match &mut self.held {
            Some(held) if held.detail.info.approval_id == id => {
                if let Some(status) = ended {
                    held.became = Some(format!("it no longer waits: {status}"));
                    self.mode = Mode::Looking;
                }
            }
            _ => {
                let became = ended.map(|status| format!("it no longer waits: {status}"));
                self.held = Some(Held { detail, page: Page::default(), is_whole: false, became });
                self.mode = Mode::Looking;
                self.note = None;
            }
        }
    }

    /// Those of the same action, principal and target as the call on the screen.
    fn gathered(&mut self, mut all: Vec<ApprovalDetail>) {
        let (Some(held), Mode::Looking) = (&self.held, &self.mode) else { return };
        let of = |detail: &ApprovalDetail| {
            let info = &detail.info;
            (info.action_id.clone(), info.principal.clone(), plan::targets(&detail.plan))
        };
        let (shape, targets) = (of(&held.detail), plan::targets(&held.detail.plan));
        all.retain(|detail| detail.info.status == "pending" && of(detail) == shape);
        if targets.is_empty() || all.len() < 2 {
            self.note = Some("no other call of the same action, principal and target waits".into());
            return;
        }
        self.mode = Mode::Alike { all, page: Page::default() };
    }

    fn decided(&mut self, id: ApprovalId, decided: Result<Box<Decided>, Failure>) {
        let decided = match decided {
            Ok(decided) => decided,
            Err(failure) => {
                self.note = Some(failure.what);
                return;
            }
        };
        self.waiting.retain(|info| info.approval_id != id);
        self.approved += usize::from(decided.status == "approved" && decided.problem.is_none());
        let word = became(&decided);
        if self.approved > 1 {
            self.note = Some(format!("{} calls approved and executed", self.approved));
        }
        if let Some(held) = self.held.as_mut().filter(|held| held.detail.info.approval_id == id) {
            held.became = Some(word);
        } else if decided.problem.is_some() {
            self.note = Some(format!("{id}: {word}"));
        }
    }
}

fn became(decided: &Decided) -> String {
    match (&decided.problem, decided.status.as_str(), decided.receipt_id) {
        (Some(problem), _, _) => format!("approved, and not done: {}: {}", problem.error, problem.detail),
        (None, "approved", Some(receipt)) => format!("approved and executed, receipt {receipt}"),
        (None, "pending", _) => "approved by you; more operators have to".into(),
        (None, status, _) => status.to_owned(),
    }
}
