//! Tiles on disk: `tile/<L>/<N>[.p/<W>]` beside the log (C2SP tlog-tiles), made by the checkpoint thread before each checkpoint.
//!
//! Tiles are derived: one that is missing is made anew from the log, and whoever reads them holds what comes out against a root
//! that was signed. So only full tiles are synced, and a disk that lost one has lost nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchgate_wire::merkle::{Hash, leaf_hash};
use latchgate_wire::tile::{Edge, Tile, WIDTH, reduce};

use crate::durable;
use crate::view::{ReadError, View};

/// The tiles of one ledger.
pub struct Tiles {
    dir: PathBuf,
    view: Arc<View>,
}

impl Tiles {
    pub fn new(ledger_dir: &Path, view: Arc<View>) -> Self {
        Self { dir: ledger_dir.join("tile"), view }
    }

    /// The edge of the log as it was at `size`: from the tiles if they lead to this root, else from the log, from which every
    /// tile is then made anew.
    pub fn take_up(&self, size: u64, root: &Hash) -> Result<Edge, ReadError> {
        let restored = Edge::restore(size, |tile| self.read(tile));
        let edge = match restored {
            Ok(edge) if edge.root()? == *root => edge,
            Ok(_) | Err(_) => self.rebuild(size)?,
        };
        self.drop_narrower(&edge)?;
        Ok(edge)
    }

    /// Takes away the partial tiles of smaller sizes: nobody synced them, so a power cut may have left anything under their
    /// names. Whoever asks for one gets it from the log.
    fn drop_narrower(&self, edge: &Edge) -> Result<(), ReadError> {
        for (tile, _) in edge.partial() {
            let kept = self.dir.join(tile.path());
            let Some(Ok(items)) = kept.parent().map(fs::read_dir) else { continue };
            for item in items {
                let path = item?.path();
                if path != kept {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }

    /// Makes every tile of the log up to `size` anew, and writes those that are not as they must be.
    pub fn rebuild(&self, size: u64) -> Result<Edge, ReadError> {
        let mut edge = Edge::default();
        self.grow(&mut edge, size)?;
        Ok(edge)
    }

    /// Writes the tiles that the log has at `size` and had not at the edge's. After an error the edge is not to be used again.
    pub fn grow(&self, edge: &mut Edge, size: u64) -> Result<(), ReadError> {
        self.each_leaf(edge.size(), size, |leaf| {
            for (tile, hashes) in edge.push(leaf) {
                self.keep(tile, &hashes)?;
            }
            Ok(())
        })?;
        for (tile, hashes) in edge.partial() {
            self.keep(tile, hashes)?;
        }
        Ok(())
    }

    /// The hashes of a tile, however wide it lies on the disk by now.
    pub fn hashes(&self, tile: Tile) -> Result<Vec<Hash>, ReadError> {
        if let Ok(hashes) = self.read(tile) {
            return Ok(hashes);
        }
        // A partial tile goes when the full one is there, which begins with it.
        if let Ok(mut hashes) = self.read(tile.full()) {
            hashes.truncate(usize::from(tile.width));
            return Ok(hashes);
        }
        self.derive(tile)
    }

    /// From the log, or from the tiles below.
    fn derive(&self, tile: Tile) -> Result<Vec<Hash>, ReadError> {
        let hashes = match tile.level.checked_sub(1) {
            None => {
                let entries = tile.entries();
                let mut hashes = Vec::new();
                self.each_leaf(entries.start, entries.end, |leaf| {
                    hashes.push(leaf);
                    Ok(())
                })?;
                hashes
            }
            Some(level) => {
                let below = (0..u64::from(tile.width)).map(|n| tile.index * WIDTH + n);
                let below = below.map(|index| Tile { level, index, width: tile.full().width });
                below.map(|tile| Ok(reduce(self.hashes(tile)?))).collect::<Result<_, ReadError>>()?
            }
        };
        if tile.is_full() {
            self.keep(tile, &hashes)?;
        }
        Ok(hashes)
    }

    fn read(&self, tile: Tile) -> Result<Vec<Hash>, ReadError> {
        Ok(tile.hashes(&fs::read(self.dir.join(tile.path()))?)?)
    }

    fn keep(&self, tile: Tile, hashes: &[Hash]) -> Result<(), ReadError> {
        let path = self.dir.join(tile.path());
        let bytes = hashes.concat();
        if durable::read_if_present(&path)?.as_deref() == Some(&bytes) {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            durable::create_dir(parent)?;
        }
        if !tile.is_full() {
            return Ok(durable::replace_unsynced(&path, &bytes)?);
        }
        durable::replace(&path, &bytes)?;
        let mut partial = path.into_os_string();
        partial.push(".p");
        match fs::remove_dir_all(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The leaf hashes of `from..to`, out of the log.
    fn each_leaf(
        &self,
        from: u64,
        to: u64,
        mut each: impl FnMut(Hash) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let mut next = from;
        while next < to {
            let missing = ReadError::Entry { seq: next, why: "there is no such entry".into() };
            let found = self.view.read().places.block(next);
            let Some(block) = found else { return Err(missing) };
            let skip = usize::try_from(next - block.first_seq).unwrap_or(usize::MAX);
            let wanted = usize::try_from(to - next).unwrap_or(usize::MAX);
            let before = next;
            for line in block.read()?.iter().skip(skip).take(wanted) {
                each(leaf_hash(line))?;
                next += 1;
            }
            if next == before {
                return Err(missing);
            }
        }
        Ok(())
    }
}
