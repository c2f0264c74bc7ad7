//! Proofs about the log for whoever does not have it, against a checkpoint that was signed.
//!
//! Each proof is checked here before anybody gets it. One that does not lead to the signed root means that tiles were damaged:
//! they are made anew, once; then the log itself is not what was signed over.

use std::collections::HashMap;

use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::merkle::{Hash, leaf_hash};
use latchgate_wire::proof::{self, ProofError};
use latchgate_wire::tile;

use crate::tiles::Tiles;
use crate::view::{ReadError, View};

/// An entry, and that it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inclusion {
    pub index: u64,
    /// Without line break.
    pub line: Vec<u8>,
    pub proof: Vec<Hash>,
}

/// That the larger log begins with the smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consistency {
    pub old_root: Hash,
    pub new_root: Hash,
    pub proof: Vec<Hash>,
}

/// The proof of one entry in the log as it was signed over. `seq` is below the checkpoint's size.
pub fn inclusion(view: &View, tiles: &Tiles, seq: u64, at: &Checkpoint) -> Result<Inclusion, ReadError> {
    let missing = || ReadError::Entry { seq, why: "there is no such entry".into() };
    let line = view.line(seq)?.ok_or_else(missing)?;
    let leaf = leaf_hash(&line);
    let proof = mended(tiles, at.size, |nodes| {
        let proof = proof::inclusion(seq, at.size, nodes)?;
        proof::verify_inclusion(&leaf, seq, at.size, &proof, &at.root)?;
        Ok(proof)
    })?;
    Ok(Inclusion { index: seq, line, proof })
}

/// The proof that the log of size `new` begins with that of size `old`; `0 < old <= new`, both within the checkpoint, to which
/// both are held.
pub fn consistency(tiles: &Tiles, old: u64, new: u64, at: &Checkpoint) -> Result<Consistency, ReadError> {
    mended(tiles, at.size, |nodes| {
        let (old_root, new_root) = (proof::root(old, &mut *nodes)?, proof::root(new, &mut *nodes)?);
        let to_signed = proof::consistency(new, at.size, &mut *nodes)?;
        proof::verify_consistency(new, &new_root, at.size, &at.root, &to_signed)?;
        let proof = proof::consistency(old, new, nodes)?;
        proof::verify_consistency(old, &old_root, new, &new_root, &proof)?;
        Ok(Consistency { old_root, new_root, proof })
    })
}

/// Where nodes of the tree come from.
type Nodes<'a> = dyn FnMut(u32, u64) -> Result<Hash, Failed> + 'a;

enum Failed {
    Read(ReadError),
    /// What was read does not lead to the root.
    Proof(ProofError),
}

fn mended<T>(
    tiles: &Tiles,
    size: u64,
    make: impl Fn(&mut Nodes<'_>) -> Result<T, Failed>,
) -> Result<T, ReadError> {
    let attempt = || {
        let mut read = HashMap::new();
        make(&mut |height, index| {
            tile::node(height, index, size, |tile| {
                if let Some(hashes) = read.get(&tile) {
                    return Ok(Vec::clone(hashes));
                }
                let hashes = tiles.hashes(tile)?;
                read.insert(tile, hashes.clone());
                Ok(hashes)
            })
        })
    };
    match attempt() {
        Ok(made) => return Ok(made),
        Err(Failed::Read(error)) => tracing::warn!(%error, "a tile cannot be read; all are made anew"),
        Err(Failed::Proof(error)) => tracing::warn!(%error, "a tile was damaged; all are made anew"),
    }
    tiles.rebuild(size)?;
    attempt().map_err(|failed| match failed {
        Failed::Read(error) => error,
        Failed::Proof(error) => ReadError::Proof(error),
    })
}

impl From<ReadError> for Failed {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<tile::TileError> for Failed {
    fn from(error: tile::TileError) -> Self {
        Self::Read(error.into())
    }
}

impl From<ProofError> for Failed {
    fn from(error: ProofError) -> Self {
        Self::Proof(error)
    }
}
