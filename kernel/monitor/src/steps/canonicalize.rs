//! Canonicalize: one byte form for the arguments, and one hash by which equal calls are known.

use latchgate_wire::digest::{Digest, HashKey};
use latchgate_wire::jcs;

use super::Validated;
use crate::denial::Denial;
use crate::manifest::Class;
use crate::ports::CallIdentity;

pub struct Canonical {
    pub(super) validated: Validated,
    pub(super) args_bytes: Vec<u8>,
    pub(super) request_hash: Digest,
}

impl Validated {
    /// `key` is the gate's own: the hash can be compared by this gate and guessed by nobody.
    pub fn canonicalize(self, key: &HashKey) -> Result<Canonical, Denial> {
        let args_bytes =
            jcs::canonical_value(&self.args).map_err(|error| Denial::fault(error.to_string()))?;
        let action_id = &self.resolved.action.manifest.action_id;
        let request_hash = key.digest(&[action_id.as_bytes(), b"\n", &args_bytes]);
        Ok(Canonical { validated: self, args_bytes, request_hash })
    }
}

impl Canonical {
    /// What an identical call would be recognised by.
    pub fn identity(&self) -> CallIdentity {
        let resolved = &self.validated.resolved;
        CallIdentity {
            principal: resolved.request.caller.who().principal.clone(),
            action_id: resolved.action.manifest.action_id.clone(),
            request_hash: self.request_hash,
            idempotency_key: resolved.request.idempotency_key.clone(),
            is_read: resolved.action.manifest.class == Class::Read,
        }
    }
}
