//! Proofs held against two other implementations and the published vectors.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use serde_json::Value;
use tlog_tiles::tlog;

use super::*;
use crate::merkle::{Frontier, leaf_hash};

type Oracle = MemoryBackedTree<Sha256, Vec<u8>>;

/// What the `n`th leaf holds.
fn data(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

/// Every complete subtree of a small log, by height.
struct Nodes(Vec<Vec<Hash>>);

impl Nodes {
    fn new(size: u64) -> Self {
        let mut levels = vec![(0..size).map(|n| leaf_hash(&data(n))).collect::<Vec<_>>()];
        while levels.last().unwrap().len() > 1 {
            let pairs = levels.last().unwrap().chunks_exact(2);
            levels.push(pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect());
        }
        Self(levels)
    }

    fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
        |height, index| Ok(self.0[height as usize][index as usize])
    }

    fn inclusion(&self, index: u64, size: u64) -> Vec<Hash> {
        inclusion(index, size, self.node()).unwrap()
    }

    fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency(old, new, self.node()).unwrap()
    }

    fn root(&self, size: u64) -> Hash {
        root(size, self.node()).unwrap()
    }
}

fn oracle_root(root: Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.into(), size)
}

fn to_tlog(hashes: &[Hash]) -> Vec<tlog::Hash> {
    hashes.iter().map(|hash| tlog::Hash(*hash)).collect()
}

/// Makes and checks every proof here and by both other implementations, and compares.
fn compare(nodes: &Nodes, oracle: &Oracle, size: u64, olds: impl Iterator<Item = u64>) {
    let root = nodes.root(size);
    assert_eq!(root, **oracle.root().as_bytes(), "root of {size}");
    for old in olds.filter(|old| *old < size) {
        let (index, leaf) = (old, leaf_hash(&data(old)));
        let proof = nodes.inclusion(index, size);
        assert_eq!(proof.concat(), oracle.prove_inclusion(index as usize).as_bytes(), "{index} in {size}");
        verify_inclusion(&leaf, index, size, &proof, &root).unwrap();
        let theirs = InclusionProof::<Sha256>::from_bytes(proof.concat());
        oracle_root(root, size).verify_inclusion(&data(index), index, &theirs).unwrap();
        tlog::check_record(&to_tlog(&proof), size, tlog::Hash(root), index, tlog::Hash(leaf)).unwrap();
        if old > 0 {
            let old_root = nodes.root(old);
            let proof = nodes.consistency(old, size);
            let theirs = oracle.prove_consistency((size - old) as usize);
            assert_eq!(proof.concat(), theirs.as_bytes(), "{old} to {size}");
            verify_consistency(old, &old_root, size, &root, &proof).unwrap();
            let theirs = ConsistencyProof::<Sha256>::try_from_bytes(proof.concat()).unwrap();
            let (new, old_oracle) = (oracle_root(root, size), oracle_root(old_root, old));
            new.verify_consistency(&old_oracle, &theirs).unwrap();
            tlog::check_tree(&to_tlog(&proof), size, tlog::Hash(root), old, tlog::Hash(old_root)).unwrap();
        }
    }
}

/// Every size up to 1100; at each, proofs of entries near the borders of subtrees, and a spread of others.
#[test]
fn proofs_of_every_size_to_1100_are_those_of_two_other_implementations() {
    let nodes = Nodes::new(1100);
    let (mut oracle, mut tree) = (Oracle::new(), Frontier::default());
    for size in 0..=1100 {
        assert_eq!(nodes.root(size), tree.root(), "size {size}");
        let powers = (0..=10).flat_map(|height| {
            let power: u64 = 1 << height;
            [power.wrapping_sub(1), power, power + 1, size.saturating_sub(power)]
        });
        compare(&nodes, &oracle, size, powers.chain((0..size).step_by(1 + size as usize / 16)));
        oracle.push(data(size));
        tree.push(leaf_hash(&data(size)));
    }
}

/// And every pair of sizes up to 130.
#[test]
fn proofs_between_every_two_small_sizes_are_those_of_two_other_implementations() {
    let nodes = Nodes::new(130);
    let mut oracle = Oracle::new();
    for size in 0..=130 {
        compare(&nodes, &oracle, size, 0..size);
        oracle.push(data(size));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn proofs_of_any_size_beyond_are_those_of_two_other_implementations(
        size in 1_101u64..9_000,
        olds in proptest::collection::vec(0u64..9_000, 24),
    ) {
        let nodes = Nodes::new(size);
        let mut oracle = Oracle::new();
        (0..size).for_each(|n| oracle.push(data(n)));
        compare(&nodes, &oracle, size, olds.into_iter());
    }

    /// No proof holds for another entry, another size, or with a hash changed, missing or too many.
    #[test]
    fn a_proof_that_was_altered_proves_nothing(
        size in 2u64..200,
        index in 0u64..200,
        at in 0usize..8,
        bit in 0usize..256,
    ) {
        let (index, nodes) = (index % size, Nodes::new(size));
        let (leaf, root) = (leaf_hash(&data(index)), nodes.root(size));
        let proof = nodes.inclusion(index, size);
        let holds = |proof: &[Hash]| verify_inclusion(&leaf, index, size, proof, &root).is_ok();
        prop_assert!(holds(&proof));
        let mut changed = proof.clone();
        changed[at % proof.len()][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!holds(&changed));
        prop_assert!(!holds(&proof[1..]));
        prop_assert!(!holds(&[proof.clone(), vec![leaf]].concat()));
        prop_assert!(verify_inclusion(&leaf, (index + 1) % size, size, &proof, &root).is_err());
        prop_assert!(verify_inclusion(&leaf, size, size, &proof, &root).is_err());
        let old = index.max(1);
        let (old_root, proof) = (nodes.root(old), nodes.consistency(old, size));
        let holds = |proof: &[Hash]| verify_consistency(old, &old_root, size, &root, proof).is_ok();
        prop_assert!(holds(&proof));
        prop_assert!(verify_consistency(old, &root, size, &old_root, &proof).is_err());
        prop_assert!(!holds(&[proof.clone(), vec![leaf]].concat()));
        let mut changed = proof.clone();
        changed[at % proof.len()][bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!holds(&changed));
    }
}

/// The vectors of transparency-dev/merkle. What is no hash there proves nothing; the roots of two sizes alone are
/// filled up to 32 bytes, which keeps them equal or different, since one good case has shorter ones.
#[test]
fn published_vectors_good_and_bad_are_judged_as_they_say() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/merkle-vectors/testdata");
    let dir = std::path::Path::new(shared);
    if !dir.is_dir() {
        println!("LEFT OUT: the published Merkle vectors are not at {}", dir.display());
        return;
    }
    let (mut inclusions, mut consistencies) = (0, 0);
    for path in files(&dir.join("inclusion")) {
        let case = read(&path);
        let (index, size) = (number(&case["leafIdx"]), number(&case["treeSize"]));
        let parts = (hash(&case["leafHash"]), hash(&case["root"]), hashes(&case["proof"]));
        let sound = match parts {
            (Some(leaf), Some(root), Some(proof)) => {
                verify_inclusion(&leaf, index, size, &proof, &root).is_ok()
            }
            _ => false,
        };
        assert_eq!(!sound, case["wantErr"].as_bool().unwrap(), "{}", path.display());
        inclusions += 1;
    }
    for path in files(&dir.join("consistency")) {
        let case = read(&path);
        let sound = hashes(&case["proof"]).is_some_and(|proof| {
            let (old, new) = (number(&case["size1"]), number(&case["size2"]));
            verify_consistency(old, &padded(&case["root1"]), new, &padded(&case["root2"]), &proof).is_ok()
        });
        assert_eq!(!sound, case["wantErr"].as_bool().unwrap(), "{}", path.display());
        consistencies += 1;
    }
    assert!(inclusions > 50 && consistencies > 50, "{inclusions} and {consistencies} vectors");
}

/// A subtree over `start..end` is a tree of its own where `start` is a multiple of the power of two that covers it. A proof of
/// consistency is ours where it begins with the log; the others are of a kind that nobody here makes.
#[test]
fn published_vectors_of_subtrees_are_judged_as_they_say() {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/merkle-vectors/testdata");
    let dir = std::path::Path::new(shared);
    if !dir.is_dir() {
        println!("LEFT OUT: the published Merkle vectors are not at {}", dir.display());
        return;
    }
    let is_subtree = |start: u64, end: u64| {
        start < end
            && (end - start).checked_next_power_of_two().is_some_and(|span| start.is_multiple_of(span))
    };
    let (mut inclusions, mut consistencies) = (0, 0);
    for path in files(&dir.join("subtreeinclusion")) {
        let case = read(&path);
        let (index, start, end) = (number(&case["leafIdx"]), number(&case["start"]), number(&case["end"]));
        let parts = (hash(&case["leafHash"]), hash(&case["root"]), hashes(&case["proof"]));
        let sound = match parts {
            (Some(leaf), Some(root), Some(proof)) if is_subtree(start, end) && index >= start => {
                verify_inclusion(&leaf, index - start, end - start, &proof, &root).is_ok()
            }
            _ => false,
        };
        assert_eq!(!sound, case["wantErr"].as_bool().unwrap(), "{}", path.display());
        inclusions += 1;
    }
    for path in files(&dir.join("subtreeconsistency")) {
        let case = read(&path);
        let (start, end, size) = (number(&case["start"]), number(&case["end"]), number(&case["size"]));
        if start != 0 || end == 0 {
            continue;
        }
        let sound = hashes(&case["proof"]).is_some_and(|proof| {
            verify_consistency(end, &padded(&case["root1"]), size, &padded(&case["root2"]), &proof).is_ok()
        });
        assert_eq!(!sound, case["wantErr"].as_bool().unwrap(), "{}", path.display());
        consistencies += 1;
    }
    assert!(inclusions > 50 && consistencies > 20, "{inclusions} and {consistencies} vectors");
}

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let items = std::fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap_or_default()).unwrap()
}

fn padded(value: &Value) -> Hash {
    let mut bytes = bytes(value);
    bytes.resize(32, 0);
    bytes.try_into().unwrap()
}

fn hash(value: &Value) -> Option<Hash> {
    bytes(value).try_into().ok()
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().into_iter().flatten().map(hash).collect()
}
