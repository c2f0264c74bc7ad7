//! Tiles read by another implementation, and their places.

use std::collections::HashMap;

use proptest::prelude::*;
use tlog_tiles::{Error, HashReader as _, TileHashReader, TileReader, tlog};

use super::*;
use crate::merkle::{Frontier, leaf_hash};
use crate::proof;

/// Tiles as they would lie on a disk, made as the log grows.
#[derive(Default)]
struct Disk(HashMap<Tile, Vec<Hash>>);

impl Disk {
    fn of(size: u64) -> Self {
        let mut disk = Self::default();
        disk.grow(0, size);
        disk
    }

    fn grow(&mut self, old: u64, size: u64) {
        for tile in Tile::grown(old, size) {
            let hashes = match tile.level {
                0 => tile.entries().map(leaf).collect(),
                level => (0..u64::from(tile.width))
                    .map(|n| Tile { level: level - 1, index: tile.index * WIDTH + n, width: 256 })
                    .map(|below| reduce(self.0[&below].clone()))
                    .collect(),
            };
            self.0.insert(tile, hashes);
        }
    }

    fn node(&self, size: u64) -> impl FnMut(u32, u64) -> Result<Hash, TileError> {
        move |height, index| {
            node(height, index, size, |tile| {
                self.0.get(&tile).cloned().ok_or(TileError { expected: 1, found: 0 })
            })
        }
    }
}

fn leaf(n: u64) -> Hash {
    leaf_hash(&n.to_be_bytes())
}

/// The other implementation reads our tiles.
impl TileReader for Disk {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let ours = |tile: &tlog_tiles::Tile| Tile {
            level: tile.level(),
            index: tile.level_index(),
            width: tile.width() as u16,
        };
        Ok(tiles.iter().map(|tile| self.0[&ours(tile)].concat()).collect())
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

/// Root and proofs out of the tiles of a log that grew in two steps, by us and by the other implementation, which checks
/// every tile against the root.
fn compare(disk: &Disk, root: Hash, size: u64, picks: &[u64]) {
    assert_eq!(proof::root(size, disk.node(size)).unwrap(), root, "size {size}");
    if size == 0 {
        return;
    }
    let reader = TileHashReader::new(size, tlog::Hash(root), disk);
    assert_eq!(tlog::tree_hash(size, &reader).unwrap().0, root);
    for pick in picks.iter().map(|pick| pick % size) {
        let ours = proof::inclusion(pick, size, disk.node(size)).unwrap();
        let theirs = tlog::prove_record(size, pick, &reader).unwrap();
        assert_eq!(ours, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), "{pick} in {size}");
        let index = tlog::stored_hash_index(0, pick);
        assert_eq!(reader.read_hashes(&[index]).unwrap()[0].0, leaf(pick));
        let old = pick.max(1);
        let ours = proof::consistency(old, size, disk.node(size)).unwrap();
        let theirs = tlog::prove_tree(size, old, &reader).unwrap();
        assert_eq!(ours, theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), "{old} to {size}");
    }
}

#[test]
fn tiles_of_every_size_to_1100_are_read_by_another_implementation() {
    let (mut disk, mut tree) = (Disk::default(), Frontier::default());
    for size in 0..=1100 {
        disk.grow(size.max(1) - 1, size);
        compare(&disk, tree.root(), size, &[0, 1, 254, 255, 256, 257, size / 2, size.max(1) - 1]);
        tree.push(leaf(size));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn tiles_of_any_size_beyond_are_read_by_another_implementation(
        size in 60_000u64..140_000,
        steps in proptest::collection::vec(1u64..140_000, 3),
        picks in proptest::collection::vec(0u64..140_000, 4),
    ) {
        let mut disk = Disk::default();
        let mut sizes: Vec<u64> = steps.into_iter().filter(|step| *step < size).chain([0, size]).collect();
        sizes.sort_unstable();
        sizes.windows(2).for_each(|pair| disk.grow(pair[0], pair[1]));
        let mut tree = Frontier::default();
        (0..size).for_each(|n| tree.push(leaf(n)));
        compare(&disk, tree.root(), size, &picks);
    }

    #[test]
    fn a_place_is_read_as_it_is_written(level in 0u8..8, index in 0u64..5_000_000_000, width in 1u16..=256) {
        let tile = Tile { level, index, width };
        let path = tile.path();
        let place = path.split_once('/').unwrap().1;
        prop_assert_eq!(Tile::parse_place(level, place), Some(tile));
        let theirs = tlog_tiles::Tile::new(8, level, index, u32::from(width), false).path();
        prop_assert_eq!(format!("tile/8/{path}"), theirs);
    }
}

#[test]
fn the_example_of_the_specification_has_the_tiles_that_it_says() {
    let widths = |level| {
        let tiles = Tile::grown(0, 70_000).filter(|tile| tile.level == level);
        let (full, partial): (Vec<_>, Vec<_>) = tiles.partition(Tile::is_full);
        (full.len(), partial.iter().map(|tile| tile.width).collect::<Vec<_>>())
    };
    assert_eq!(widths(0), (273, vec![112]));
    assert_eq!(widths(1), (1, vec![17]));
    assert_eq!(widths(2), (0, vec![1]));
    assert_eq!(widths(3), (0, vec![]));
    let at_256: Vec<_> = Tile::grown(0, 256).map(|tile| tile.path()).collect();
    assert_eq!(at_256, ["0/000", "1/000.p/1"]);
    assert_eq!(Tile { level: 0, index: 1_234_067, width: 256 }.path(), "0/x001/x234/067");
    assert_eq!(Tile { level: 0, index: 3, width: 7 }.entries_path(), "entries/003.p/7");
}

#[test]
fn a_place_in_another_spelling_is_none() {
    for place in
        ["", "1", "0001", "x001", "000/001", "x000/001", "001.p/0", "001.p/256", "001.p/07", "../001", "001/"]
    {
        assert_eq!(Tile::parse_place(0, place), None, "{place}");
    }
}

#[test]
fn bytes_of_another_length_are_no_tile() {
    let tile = Tile { level: 0, index: 0, width: 2 };
    assert!(tile.hashes(&[0; 64]).is_ok());
    assert_eq!(tile.hashes(&[0; 63]), Err(TileError { expected: 64, found: 63 }));
    let disk = Disk::of(10);
    assert!(disk.node(10)(0, 10).is_err());
}
