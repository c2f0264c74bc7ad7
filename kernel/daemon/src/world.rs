//! The monitor's ports, made of the real things.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use latchgate_ledger::{Ledger, PayloadStore};
use latchgate_monitor::pipeline::{Settings, World};
use latchgate_monitor::ports::{Entropy, Secrets};
use latchgate_wasm::{Host, Roots};

use crate::clock::GateClock;
use crate::process::room;
use crate::secrets::keeper::Keeper;

pub struct GateWorld {
    pub ledger: Ledger,
    pub payloads: Arc<PayloadStore>,
    pub roots: Arc<Roots>,
    pub secrets: Arc<Keeper>,
    pub host: Host,
    pub clock: Arc<GateClock>,
    pub entropy: OsEntropy,
    pub settings: Settings,
    pub panics: AtomicU64,
}

impl World for GateWorld {
    type Log = Ledger;
    type Payloads = PayloadStore;
    type Probe = Roots;
    type Secrets = Keeper;
    type Sandbox = Host;
    type Clock = GateClock;
    type Entropy = OsEntropy;

    fn log(&self) -> &Ledger {
        &self.ledger
    }

    fn payloads(&self) -> &PayloadStore {
        &self.payloads
    }

    fn probe(&self) -> &Roots {
        &self.roots
    }

    fn secrets(&self) -> &Keeper {
        &self.secrets
    }

    fn sandbox(&self) -> &Host {
        &self.host
    }

    fn clock(&self) -> &GateClock {
        &self.clock
    }

    fn entropy(&self) -> &OsEntropy {
        &self.entropy
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn count_panic(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    fn with_room<T: Send>(
        &self,
        bytes: usize,
        work: impl Future<Output = T> + Send,
    ) -> impl Future<Output = T> + Send {
        room::with_room(bytes, work)
    }
}

impl Secrets for Keeper {
    fn is_set(&self, name: &str) -> bool {
        Self::is_set(self, name)
    }
}

/// The kernel's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness no key, id or salt can be trusted: nothing that follows would be safe.
            tracing::error!(%error, "the kernel gives no randomness");
            std::process::abort();
        }
    }
}
