//! The Wasmtime engine, configured once: what guests may use of WebAssembly, and the pool that their instances come from.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::pace::{Pace, TICK};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// Guests that run at once, of which one principal has half. Further calls wait for a place within their own time limit.
pub(crate) const GUESTS_MAX: usize = 256;

/// Per guest. Components of other languages bring a language runtime made of many core modules.
pub(crate) const CORE_INSTANCES_MAX: u32 = 64;
pub(crate) const MEMORIES_MAX: u32 = 4;
pub(crate) const TABLES_MAX: u32 = 16;
pub(crate) const TABLE_ELEMENTS_MAX: usize = 20_000;
/// The largest `limits.memory_mib` of a manifest.
const MEMORY_BYTES_MAX: usize = 512 << 20;

/// The engine, and what advances its epoch.
pub(crate) struct Engine {
    wasmtime: wasmtime::Engine,
    pace: Pace,
    _ticker: Option<Ticker>,
}

/// The host cannot run anything on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot be set up: {0}")]
pub struct EngineError(pub(crate) String);

impl Engine {
    pub(crate) fn new(pace: Pace) -> Result<Self, EngineError> {
        let failed = |error: wasmtime::Error| EngineError(format!("{error:#}"));
        let wasmtime = wasmtime::Engine::new(&config()).map_err(failed)?;
        let ticker = match pace {
            Pace::Clock => {
                Some(Ticker::start(wasmtime.clone()).map_err(|error| EngineError(error.to_string()))?)
            }
            #[cfg(test)]
            Pace::Checks(_) => None,
        };
        Ok(Self { wasmtime, pace, _ticker: ticker })
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true);
    config.wasm_component_model(true);
    // Not needed by any guest; each is code that need not be right.
    config.gc_support(false).concurrency_support(false).shared_memory(false);
    config.wasm_memory64(false).wasm_tail_call(false).wasm_relaxed_simd(false);
    // A trap is named, not traced: frames would name the guest's functions to the agent, and cost time.
    config.wasm_backtrace_max_frames(None);
    // Stacks are reused for other guests.
    config.async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    config
}

fn pool() -> PoolingAllocationConfig {
    let guests = GUESTS_MAX as u32;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(guests)
        .total_stacks(guests)
        .total_core_instances(guests * 8)
        .total_memories(guests * 2)
        .total_tables(guests * 4)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        // What a small guest touches is cleared in place rather than given back to the kernel: half the time of a call.
        .async_stack_keep_resident(16 * 1024)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 * 1024)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the epoch until dropped.
struct Ticker {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> std::io::Result<Self> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("epoch".into()).spawn(move || {
            let (is_stopped, changed) = &*seen;
            let mut stopped = is_stopped.lock().unwrap_or_else(PoisonError::into_inner);
            while !*stopped {
                let waited = changed.wait_timeout(stopped, TICK).unwrap_or_else(PoisonError::into_inner);
                stopped = waited.0;
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        let (is_stopped, changed) = &*self.stop;
        *is_stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _a_panic_was_reported = thread.join();
        }
    }
}
