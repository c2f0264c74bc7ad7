//! One call inside the sandbox: what its guest may do, how long, and what came of it so far.

use std::sync::Arc;
use std::time::Duration;

use latchgate_egress::{Egress, Now, Vault};
use latchgate_monitor::manifest::{Import, JsonRule, Limits};
use latchgate_monitor::plan::{Plan, Step};
use latchgate_monitor::steps::Permit;
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::PlanKind;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::log::Lines;
use crate::roots::Roots;
use crate::stop::Stop;
use crate::wasi::Wasi;

/// What a permit permits.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    pub(crate) salt: Salt,
    pub(crate) module_digest: Digest,
    pub(crate) imports: Vec<Import>,
    pub(crate) limits: Limits,
    /// What an answer says where the step was done.
    pub(crate) success: Option<JsonRule>,
    pub(crate) principal: String,
    pub(crate) partition: String,
    pub(crate) action_id: String,
    pub(crate) trace_id: TraceId,
}

impl From<Permit> for Job {
    fn from(permit: Permit) -> Self {
        Self {
            plan: permit.plan().clone(),
            salt: *permit.salt(),
            module_digest: permit.module_digest(),
            imports: permit.imports().to_vec(),
            limits: *permit.limits(),
            success: permit.success().cloned(),
            principal: permit.principal().to_owned(),
            partition: permit.partition(),
            action_id: permit.action_id().to_owned(),
            trace_id: permit.trace_id(),
        }
    }
}

/// When what ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) started: Instant,
    /// For host calls: a little earlier, so that the guest still gets to say what came of them.
    pub(crate) host_calls: Instant,
    /// The guest is stopped at the next tick.
    pub(crate) guest: Instant,
    /// Everything is dropped: a host call did not keep its deadline.
    pub(crate) backstop: Instant,
}

impl Deadlines {
    pub(crate) fn from_now(limits: &Limits) -> Self {
        let started = Instant::now();
        let guest = started + Duration::from_millis(limits.time_ms);
        let margin = Duration::from_millis((limits.time_ms / 10).min(100));
        Self { started, host_calls: guest - margin, guest, backstop: guest + BACKSTOP }
    }
}

/// The answer is due 250 ms after the limit, and takes a moment itself.
const BACKSTOP: Duration = Duration::from_millis(150);

/// The state of a guest's store.
pub(crate) struct Call {
    pub(crate) job: Arc<Job>,
    pub(crate) journal: Journal,
    pub(crate) deadlines: Deadlines,
    pub(crate) egress: Arc<Egress>,
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) now: Now,
    /// Where the call came from; the guest may run elsewhere.
    pub(crate) home: Handle,
    pub(crate) roots: Roots,
    pub(crate) limiter: Limiter,
    pub(crate) lines: Lines,
    pub(crate) wasi: Option<Box<Wasi>>,
    pub(crate) host_calls: u32,
}

impl Call {
    /// Counts a host call.
    pub(crate) fn count(&mut self) -> Result<(), Stop> {
        let max = self.job.limits.host_calls;
        if self.host_calls >= max {
            return Err(Stop::HostCalls { max });
        }
        self.host_calls += 1;
        Ok(())
    }

    /// Admits step `index`, once, if `pick` takes it for a step of its kind. From here on it counts as begun.
    ///
    /// # Errors
    /// Why it is not performed, for the guest. Nothing was done.
    pub(crate) fn begin<'a, S>(
        &self,
        job: &'a Job,
        index: usize,
        pick: impl FnOnce(&'a Step) -> Option<&'a S>,
    ) -> Result<&'a S, String> {
        let refuse = |why: String| {
            // At debug: a guest may try as often as it has host calls.
            tracing::debug!(action_id = job.action_id, trace_id = %job.trace_id, "the component was refused: {why}");
            Err(why)
        };
        match job.plan.kind {
            PlanKind::Exact => {}
            PlanKind::Envelope => return refuse("envelope plans are not performed by this gate".into()),
        }
        let Some(step) = job.plan.steps.get(index) else {
            return refuse(format!("the plan has no step {index}"));
        };
        let Some(picked) = pick(step) else {
            return refuse(format!("step {index} of the plan is not of this kind"));
        };
        match self.journal.begin(index, step) {
            Ok(()) => Ok(picked),
            Err(why) => refuse(format!("step {index} {why}")),
        }
    }
}
