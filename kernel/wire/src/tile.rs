//! Tiles of the tree (C2SP tlog-tiles): which hashes a tile holds, where it lies, and nodes read out of tiles.
//!
//! Tile `index` of level `l` holds up to 256 hashes, each the root over 256^l leaves; fewer at the right edge of the log,
//! which its path then says. Every complete subtree's hash is in a tile, or is made of neighbours in one.

mod edge;

use std::fmt;

pub use edge::Edge;

use crate::merkle::{Hash, node_hash};

/// Hashes in a full tile.
pub const WIDTH: u64 = 256;
/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// One tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 holds the hashes of entries.
    pub level: u8,
    pub index: u64,
    /// 1 to 256 hashes.
    pub width: u16,
}

/// Why the bytes of a tile are not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a tile of {expected} bytes, found {found}")]
pub struct TileError {
    pub expected: usize,
    pub found: usize,
}

impl Tile {
    /// The tile of that place in a log of `size` entries, as wide as it is there; `None` if it holds nothing.
    pub fn at(level: u8, index: u64, size: u64) -> Option<Self> {
        let nodes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
        let width = nodes.saturating_sub(index.checked_mul(WIDTH)?).min(WIDTH);
        (width > 0).then_some(Self { level, index, width: width as u16 })
    }

    /// The tiles that a log of `size` entries has and one of `old` did not, the lowest level first.
    pub fn grown(old: u64, size: u64) -> impl Iterator<Item = Self> {
        let levels = (0u8..8).take_while(move |level| size >> (8 * u32::from(*level)) > 0);
        levels.flat_map(move |level| {
            let (from, to) = (old >> (8 * u32::from(level)), size >> (8 * u32::from(level)));
            let indexes = if from == to { 0..0 } else { from / WIDTH..to.div_ceil(WIDTH) };
            indexes.filter_map(move |index| Self::at(level, index, size))
        })
    }

    pub fn is_full(&self) -> bool {
        u64::from(self.width) == WIDTH
    }

    /// The full tile of the same place.
    pub fn full(&self) -> Self {
        Self { width: WIDTH as u16, ..*self }
    }

    /// Where the tile lies below `tile/`: `0/x001/x234/067`, with `.p/<width>` if it is not full.
    pub fn path(&self) -> String {
        format!("{}/{}", self.level, self.place())
    }

    /// Where the entries of a tile of level 0 lie below `tile/`.
    pub fn entries_path(&self) -> String {
        format!("entries/{}", self.place())
    }

    fn place(&self) -> String {
        let mut path = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            path = format!("x{:03}/{path}", rest % 1000);
            rest /= 1000;
        }
        if self.is_full() { path } else { format!("{path}.p/{}", self.width) }
    }

    /// Reads `<N>[.p/<W>]`, for tiles of this level.
    pub fn parse_place(level: u8, place: &str) -> Option<Self> {
        let (number, width) = match place.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|width| (1..256).contains(width))?),
            None => (place, WIDTH as u16),
        };
        let mut index: u64 = 0;
        for part in number.split('/') {
            let digits = part.strip_prefix('x').unwrap_or(part);
            let is_number = digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let part = if is_number { digits.parse::<u64>().ok()? } else { return None };
            index = index.checked_mul(1000)?.checked_add(part)?;
        }
        let tile = Self { level, index, width };
        // One place has one spelling.
        (tile.place() == place).then_some(tile)
    }

    /// The entries that a tile of level 0 holds.
    pub fn entries(&self) -> std::ops::Range<u64> {
        let start = self.index * WIDTH;
        start..start + u64::from(self.width)
    }

    /// An entry bundle: each line behind its length, 16 bits big-endian. A line is never longer than that can say.
    pub fn bundle(lines: &[Vec<u8>]) -> Vec<u8> {
        let prefixed = lines.iter().flat_map(|line| [&(line.len() as u16).to_be_bytes()[..], line].concat());
        prefixed.collect()
    }

    /// The lines of an entry bundle; `None` if it holds anything else than whole ones.
    pub fn unbundle(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut lines, mut rest) = (Vec::new(), bytes);
        while let Some((length, behind)) = rest.split_first_chunk::<2>() {
            let (line, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            lines.push(line.to_vec());
            rest = behind;
        }
        rest.is_empty().then_some(lines)
    }

    /// Its bytes as hashes.
    pub fn hashes(&self, bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
        let expected = usize::from(self.width) * HASH_BYTES;
        if bytes.len() != expected {
            return Err(TileError { expected, found: bytes.len() });
        }
        let (hashes, _) = bytes.as_chunks::<HASH_BYTES>();
        Ok(hashes.to_vec())
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}", self.path())
    }
}

/// The root over the leaves of the node (`height`, `index`), out of the tile that holds it in a log of `size` entries.
pub fn node<E: From<TileError>>(
    height: u32,
    index: u64,
    size: u64,
    read: impl FnOnce(Tile) -> Result<Vec<Hash>, E>,
) -> Result<Hash, E> {
    let (level, within) = ((height / 8) as u8, height % 8);
    let first = index << within;
    let (from, count) = ((first % WIDTH) as usize, 1usize << within);
    let missing = |found| TileError { expected: (from + count) * HASH_BYTES, found };
    let tile = Tile::at(level, first / WIDTH, size).ok_or_else(|| missing(0))?;
    let hashes = read(tile)?;
    let hashes = hashes.get(from..from + count).ok_or_else(|| missing(hashes.len() * HASH_BYTES))?.to_vec();
    Ok(reduce(hashes))
}

/// The root over a power of two of neighbours.
pub fn reduce(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    hashes.pop().unwrap_or_default()
}

#[cfg(test)]
mod tests;
