//! Tiles: written with each checkpoint, read back by proofs, and made again where they are missing or wrong.

use std::fs;
use std::path::PathBuf;

use latchgate_wire::checkpoint::Checkpoint;
use latchgate_wire::merkle::{Frontier, Hash, leaf_hash};
use latchgate_wire::proof;
use latchgate_wire::tile::Tile;

use crate::testing::*;
use crate::{Ledger, SignedCheckpoint};

/// A ledger with this many entries.
fn of(home: &Home, size: u64) -> Ledger {
    let ledger = home.ready(max_calls(1));
    for n in ledger.stats().entries..size {
        say(&ledger, config(&format!("policy {n}"))).unwrap();
    }
    ledger
}

fn checkpoint(ledger: &Ledger) -> SignedCheckpoint {
    pollster::block_on(ledger.checkpoint()).unwrap()
}

fn tile_dir(home: &Home) -> PathBuf {
    home.ledger_dir().join("tile")
}

/// Files below `tile/`, relative and sorted.
fn tiles_of(home: &Home) -> Vec<String> {
    let root = tile_dir(home);
    let (mut left, mut found) = (vec![root.clone()], Vec::new());
    while let Some(dir) = left.pop() {
        for item in fs::read_dir(dir).unwrap() {
            let path = item.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => found.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn roots(ledger: &Ledger) -> Vec<Hash> {
    let mut tree = Frontier::default();
    let mut roots = vec![tree.root()];
    for line in ledger.entries(0, usize::MAX).unwrap() {
        tree.push(leaf_hash(&line));
        roots.push(tree.root());
    }
    roots
}

/// Every third entry and every seventh size can be proved.
#[track_caller]
fn check_proofs(ledger: &Ledger, at: &Checkpoint) {
    let roots = roots(ledger);
    for seq in (0..at.size).step_by(3) {
        let proved = ledger.inclusion(seq, at).unwrap();
        assert_eq!(proved.line, ledger.entry(seq).unwrap().unwrap());
        proof::verify_inclusion(&leaf_hash(&proved.line), seq, at.size, &proved.proof, &at.root).unwrap();
    }
    for old in (1..=at.size).step_by(7) {
        for new in [old, (old + at.size) / 2, at.size] {
            let proved = ledger.consistency(old, new, at).unwrap();
            let (old_root, new_root) = (roots[old as usize], roots[new as usize]);
            assert_eq!((proved.old_root, proved.new_root), (old_root, new_root), "{old} to {new}");
            proof::verify_consistency(old, &old_root, new, &new_root, &proved.proof).unwrap();
        }
    }
}

#[test]
fn a_checkpoint_comes_with_the_tiles_that_it_needs() {
    let home = Home::new();
    let ledger = of(&home, 5);
    assert_eq!(checkpoint(&ledger).checkpoint.size, 5);
    assert!(tiles_of(&home).contains(&"0/000.p/5".to_owned()), "{:?}", tiles_of(&home));
    for n in 5..520 {
        say(&ledger, config(&format!("policy {n}"))).unwrap();
    }
    let at = checkpoint(&ledger).checkpoint;
    assert_eq!((at.size, at.root), (520, *roots(&ledger).last().unwrap()));
    let found = tiles_of(&home);
    for path in ["0/000", "0/001", "0/002.p/8", "1/000.p/2"] {
        assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
    }
    assert!(!found.iter().any(|path| path.starts_with("0/000.p") || path.ends_with(".new")), "{found:?}");
    for tile in Tile::grown(0, 520) {
        assert_eq!(fs::read(tile_dir(&home).join(tile.path())).unwrap(), ledger.tile(tile).unwrap());
    }
    check_proofs(&ledger, &at);
    close(&ledger);
}

#[test]
fn the_last_checkpoint_has_its_tiles_and_a_restart_goes_on_with_them() {
    let home = Home::new();
    close(&of(&home, 260));
    assert!(tiles_of(&home).contains(&"0/001.p/5".to_owned()), "{:?}", tiles_of(&home));
    let ledger = of(&home, 300);
    let at = checkpoint(&ledger).checkpoint;
    check_proofs(&ledger, &at);
    assert!(tiles_of(&home).contains(&"0/001.p/44".to_owned()), "{:?}", tiles_of(&home));
}

#[test]
fn a_checkpoint_that_nothing_came_to_is_the_same_again() {
    let home = Home::new();
    let ledger = of(&home, 5);
    assert_eq!(checkpoint(&ledger), checkpoint(&ledger));
    say(&ledger, config("more")).unwrap();
    assert_eq!(checkpoint(&ledger).checkpoint.size, 6);
}

#[test]
fn an_older_checkpoint_can_still_be_proved_against() {
    let home = Home::new();
    let ledger = of(&home, 200);
    let old = checkpoint(&ledger).checkpoint;
    for n in 0..400 {
        say(&ledger, config(&format!("policy {n}"))).unwrap();
    }
    checkpoint(&ledger);
    let proved = ledger.inclusion(7, &old).unwrap();
    proof::verify_inclusion(&leaf_hash(&proved.line), 7, old.size, &proved.proof, &old.root).unwrap();
}

#[test]
fn tiles_that_are_gone_come_back_from_the_log() {
    let home = Home::new();
    let ledger = of(&home, 600);
    let at = checkpoint(&ledger).checkpoint;
    let before: Vec<_> = Tile::grown(0, 600).map(|tile| ledger.tile(tile).unwrap()).collect();
    fs::remove_dir_all(tile_dir(&home)).unwrap();
    check_proofs(&ledger, &at);
    close(&ledger);
    fs::remove_dir_all(tile_dir(&home)).unwrap();
    let (ledger, _) = home.open().unwrap();
    checkpoint(&ledger);
    for (tile, bytes) in Tile::grown(0, 600).zip(before).filter(|(tile, _)| tile.is_full()) {
        assert_eq!(fs::read(tile_dir(&home).join(tile.path())).unwrap(), bytes, "{tile}");
    }
}

/// One bit, one hash, half a tile, none of it: whatever a disk may do to a file that was not synced.
#[test]
fn tiles_that_were_damaged_are_found_out_and_made_again() {
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[40] ^= 1,
        |bytes| bytes.rotate_left(32),
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
    ];
    for damage in damages {
        for path in ["0/000", "0/001", "1/000.p/2", "0/002.p/88"] {
            let home = Home::new();
            let ledger = of(&home, 600);
            let at = checkpoint(&ledger).checkpoint;
            let file = tile_dir(&home).join(path);
            let sound = fs::read(&file).unwrap();
            let mut bytes = sound.clone();
            damage(&mut bytes);
            fs::write(&file, bytes).unwrap();
            for seq in [0, 300, 599] {
                let proved = ledger.inclusion(seq, &at).unwrap();
                let leaf = leaf_hash(&proved.line);
                proof::verify_inclusion(&leaf, seq, at.size, &proved.proof, &at.root).unwrap();
            }
            ledger.consistency(256, 600, &at).unwrap();
            abandon(ledger);
            let (ledger, _) = home.open().unwrap();
            let at = checkpoint(&ledger).checkpoint;
            check_proofs(&ledger, &at);
        }
    }
}

#[test]
fn a_log_that_is_not_what_was_signed_over_is_not_proved() {
    let home = Home::new();
    let ledger = of(&home, 20);
    let at = checkpoint(&ledger).checkpoint;
    let other = Checkpoint { root: [7; 32], ..at.clone() };
    assert!(matches!(ledger.inclusion(3, &other), Err(crate::ReadError::Proof(_))));
    assert!(matches!(ledger.consistency(3, 20, &other), Err(crate::ReadError::Proof(_))));
    ledger.inclusion(3, &at).unwrap();
}

/// Partial tiles are not synced: of each size that there was, a power cut may have left anything.
#[test]
fn partial_tiles_that_a_power_cut_tore_are_gone_after_the_next_start() {
    let home = Home::new();
    let ledger = of(&home, 260);
    checkpoint(&ledger);
    say(&ledger, config("more")).unwrap();
    checkpoint(&ledger);
    abandon(ledger);
    for narrow in ["0/001.p/4", "0/001.p/5.new"] {
        fs::write(tile_dir(&home).join(narrow), [0; 40]).unwrap();
    }
    let (ledger, _) = home.open().unwrap();
    checkpoint(&ledger);
    close(&ledger);
    assert_eq!(verified(&home).findings, []);
    assert!(!tile_dir(&home).join("0/001.p/4").exists());
}
