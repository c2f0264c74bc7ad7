//! Tiles on the disk held against those that the log gives. One that is missing is no fault: it can be made from the log.

use std::path::{Path, PathBuf};

use latchgate_wire::merkle::Hash;
use latchgate_wire::tile::{Edge, Tile};

/// The tiles of a log that is being read.
pub struct TileCheck {
    dir: PathBuf,
    edge: Edge,
    /// Tiles that the log has and the disk has not.
    pub missing: u64,
}

impl TileCheck {
    pub fn new(ledger_dir: &Path) -> Self {
        Self { dir: ledger_dir.join("tile"), edge: Edge::default(), missing: 0 }
    }

    /// Takes in the next leaf; names tiles that are not what they must be.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let full = self.edge.push(leaf);
        full.into_iter()
            .filter(|(tile, hashes)| !self.is_sound(*tile, hashes))
            .map(|(tile, _)| tile)
            .collect()
    }

    /// And those at the end of the log: every partial tile that lies there is the beginning of the widest.
    pub fn finish(&mut self) -> Vec<Tile> {
        let mut wrong = Vec::new();
        for (tile, hashes) in self.edge.clone().partial() {
            for width in 1..=tile.width {
                let narrow = Tile { width, ..tile };
                if self.dir.join(narrow.path()).is_file()
                    && !self.is_sound(narrow, hashes.get(..usize::from(width)).unwrap_or_default())
                {
                    wrong.push(narrow);
                }
            }
        }
        wrong
    }

    fn is_sound(&mut self, tile: Tile, hashes: &[Hash]) -> bool {
        match std::fs::read(self.dir.join(tile.path())) {
            Ok(bytes) => bytes == hashes.concat(),
            Err(_) => {
                self.missing += 1;
                true
            }
        }
    }
}
