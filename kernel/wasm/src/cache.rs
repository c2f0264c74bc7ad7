//! Compiled components kept on disk, so that the next start need not compile them again.
//!
//! Machine code runs outside every sandbox, so a file counts for nothing by itself: it is taken when it is sealed
//! ([`seal`]) by this gate's key for this engine and this very module, and compiled anew otherwise. Everything goes through
//! the descriptor of a directory that nobody else can enter; a file is read once, and what was read is what is checked and
//! loaded. Losing the cache costs time, never correctness: no failure here is a failure of the start.

mod dir;
mod seal;

#[cfg(test)]
mod tests;

use std::path::Path;

use latchgate_wire::digest::{Digest, HashKey};
use wasmtime::Engine;
use wasmtime::component::Component;

use dir::{CacheDir, ReadError};
use seal::{EngineId, Seal, SealError};

pub use dir::CacheError;

/// Bytes of sealed files that no loaded module needs: an earlier version is there when it comes back, and a home does not
/// grow with every build of a module.
const UNUSED_BYTES_MAX: u64 = 256 << 20;

/// A directory of compiled components, and the key that they are sealed with.
pub struct ModuleCache {
    dir: CacheDir,
    key: HashKey,
}

/// The same, of one engine.
pub(crate) struct Cache {
    dir: CacheDir,
    seal: Seal,
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl ModuleCache {
    /// Makes the directory if need be. `key` seals the files and nothing else.
    ///
    /// # Errors
    /// If there is no directory that this user alone can enter.
    pub fn open(dir: &Path, key: &[u8; 32]) -> Result<Self, CacheError> {
        Ok(Self { dir: CacheDir::open(dir)?, key: HashKey::new(key) })
    }

    pub(crate) fn of(self, engine: &Engine) -> Cache {
        Cache { dir: self.dir, seal: Seal::new(self.key, EngineId::of(engine)) }
    }
}

impl Cache {
    /// The component that was compiled from the module of this digest, if it is here and unaltered.
    pub(crate) fn find(&self, engine: &Engine, module: Digest) -> Option<Component> {
        match self.taken(engine, module) {
            Ok(component) => component,
            // Not of this gate's making, but nothing that somebody did: an update of the gate, or another processor.
            Err(Unfit::Seal(SealError::Engine)) => {
                tracing::info!(%module, "compiled by another engine; it is compiled again");
                None
            }
            Err(unfit) => {
                tracing::warn!(%module, "a compiled module in the cache is not taken, but compiled again: {unfit}");
                None
            }
        }
    }

    fn taken(&self, engine: &Engine, module: Digest) -> Result<Option<Component>, Unfit> {
        let Some(file) = self.dir.read(&file_name(module))? else { return Ok(None) };
        Ok(Some(self.seal.open(module, &file)?.component(engine)?))
    }

    /// Keeps `component`, compiled from the module of this digest, in place of whatever was kept of it.
    pub(crate) fn keep(&self, module: Digest, component: &Component) {
        let code = match component.serialize() {
            Ok(code) => code,
            Err(error) => return tracing::warn!(%module, "a compiled module cannot be kept: {error:#}"),
        };
        if let Err(error) = self.dir.replace(&file_name(module), &self.seal.header(module, &code), &code) {
            tracing::warn!(%module, "a compiled module was not kept, the next start compiles it again: {error}");
        }
    }

    /// Removes what interrupted writes left, and of the files of modules that are not `used` the oldest over the bound.
    pub(crate) fn prune(&self, used: &[Digest]) {
        let used: Vec<String> = used.iter().map(|module| file_name(*module)).collect();
        if let Err(error) = self.dir.prune(&used, UNUSED_BYTES_MAX) {
            tracing::warn!("old compiled modules were not removed: {error}");
        }
    }
}

fn file_name(module: Digest) -> String {
    let text = module.to_string();
    format!("{}{}", text.trim_start_matches("sha256:"), dir::SUFFIX)
}
