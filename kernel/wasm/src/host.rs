//! The sandbox: one new store and one pooled instance for each call, bounded in everything, never used again.

use std::sync::Arc;

use latchgate_egress::{Egress, Now, Vault};
use latchgate_monitor::manifest::Import;
use latchgate_monitor::ports::Sandbox;
use latchgate_monitor::steps::{Invocation, Permit, Ran, StepFailure};
use latchgate_wire::digest::Digest;
use latchgate_wire::ids::TraceId;
use latchgate_wire::receipt::{FailureClass, Runtime};
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store};

use crate::cache::ModuleCache;
use crate::call::{Call, Deadlines, Job};
use crate::engine::{Engine, EngineError, GUESTS_MAX};
use crate::guest::{Ended, Guest};
use crate::journal::Journal;
use crate::lanes::Lanes;
use crate::limiter::Limiter;
use crate::log::Lines;
use crate::module::{Modules, RegisterError};
use crate::pace::{Pace, Turn};
use crate::places::Places;
use crate::roots::Roots;
use crate::stop::{Stop, output_bytes_max};
use crate::stops::Stops;

/// The ways out that guests have.
pub struct HostConfig {
    pub egress: Arc<Egress>,
    /// Where the values of secrets are, for the moment at which a request is written. No guest sees one.
    pub vault: Arc<dyn Vault>,
    /// The gate's time, for signatures of requests.
    pub now: Now,
    pub roots: Roots,
    /// Where compiled components are kept between starts.
    pub cache: Option<ModuleCache>,
}

/// Runs guests. Built once and shared.
pub struct Host {
    modules: Modules,
    places: Arc<Places>,
    stops: Stops,
    egress: Arc<Egress>,
    vault: Arc<dyn Vault>,
    now: Now,
    roots: Roots,
    lanes: Lanes,
    engine: Engine,
}

impl Host {
    /// # Errors
    /// If this machine cannot run guests: no memory to reserve, no thread for the ticker.
    pub fn new(config: HostConfig) -> Result<Self, EngineError> {
        Self::paced(config, Pace::Clock)
    }

    /// With another measure of guests' time.
    pub(crate) fn paced(config: HostConfig, pace: Pace) -> Result<Self, EngineError> {
        let engine = Engine::new(pace)?;
        let lanes = Lanes::new().map_err(|error| EngineError(error.to_string()))?;
        let HostConfig { egress, vault, now, roots, cache } = config;
        let modules = Modules::new(engine.wasmtime(), cache);
        let (places, stops) = (Places::new(GUESTS_MAX), Stops::default());
        Ok(Self { modules, places, stops, egress, vault, now, roots, lanes, engine })
    }

    /// Admits a component under its pinned digest and the imports that its manifest declares. `name` is for messages. Compiles,
    /// which keeps a thread busy: milliseconds for a small component, seconds for one that brings a language runtime.
    ///
    /// # Errors
    /// If the bytes are not the pinned ones, are no component, import more than declared, or do not export `run`.
    pub fn register(
        &self,
        name: &str,
        bytes: &[u8],
        pinned: Digest,
        imports: &[Import],
    ) -> Result<(), RegisterError> {
        self.modules.register(name, bytes, pinned, imports)
    }

    /// To be called once the modules are registered: what the cache holds of others is bounded.
    pub fn prune_cache(&self) {
        self.modules.prune_cache();
    }

    #[cfg(test)]
    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        self.engine.wasmtime()
    }

    /// Stops every guest, and those that come later: what was begun and is not known to have ended becomes part of each outcome.
    pub fn end(&self) {
        self.stops.end();
    }

    /// Stops these calls, those of them that have not come yet as well: their leases were revoked.
    pub fn stop(&self, calls: &[TraceId]) {
        self.stops.stop(calls);
    }

    /// Everything that [`Sandbox::run`] does, for a job however it came about.
    pub(crate) async fn run_job(&self, job: Job, invocation: impl Into<String>) -> Ran {
        let deadlines = Deadlines::from_now(&job.limits);
        let Some(module) = self.modules.find(job.module_digest, &job.imports) else {
            return not_run(
                failure(FailureClass::Fault, format!("module {} is not loaded", job.module_digest)),
                deadlines,
            );
        };
        let job = Arc::new(job);
        let place = tokio::select! {
            biased;
            stop = self.stops.told(job.trace_id) => return not_run(stop.failure(), deadlines),
            place = timeout_at(deadlines.guest, self.places.take(&job.principal)) => place,
        };
        let Ok(place) = place else { return not_run(busy(), deadlines) };
        let (journal, turn) = (Journal::default(), Turn::new());
        let store = match self.store(&job, &journal, deadlines, turn.clone()) {
            Ok(store) => store,
            Err(error) => {
                return not_run(failure(FailureClass::Fault, format!("no store: {error:#}")), deadlines);
            }
        };
        let habit = module.habit.clone();
        let guest = Guest { store, module, invocation: invocation.into(), _place: place };
        let running = self.lanes.run(guest.run(), &turn, &habit, job.limits.memory_mib);
        // What nobody measured counts as all of it: dropped, a guest may be ending still.
        let unmeasured = |stop: Stop| (Err(stop.failure()), job.limits.fuel);
        let (result, fuel) = tokio::select! {
            // A guest that has ended has ended.
            biased;
            ended = timeout_at(deadlines.backstop, running) => match ended {
                Ok(Ended { output: Ok(output), fuel }) => (Ok(output), fuel),
                Ok(Ended { output: Err(error), fuel }) => (Err(stopped(&error, &job)), fuel),
                Err(_) => unmeasured(Stop::Time { ms: job.limits.time_ms }),
            },
            stop = self.stops.told(job.trace_id) => unmeasured(stop),
        };
        ran(result, &journal, fuel, deadlines)
    }

    fn store(
        &self,
        job: &Arc<Job>,
        journal: &Journal,
        deadlines: Deadlines,
        turn: Turn,
    ) -> wasmtime::Result<Store<Call>> {
        let limits = &job.limits;
        let call = Call {
            job: Arc::clone(job),
            journal: journal.clone(),
            deadlines,
            egress: Arc::clone(&self.egress),
            vault: Arc::clone(&self.vault),
            now: Arc::clone(&self.now),
            home: Handle::current(),
            roots: self.roots.clone(),
            limiter: Limiter::new(limits),
            lines: Lines::default(),
            wasi: None,
            host_calls: 0,
        };
        let mut store = Store::try_new(self.engine.wasmtime(), call)?;
        store.limiter(|call| &mut call.limiter);
        store.set_fuel(limits.fuel)?;
        store.set_hostcall_fuel(output_bytes_max(limits));
        store.set_max_component_handles(HANDLES_MAX);
        self.engine.pace().set(&mut store, deadlines, limits.time_ms, turn);
        Ok(store)
    }
}

/// Resources of the component model that a guest may hold at once.
const HANDLES_MAX: usize = 1000;

impl Sandbox for Host {
    async fn run(&self, permit: Permit, invocation: Invocation) -> Ran {
        self.run_job(Job::from(permit), invocation.0).await
    }
}

fn stopped(error: &wasmtime::Error, job: &Job) -> StepFailure {
    if error.is::<PoolConcurrencyLimitError>() {
        return busy();
    }
    let stop = Stop::read(error, &job.limits);
    tracing::warn!(action_id = job.action_id, trace_id = %job.trace_id, "{stop}: {error:#}");
    stop.failure()
}

fn ran(
    result: Result<Result<String, String>, StepFailure>,
    journal: &Journal,
    fuel_consumed: u64,
    deadlines: Deadlines,
) -> Ran {
    let (output, stopped, exit_code) = match result {
        Ok(Ok(output)) => (Ok(output), None, 0),
        Ok(Err(sentence)) => (Err(sentence), None, 1),
        Err(failure) => (Err(failure.message.clone()), Some(failure), 2),
    };
    let duration_ms = u64::try_from(deadlines.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let runtime = Runtime { duration_ms, exit_code, fuel_consumed };
    Ran { output, stopped, observed: journal.close(), runtime }
}

fn not_run(why: StepFailure, deadlines: Deadlines) -> Ran {
    ran(Err(why), &Journal::default(), 0, deadlines)
}

fn busy() -> StepFailure {
    let mut failure =
        failure(FailureClass::Refused, format!("the gate runs {GUESTS_MAX} components already"));
    failure.remediation = Some("repeat the call later".into());
    failure
}

fn failure(class: FailureClass, message: String) -> StepFailure {
    StepFailure { class, message, remediation: None }
}
