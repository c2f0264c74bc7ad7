//! What the host saw of the plan's steps. Outlives the guest: a step that was begun when the guest was stopped stays recorded.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchgate_monitor::plan::{FsOperation, Step};
use latchgate_monitor::steps::Observed;
use latchgate_wire::receipt::EffectStatus;

#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<Vec<Observed>>>);

/// The step was begun before.
pub(crate) struct Begun;

impl Journal {
    /// Notes that `index` is about to be performed, with the worst that can come of it.
    pub(crate) fn begin(&self, index: usize, step: &Step) -> Result<(), Begun> {
        let mut seen = self.lock();
        if seen.iter().any(|observed| observed.step == index) {
            return Err(Begun);
        }
        seen.push(Observed {
            step: index,
            status: if_interrupted(step),
            http_status: None,
            bytes: 0,
            digest: None,
            failure: None,
        });
        Ok(())
    }

    /// Replaces what [`Self::begin`] noted.
    pub(crate) fn end(&self, observed: Observed) {
        let mut seen = self.lock();
        if let Some(begun) = seen.iter_mut().find(|begun| begun.step == observed.step) {
            *begun = observed;
        }
    }

    /// What is known now.
    pub(crate) fn observed(&self) -> Vec<Observed> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Observed>> {
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
