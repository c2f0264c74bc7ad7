//! One guest, from its instance to its end, wherever it runs.

use wasmtime::Store;

use crate::call::Call;
use crate::module::{Module, RunParams, RunResult};
use crate::places::Place;

/// About to be instantiated.
pub(crate) struct Guest {
    pub(crate) store: Store<Call>,
    pub(crate) module: Module,
    pub(crate) invocation: String,
    /// Taken until nothing is left of the guest.
    pub(crate) _place: Place,
}

/// What came of it.
pub(crate) struct Ended {
    pub(crate) output: wasmtime::Result<Result<String, String>>,
    pub(crate) fuel: u64,
}

impl Guest {
    /// Instance, memory and tables are gone when this is done: giving them back takes time too, on the guest's own thread.
    pub(crate) async fn run(mut self) -> Ended {
        let output = self.enter().await;
        let call = self.store.data();
        let fuel = call.job.limits.fuel.saturating_sub(self.store.get_fuel().unwrap_or(0));
        let dropped = call.lines.dropped();
        if dropped > 0 {
            let (action_id, trace_id) = (&call.job.action_id, call.job.trace_id);
            tracing::debug!(action_id, %trace_id, dropped, "guest lines were dropped");
        }
        Ended { output, fuel }
    }

    async fn enter(&mut self) -> wasmtime::Result<Result<String, String>> {
        let instance = self.module.instance.instantiate_async(&mut self.store).await?;
        let run = instance.get_typed_func::<RunParams<'_>, RunResult>(&mut self.store, &self.module.run)?;
        let (output,) = run.call_async(&mut self.store, (&self.invocation,)).await?;
        Ok(output)
    }
}
