//! Storing, reading, forgetting and tampering.

use super::record::{HEAD_LEN, TAG_LEN};
use super::*;
use crate::disk::RealDisk;

fn store(dir: &Path) -> PayloadStore {
    let sizes = Sizes { roll_bytes: 1000, chunk_bytes: 512 };
    PayloadStore::open(Arc::new(RealDisk), dir, &[7; 32], sizes).unwrap()
}

#[test]
fn payloads_are_read_back_across_segments_and_starts() {
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<Vec<u8>> = (0..20u8).map(|n| vec![n; usize::from(n) * 30]).collect();
    let first = store(dir.path());
    let places: Vec<_> = texts.iter().map(|text| first.put(text).unwrap()).collect();
    assert!(places.last().unwrap().segment > 2);
    assert!(first.sync().unwrap());
    assert!(!first.sync().unwrap(), "nothing was put since");
    first.close().unwrap();
    let second = store(dir.path());
    for (place, text) in places.iter().zip(&texts) {
        assert_eq!(&second.read(*place).unwrap(), text);
    }
}

#[test]
fn a_large_payload_stands_between_small_ones() {
    let dir = tempfile::tempdir().unwrap();
    let store = PayloadStore::open(Arc::new(RealDisk), dir.path(), &[7; 32], Sizes::default()).unwrap();
    let sizes = [10, LARGE_BYTES as usize, 20, 9 << 20, LARGE_BYTES as usize - 100, 30];
    let payloads = sizes.map(|size| vec![size as u8; size]);
    let places = payloads.each_ref().map(|payload| store.put(payload).unwrap());
    assert!(places.iter().all(|place| place.segment == 0));
    for (place, payload) in places.iter().zip(&payloads) {
        assert!(store.read(*place).unwrap() == *payload, "{place}");
    }
}

#[test]
fn a_new_start_never_writes_where_an_old_one_gave_out_places() {
    let dir = tempfile::tempdir().unwrap();
    let old = store(dir.path()).put(b"old").unwrap();
    let new = store(dir.path()).put(b"new").unwrap();
    assert_ne!(old.segment, new.segment);
}

#[test]
fn a_forgotten_payload_is_gone_and_its_neighbours_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let places = [b"one", b"two", b"six"].map(|text| store.put(text).unwrap());
    store.forget(places[1]).unwrap();
    assert!(matches!(store.read(places[1]), Err(PayloadError::Gone(at)) if at == places[1]));
    assert_eq!(store.read(places[0]).unwrap(), b"one");
    assert_eq!(store.read(places[2]).unwrap(), b"six");
}

#[test]
fn the_file_shows_no_payload() {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path()).put(b"a very particular sentence").unwrap();
    let file = std::fs::read(dir.path().join("00000000.dat")).unwrap();
    assert!(!file.windows(10).any(|window| window == b"particular"));
}

#[test]
fn every_changed_byte_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let at = store.put(b"payload").unwrap();
    let path = dir.path().join("00000000.dat");
    let bytes = std::fs::read(&path).unwrap();
    for position in 0..HEAD_LEN + 7 + TAG_LEN {
        let mut altered = bytes.clone();
        altered[position] ^= 1;
        std::fs::write(&path, &altered).unwrap();
        assert!(store.read(at).is_err(), "byte {position}");
    }
}

#[test]
fn a_record_copied_to_another_place_does_not_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let (a, b) = (store.put(b"alpha").unwrap(), store.put(b"gamma").unwrap());
    let path = dir.path().join("00000000.dat");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.copy_within(a.offset as usize..b.offset as usize, b.offset as usize);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(store.read(b), Err(PayloadError::Failed(_))));
}

#[test]
fn another_master_key_opens_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = store(dir.path()).put(b"secret").unwrap();
    let other = PayloadStore::open(Arc::new(RealDisk), dir.path(), &[8; 32], Sizes::default()).unwrap();
    assert!(matches!(other.read(at), Err(PayloadError::Failed(_))));
}

#[test]
fn places_that_were_never_given_out_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.put(b"x").unwrap();
    for at in [PayloadAt { segment: 0, offset: 400 }, PayloadAt { segment: 9, offset: 0 }] {
        assert!(matches!(store.read(at), Err(PayloadError::Gone(_))), "{at}");
    }
}
