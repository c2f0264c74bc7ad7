//! The seal of a compiled component, and the only unsafe code of this crate: to take what it vouches for.
//!
//! ```text
//! file    header code            header  FORMAT mac engine module
//! mac     HMAC-SHA256(key, FORMAT engine module code)
//! engine  SHA-256 of all that Wasmtime's compiler depends on: its version, target, processor features, settings
//! module  SHA-256 of the component that was compiled
//! ```
//!
//! Whoever can read the key can have any code run by the gate that holds it; they have the gate's own uid and could do so
//! without.
#![allow(unsafe_code, reason = "machine code is loaded; see the SAFETY comment")]

use std::hash::{Hash as _, Hasher};

use latchgate_wire::digest::{Digest, HashKey};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use wasmtime::Engine;
use wasmtime::component::Component;

const FORMAT: &[u8; 16] = b"latchgate-code 1";
/// The format, and three digests.
const HEADER_BYTES: usize = FORMAT.len() + 3 * 32;

/// What code must have been compiled by, and for, to run on an engine.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct EngineId([u8; 32]);

/// Seals and opens.
pub(super) struct Seal {
    key: HashKey,
    engine: EngineId,
}

/// Code that this gate compiled for this engine.
pub(super) struct Authentic<'a>(&'a [u8]);

#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("it is no sealed component")]
    Format,
    #[error("it was compiled by another engine")]
    Engine,
    #[error("it was compiled from another module")]
    Module,
    #[error("its MAC is not that of this gate's key")]
    Mac,
    #[error("its MAC is right and the engine does not take it: {0}")]
    Refused(String),
}

impl Seal {
    pub(super) fn new(key: HashKey, engine: EngineId) -> Self {
        Self { key, engine }
    }

    /// What stands before `code` in its file.
    pub(super) fn header(&self, module: Digest, code: &[u8]) -> Vec<u8> {
        let mac = self.mac(module, code);
        [&FORMAT[..], &mac.0, &self.engine.0, &module.0].concat()
    }

    /// # Errors
    /// If `file` is not what this key sealed for this engine and this module. Nothing of it was interpreted.
    pub(super) fn open<'a>(&self, module: Digest, file: &'a [u8]) -> Result<Authentic<'a>, SealError> {
        let (header, code) = file.split_at_checked(HEADER_BYTES).ok_or(SealError::Format)?;
        let digests = header.strip_prefix(FORMAT).ok_or(SealError::Format)?;
        let (mac, rest) = digests.split_at(32);
        let (engine, compiled_from) = rest.split_at(32);
        // Said first, because it is the better reason; the MAC covers both.
        if engine != self.engine.0 {
            return Err(SealError::Engine);
        }
        if compiled_from != module.0 {
            return Err(SealError::Module);
        }
        if bool::from(self.mac(module, code).0.ct_eq(mac)) {
            Ok(Authentic(code))
        } else {
            Err(SealError::Mac)
        }
    }

    fn mac(&self, module: Digest, code: &[u8]) -> Digest {
        self.key.digest(&[FORMAT, &self.engine.0, &module.0, code])
    }
}

impl Authentic<'_> {
    /// # Errors
    /// If the engine does not take it after all.
    pub(super) fn component(self, engine: &Engine) -> Result<Component, SealError> {
        // SAFETY: deserialize asks for bytes that `Component::serialize` gave, unaltered. An `Authentic` comes from
        // `Seal::open` alone, which found over these very bytes, in this process's memory, a MAC by a key that only this gate
        // holds and that seals nothing but the output of `Component::serialize` (`Cache::keep`), under the same engine identity.
        let component = unsafe { Component::deserialize(engine, self.0) };
        component.map_err(|error| SealError::Refused(format!("{error:#}")))
    }
}

impl EngineId {
    pub(super) fn of(engine: &Engine) -> Self {
        let mut hasher = IdHasher(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self(hasher.0.finalize().into())
    }
}

/// Collects what is hashed into a digest that is the same in every process.
struct IdHasher(Sha256);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        // The digest is taken from the field; nobody asks for less.
        0
    }
}
