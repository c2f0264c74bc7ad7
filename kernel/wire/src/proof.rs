//! Inclusion and consistency proofs of the log's tree (RFC 6962 section 2.1, verification as in RFC 9162 section 2.1).
//!
//! Proofs are made from the hashes of complete subtrees, which whoever has them gives: the node of `height` and `index` is
//! the root over the leaves `index << height` up to `(index + 1) << height`. Nothing here knows where they come from.

use sha2::{Digest as _, Sha256};

use crate::merkle::{Hash, node_hash};

/// The longest proof: one hash for each level of a tree of 2^64 leaves.
pub const HASHES_MAX: usize = 64;

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("entry {index} is not among {size} entries")]
    Outside { index: u64, size: u64 },
    #[error("expected two sizes of one log, the first at least 1 and no larger than the second")]
    Sizes,
    #[error("expected {expected} hashes in the proof, found {found}")]
    Length { expected: usize, found: usize },
    #[error("the proof leads to another root than the one that was signed over")]
    Root,
    #[error("the proof does not begin at the root of the smaller log")]
    OldRoot,
}

/// The root over the first `size` leaves; of none SHA-256("").
pub fn root<E>(size: u64, mut node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    match size {
        0 => Ok(Sha256::digest([]).into()),
        size => range(0, size, &mut node),
    }
}

/// The hashes beside the way from the leaf to the root, the lowest first (RFC 6962 section 2.1.1). `index < size`.
pub fn inclusion<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(range(start, middle, &mut node)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// That the first `old` of `new` leaves are the log of size `old` (RFC 6962 section 2.1.2). `0 < old <= new`.
pub fn consistency<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(range(start, middle, &mut node)?);
            start = middle;
        }
    }
    // A subtree that the verifier knows already is left out: the old tree itself.
    if start > 0 {
        proof.push(range(start, end, &mut node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root over `start..end`, where `start` is a multiple of a power of two that is at least as large as the range.
fn range<E>(start: u64, end: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let len = end - start;
    if len.is_power_of_two() {
        let height = len.trailing_zeros();
        return node(height, start >> height);
    }
    let middle = start + split(len);
    let (left, right) = (range(start, middle, node)?, range(middle, end, node)?);
    Ok(node_hash(&left, &right))
}

/// The largest power of two below `len`, which is at least 2.
fn split(len: u64) -> u64 {
    1 << (63 - (len - 1).leading_zeros())
}

/// Checks that `leaf` is entry `index` of the log with this size and root (RFC 9162 section 2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Outside { index, size });
    }
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    let mut hashes = proof.iter();
    while last > 0 {
        // The rightmost node of a level without a neighbour moves up as it is.
        if at & 1 == 1 || at < last {
            let beside = hashes.next().ok_or_else(|| length(inclusion_len(index, size), proof))?;
            hash = if at & 1 == 1 { node_hash(beside, &hash) } else { node_hash(&hash, beside) };
        }
        at >>= 1;
        last >>= 1;
    }
    if hashes.next().is_some() {
        return Err(length(inclusion_len(index, size), proof));
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the log of size `new` begins with the log of size `old` (RFC 9162 section 2.1.4.2).
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old == 0 || old > new {
        return Err(ProofError::Sizes);
    }
    if old == new {
        return match (proof.is_empty(), old_root == new_root) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Root),
            (false, _) => Err(length(0, proof)),
        };
    }
    let expected = consistency_len(old, new);
    if proof.len() != expected {
        return Err(length(expected, proof));
    }
    let (mut at, mut last) = (old - 1, new - 1);
    let skipped = at.trailing_ones();
    at >>= skipped;
    last >>= skipped;
    let mut hashes = proof.iter();
    // An old tree that is one complete subtree is where the way begins, and not in the proof.
    let first = if old.is_power_of_two() { old_root } else { hashes.next().unwrap_or(old_root) };
    let (mut from_old, mut from_new) = (*first, *first);
    for beside in hashes {
        if at & 1 == 1 || at == last {
            from_old = node_hash(beside, &from_old);
            from_new = node_hash(beside, &from_new);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    match (from_old == *old_root, from_new == *new_root) {
        (true, true) => Ok(()),
        (false, _) => Err(ProofError::OldRoot),
        (true, false) => Err(ProofError::Root),
    }
}

fn length(expected: usize, proof: &[Hash]) -> ProofError {
    ProofError::Length { expected, found: proof.len() }
}

fn inclusion_len(index: u64, size: u64) -> usize {
    let (mut at, mut last, mut len) = (index, size - 1, 0);
    while last > 0 {
        len += usize::from(at & 1 == 1 || at < last);
        at >>= 1;
        last >>= 1;
    }
    len
}

fn consistency_len(old: u64, new: u64) -> usize {
    let (mut start, mut end, mut len) = (0, new, 0);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            end = middle
        } else {
            start = middle
        }
        len += 1;
    }
    len + usize::from(start > 0)
}

#[cfg(test)]
mod tests;
