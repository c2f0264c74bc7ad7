//! The right edge of a tiled tree: what a growing log must know to go on writing tiles, at most 8 partial tiles.

use super::{Tile, TileError, WIDTH, node, reduce};
use crate::merkle::Hash;
use crate::proof;

/// The tiles that are not full yet, by level. Invariant: `levels[l]` has `(size >> 8 l) % 256` hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// Takes up the edge of a log of `size` entries from its tiles. Whether they are that log's is for [`Self::root`] to tell.
    ///
    /// # Errors
    /// What reading them fails with.
    pub fn restore<E>(size: u64, mut read: impl FnMut(Tile) -> Result<Vec<Hash>, E>) -> Result<Self, E> {
        let mut levels = Vec::new();
        for level in (0u8..8).take_while(|level| size >> (8 * u32::from(*level)) > 0) {
            let index = (size >> (8 * u32::from(level))) / WIDTH;
            levels.push(Tile::at(level, index, size).map_or_else(|| Ok(Vec::new()), &mut read)?);
        }
        Ok(Self { size, levels })
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends; gives the tiles that are full by it, the lowest level first.
    pub fn push(&mut self, leaf: Hash) -> Vec<(Tile, Vec<Hash>)> {
        let mut full = Vec::new();
        self.size += 1;
        let mut rising = Some(leaf);
        let mut level = 0;
        while let Some(hash) = rising.take() {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(level) else { break };
            hashes.push(hash);
            if hashes.len() as u64 == WIDTH {
                let hashes = std::mem::take(hashes);
                let index = (self.size >> (8 * level)) / WIDTH - 1;
                rising = Some(reduce(hashes.clone()));
                full.push((Tile { level: level as u8, index, width: WIDTH as u16 }, hashes));
            }
            level += 1;
        }
        full
    }

    /// The tiles that are not full.
    pub fn partial(&self) -> impl Iterator<Item = (Tile, &[Hash])> {
        let levels = self.levels.iter().enumerate().filter(|(_, hashes)| !hashes.is_empty());
        levels.map(|(level, hashes)| {
            let index = (self.size >> (8 * level)) / WIDTH;
            (Tile { level: level as u8, index, width: hashes.len() as u16 }, hashes.as_slice())
        })
    }

    /// The root of the tree. Every complete subtree at the right edge of a log is in its partial tiles.
    pub fn root(&self) -> Result<Hash, TileError> {
        proof::root(self.size, |height, index| {
            node(height, index, self.size, |tile| {
                Ok(self.levels.get(usize::from(tile.level)).cloned().unwrap_or_default())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::{Frontier, leaf_hash};

    #[test]
    fn an_edge_gives_the_tiles_and_the_root_of_every_size() {
        let (mut edge, mut tree) = (Edge::default(), Frontier::default());
        for n in 0u64..66_000 {
            let leaf = leaf_hash(&n.to_be_bytes());
            let full: Vec<Tile> = edge.push(leaf).into_iter().map(|(tile, _)| tile).collect();
            tree.push(leaf);
            let size = n + 1;
            let expected: Vec<Tile> = Tile::grown(n, size).filter(Tile::is_full).collect();
            assert_eq!(full, expected, "size {size}");
            let partial: Vec<Tile> = edge.partial().map(|(tile, _)| tile).collect();
            let expected: Vec<Tile> = Tile::grown(0, size).filter(|tile| !tile.is_full()).collect();
            // Walking all tiles of a large log at each size would be slow, and is no different.
            if !(2_000..=65_500).contains(&size) {
                assert_eq!(partial, expected, "size {size}");
                assert_eq!(edge.root(), Ok(tree.root()), "size {size}");
                let restored = Edge::restore(size, |tile| {
                    let found = edge.partial().find(|(at, _)| *at == tile);
                    found.map(|(_, hashes)| hashes.to_vec()).ok_or(())
                });
                assert_eq!(restored.as_ref(), Ok(&edge), "size {size}");
            }
        }
    }
}
