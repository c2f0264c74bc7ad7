//! A pooled instance of the shipped component `fs`, run once, its host call answered from memory.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline};

use crate::gate::FILE;
use crate::measure::{Cost, cost};

wasmtime::component::bindgen!({
    path: "../actions/wit",
    world: "action",
    imports: { default: async | trappable },
    exports: { default: async },
});

use latchgate::action::fs;

const INVOCATION: &str = r#"{"action_id":"fs_read","args":{"path":"README.md"},
    "steps":[{"kind":"fs","operation":"read","path":"README.md"}]}"#;
const FUEL: u64 = 1_000_000_000;

struct Host;

impl fs::Host for Host {
    async fn perform(&mut self, _: u32) -> wasmtime::Result<Result<fs::Observation, fs::Error>> {
        Ok(Ok(fs::Observation::Content(FILE.into())))
    }
}

pub fn run(path: &Path, iterations: usize) -> Result<Cost> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let (engine, instance) = prepare(&bytes).map_err(|error| anyhow!("{error:#}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    cost(iterations, || {
        let output = runtime.block_on(run_once(&engine, &instance)).map_err(|error| anyhow!("{error:#}"))?;
        ensure!(output.is_ok_and(|output| output.contains("\"text\"")), "the component gave no text");
        Ok(())
    })
}

fn prepare(bytes: &[u8]) -> wasmtime::Result<(Engine, InstancePre<Host>)> {
    let engine = Engine::new(&config())?;
    let mut linker = Linker::<Host>::new(&engine);
    fs::add_to_linker::<Host, HasSelf<Host>>(&mut linker, |host| host)?;
    let instance = linker.instantiate_pre(&Component::from_binary(&engine, bytes)?)?;
    Ok((engine, instance))
}

async fn run_once(engine: &Engine, instance: &InstancePre<Host>) -> wasmtime::Result<Result<String, String>> {
    let mut store = Store::new(engine, Host);
    store.set_fuel(FUEL)?;
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));
    let instance = instance.instantiate_async(&mut store).await?;
    let run = instance.get_typed_func::<(&str,), (Result<String, String>,)>(&mut store, "run")?;
    let (output,) = run.call_async(&mut store, (INVOCATION,)).await?;
    Ok(output)
}

/// As the gate's engine is configured.
fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(8)
        .total_stacks(8)
        .max_memory_size(512 << 20)
        .async_stack_keep_resident(16 * 1024)
        .linear_memory_keep_resident(256 * 1024)
        .pagemap_scan(wasmtime::Enabled::Auto);
    let mut config = Config::new();
    config.consume_fuel(true).epoch_interruption(true).wasm_component_model(true);
    config.gc_support(false).concurrency_support(false).shared_memory(false);
    config.wasm_memory64(false).wasm_tail_call(false).wasm_relaxed_simd(false);
    config.wasm_backtrace_max_frames(None).async_stack_zeroing(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
