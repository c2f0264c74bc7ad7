//! The sandbox: one new store and one pooled instance for each call, bounded in everything, never used again.

use std::sync::Arc;

use latchgate_egress::Egress;
use latchgate_monitor::manifest::Import;
use latchgate_monitor::ports::Sandbox;
use latchgate_monitor::steps::{Invocation, Permit, Ran, StepFailure};
use latchgate_wire::digest::Digest;
use latchgate_wire::receipt::{FailureClass, Runtime};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};

use crate::cache::ModuleCache;
use crate::call::{Call, Deadlines, Job};
use crate::engine::{Engine, EngineError, GUESTS_MAX};
use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::log::Lines;
use crate::module::{Module, Modules, RegisterError, RunParams, RunResult};
use crate::roots::Roots;
use crate::stop::{Stop, output_bytes_max};

/// The ways out that guests have.
pub struct HostConfig {
    pub egress: Arc<Egress>,
    pub roots: Roots,
    /// Where compiled components are kept between starts.
    pub cache: Option<ModuleCache>,
}

/// Runs guests. Built once and shared.
pub struct Host {
    modules: Modules,
    places: Semaphore,
    egress: Arc<Egress>,
    roots: Roots,
    engine: Engine,
}

impl Host {
    /// # Errors
    /// If this machine cannot run guests: no memory to reserve, no thread for the ticker.
    pub fn new(config: HostConfig) -> Result<Self, EngineError> {
        let engine = Engine::new()?;
        let HostConfig { egress, roots, cache } = config;
        let modules = Modules::new(engine.wasmtime(), cache);
        Ok(Self { modules, places: Semaphore::new(GUESTS_MAX), egress, roots, engine })
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

    /// Everything that [`Sandbox::run`] does, for a job however it came about.
    pub(crate) async fn run_job(&self, job: Job, invocation: &str) -> Ran {
        let deadlines = Deadlines::from_now(&job.limits);
        let Some(module) = self.modules.find(job.module_digest, &job.imports) else {
            return not_run(
                failure(FailureClass::Fault, format!("module {} is not loaded", job.module_digest)),
                deadlines,
            );
        };
        let Ok(Ok(_place)) = timeout_at(deadlines.guest, self.places.acquire()).await else {
            return not_run(busy(), deadlines);
        };
        let job = Arc::new(job);
        let journal = Journal::default();
        let mut store = match self.store(&job, &journal, deadlines) {
            Ok(store) => store,
            Err(error) => {
                return not_run(failure(FailureClass::Fault, format!("no store: {error:#}")), deadlines);
            }
        };
        let ended = timeout_at(deadlines.backstop, enter(&mut store, &module, invocation)).await;
        let result = match ended {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(stopped(&error, &job)),
            Err(_) => Err(Stop::Time { ms: job.limits.time_ms }.failure()),
        };
        let fuel = job.limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        if store.data().lines.dropped() > 0 {
            let dropped = store.data().lines.dropped();
            tracing::debug!(action_id = job.action_id, trace_id = %job.trace_id, dropped, "guest lines were dropped");
        }
        // Whatever the guest left running ends here, before anybody reads what was observed.
        drop(store);
        ran(result, &journal, fuel, deadlines)
    }

    fn store(
        &self,
        job: &Arc<Job>,
        journal: &Journal,
        deadlines: Deadlines,
    ) -> wasmtime::Result<Store<Call>> {
        let limits = &job.limits;
        let call = Call {
            job: Arc::clone(job),
            journal: journal.clone(),
            deadlines,
            egress: Arc::clone(&self.egress),
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
        let (stop_at, ms) = (deadlines.guest.into_std(), limits.time_ms);
        // Each tick the guest makes way for other tasks of its thread, or ends.
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if std::time::Instant::now() >= stop_at {
                return Err(Stop::Time { ms }.into());
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(store)
    }
}

/// Resources of the component model that a guest may hold at once.
const HANDLES_MAX: usize = 1000;

impl Sandbox for Host {
    async fn run(&self, permit: Permit, invocation: Invocation) -> Ran {
        self.run_job(Job::from(permit), &invocation.0).await
    }
}

async fn enter(
    store: &mut Store<Call>,
    module: &Module,
    invocation: &str,
) -> wasmtime::Result<Result<String, String>> {
    let instance = module.instance.instantiate_async(&mut *store).await?;
    let run = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut *store, &module.run)?;
    let (output,) = run.call_async(&mut *store, (invocation,)).await?;
    Ok(output)
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
    Ran { output, stopped, observed: journal.observed(), runtime }
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
