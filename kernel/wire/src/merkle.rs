//! The Merkle tree of RFC 6962 section 2.1, grown one leaf at a time.
//!
//! Kept as the roots of the complete subtrees from left to right (sizes descending powers of two), which is all that
//! the root of the whole and every later append need: at most 64 hashes.

use sha2::{Digest as _, Sha256};

/// A node of the tree: SHA-256 with the prefix of its kind.
pub type Hash = [u8; 32];

/// The hash of a leaf: SHA-256(0x00 || data).
pub fn leaf_hash(data: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update([0]);
    hash.update(data);
    hash.finalize().into()
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hash = Sha256::new();
    hash.update([1]);
    hash.update(left);
    hash.update(right);
    hash.finalize().into()
}

/// A growing tree, by the roots of its complete subtrees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// What [`Self::roots`] gave of a tree of this size; `None` if there would have been another number of them.
    pub fn of(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    /// The roots of the complete subtrees, the largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one bit of the size is a complete subtree that the new leaf completes further.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root; of the empty tree SHA-256("").
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return Sha256::digest([]).into() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, word for word: the largest power of two smaller than n splits the list.
    fn reference(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => Sha256::digest([]).into(),
            1 => leaves[0],
            n => {
                let split = n.next_power_of_two() / 2;
                node_hash(&reference(&leaves[..split]), &reference(&leaves[split..]))
            }
        }
    }

    #[test]
    fn root_is_the_rfc_root_at_every_size() {
        let leaves: Vec<Hash> = (0u32..300).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut tree = Frontier::default();
        for n in 0..leaves.len() {
            assert_eq!(tree.size(), n as u64);
            assert_eq!(tree.root(), reference(&leaves[..n]), "size {n}");
            let taken_up = Frontier::of(n as u64, tree.roots().to_vec());
            assert_eq!(taken_up.as_ref(), Some(&tree));
            assert_eq!(
                Frontier::of(n as u64 + 1, tree.roots().to_vec()).is_some(),
                (n + 1).count_ones() == n.count_ones()
            );
            tree.push(leaves[n]);
        }
    }
}
