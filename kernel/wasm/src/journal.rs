//! What the host saw of the plan's steps. Outlives the guest: a step that was begun when the guest was stopped stays recorded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_monitor::plan::{FsOperation, Step};
use latchgate_monitor::steps::Observed;
use latchgate_wire::receipt::EffectStatus;

#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Pages>>);

#[derive(Default)]
struct Pages {
    observed: Vec<Observed>,
    is_closed: bool,
}

/// Why a step does not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotBegun {
    #[error("was performed before")]
    Twice,
    #[error("comes after the end of the call")]
    Late,
}

impl Journal {
    /// Notes that `index` is about to be performed, with the worst that can come of it.
    pub(crate) fn begin(&self, index: usize, step: &Step) -> Result<(), NotBegun> {
        let mut pages = self.lock();
        if pages.is_closed {
            return Err(NotBegun::Late);
        }
        if pages.observed.iter().any(|observed| observed.step == index) {
            return Err(NotBegun::Twice);
        }
        pages.observed.push(Observed {
            step: index,
            status: if_interrupted(step),
            http_status: None,
            is_refusal: false,
            bytes: 0,
            digest: None,
            failure: None,
        });
        Ok(())
    }

    /// Replaces what [`Self::begin`] noted.
    pub(crate) fn end(&self, observed: Observed) {
        let mut pages = self.lock();
        if let Some(begun) = pages.observed.iter_mut().find(|begun| begun.step == observed.step) {
            *begun = observed;
        }
    }

    /// What is known now. From here on nothing begins: a guest that has not ended yet does nothing that is not observed.
    pub(crate) fn close(&self) -> Vec<Observed> {
        let mut pages = self.lock();
        pages.is_closed = true;
        pages.observed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of a step that was begun and never ended.
fn if_interrupted(step: &Step) -> EffectStatus {
    match step {
        Step::Http(_) => EffectStatus::Unknown,
        Step::Fs(step) => match step.operation {
            FsOperation::Read | FsOperation::List | FsOperation::Search => EffectStatus::None,
            FsOperation::Write | FsOperation::Delete => EffectStatus::Unknown,
        },
    }
}
