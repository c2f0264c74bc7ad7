//! Compiled modules that are kept between starts: an altered one is never run, and none is needed.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use latchgate_tests::guest::{innocent, saying};

use crate::scene::Scene;

const NOT_TAKEN: &str = "is not taken, but compiled again";

fn scene() -> Scene {
    let scene = Scene::new(&saying("{}"), &innocent(), &["host_calls: 2"]);
    scene.check_innocent();
    scene
}

/// The sealed files, by name.
fn kept(scene: &Scene) -> Vec<PathBuf> {
    let dir = scene.gate.home().join("state/cache");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn inodes(scene: &Scene) -> Vec<u64> {
    kept(scene).iter().map(|path| fs::metadata(path).unwrap().ino()).collect()
}

/// How often the gate's log says that a file was not taken.
fn refusals(scene: &Scene) -> usize {
    let log = fs::read_to_string(scene.gate.home().join("state/gate.log")).unwrap_or_default();
    log.matches(NOT_TAKEN).count()
}

fn restart(scene: Scene) -> Scene {
    let mut gate = scene.gate;
    gate.restart();
    let scene = Scene::of(gate);
    scene.check_innocent();
    scene
}

#[test]
fn modules_are_kept_privately_and_taken_again() {
    let scene = scene();
    let dir = scene.gate.home().join("state/cache");
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o777, 0o700);
    for file in kept(&scene) {
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600, "{}", file.display());
    }
    let before = inodes(&scene);
    // Three that ship and two of the test's.
    assert_eq!(before.len(), 5);
    let scene = restart(scene);
    assert_eq!((inodes(&scene), refusals(&scene)), (before, 0));
    scene.end();
}

#[test]
fn an_altered_module_is_compiled_again_and_not_run() {
    let scene = scene();
    let before = inodes(&scene);
    for file in kept(&scene) {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
    }
    let scene = restart(scene);
    assert!(inodes(&scene).iter().zip(&before).all(|(now, before)| now != before));
    assert_eq!(refusals(&scene), 5);
    let mended = inodes(&scene);
    let scene = restart(scene);
    assert_eq!((inodes(&scene), refusals(&scene)), (mended, 5));
    scene.end();
}

#[test]
fn modules_that_were_swapped_are_compiled_again_and_not_run() {
    let scene = scene();
    let files = kept(&scene);
    let first = fs::read(&files[0]).unwrap();
    for pair in files.windows(2) {
        fs::copy(&pair[1], &pair[0]).unwrap();
    }
    fs::write(&files[files.len() - 1], first).unwrap();
    let scene = restart(scene);
    assert_eq!(refusals(&scene), 5);
    scene.end();
}

#[test]
fn modules_of_another_gate_are_compiled_again_and_not_run() {
    let (scene, other) = (scene(), scene());
    for (own, foreign) in kept(&scene).iter().zip(kept(&other)) {
        assert_eq!(own.file_name(), foreign.file_name());
        fs::copy(foreign, own).unwrap();
    }
    let scene = restart(scene);
    assert_eq!(refusals(&scene), 5);
    scene.end();
    other.end();
}

#[test]
fn without_a_cache_everything_runs() {
    let scene = scene();
    let dir = scene.gate.home().join("state/cache");
    fs::remove_dir_all(&dir).unwrap();
    let scene = restart(scene);
    assert_eq!(kept(&scene).len(), 5);
    // One that others can enter is not used.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let before = inodes(&scene);
    let scene = restart(scene);
    assert_eq!(inodes(&scene), before);
    assert!(scene.gate.log().contains("compiled modules are not kept"), "{}", scene.gate.log());
    scene.end();
}
