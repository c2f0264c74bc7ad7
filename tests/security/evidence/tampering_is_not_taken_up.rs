//! A gate does not go on with a ledger that was tampered with, and does not sign over it.

use std::fs;
use std::path::Path;

use super::ledger_copy::{Lines as _, another_key, checkpoint, lines_of, write};
use crate::scene::Scene;

/// A gate that has ended after a few calls.
fn lived() -> Scene {
    let mut scene = Scene::allowing();
    for _ in 0..3 {
        scene.post(scene.number()).send().expect(200);
    }
    assert!(scene.gate.terminate().success());
    scene
}

/// After `attack` the gate refuses to start, says where to look, and leaves everything as it lies.
#[track_caller]
fn check(what: &str, attack: impl FnOnce(&Scene)) {
    let mut scene = lived();
    attack(&scene);
    let before = snapshot(&scene);
    let Err(refused) = scene.gate.start() else { panic!("{what}: the gate started") };
    assert!(refused.code > 0, "{what}: {refused:?}");
    assert!(!refused.stderr.contains("panicked"), "{what}: {refused:?}");
    assert!(
        refused.stderr.contains("ledger") || refused.stderr.contains("checkpoint"),
        "{what}: {refused:?}"
    );
    assert_eq!(snapshot(&scene), before, "{what}: log or checkpoint was changed");
}

/// The log and both checkpoints; nothing where there is none.
fn snapshot(scene: &Scene) -> (Vec<u8>, [Option<String>; 2]) {
    let ledger = scene.gate.ledger();
    let log = if ledger.join("log").is_dir() { lines_of(&ledger).concat_lines() } else { Vec::new() };
    let checkpoints = [ledger.join("checkpoint"), scene.gate.keys().join("last-checkpoint")];
    (log, checkpoints.map(|path| fs::read_to_string(path).ok()))
}

fn rewrite(ledger: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut lines = lines_of(ledger);
    change(&mut lines);
    write(ledger, &lines.concat_lines());
}

/// The twin of all of them.
#[test]
fn an_untouched_ledger_is_taken_up() {
    let mut scene = lived();
    scene.gate.restart();
    scene.gate.assert_sound();
}

#[test]
fn a_changed_ledger_is_not_taken_up() {
    check("an altered entry", |scene| {
        rewrite(&scene.gate.ledger(), |lines| {
            let is_lease = |line: &&mut Vec<u8>| String::from_utf8_lossy(line).contains("tools:call");
            let line = lines.iter_mut().find(is_lease).unwrap();
            *line = String::from_utf8_lossy(line).replace("tools:call", "class:read").into_bytes();
        });
    });
    check("a dropped entry", |scene| rewrite(&scene.gate.ledger(), |lines| drop(lines.remove(2))));
    check("two entries exchanged", |scene| rewrite(&scene.gate.ledger(), |lines| lines.swap(2, 3)));
    check("a repeated entry", |scene| {
        rewrite(&scene.gate.ledger(), |lines| lines.insert(2, lines[2].clone()))
    });
}

#[test]
fn a_shorter_ledger_is_not_taken_up() {
    check("the last entry gone", |scene| rewrite(&scene.gate.ledger(), |lines| drop(lines.pop())));
    check("half of it gone", |scene| rewrite(&scene.gate.ledger(), |lines| lines.truncate(lines.len() / 2)));
    check("emptied", |scene| rewrite(&scene.gate.ledger(), Vec::clear));
    check("its log removed", |scene| fs::remove_dir_all(scene.gate.ledger().join("log")).unwrap());
    check("rolled back with its checkpoint", |scene| {
        rewrite(&scene.gate.ledger(), |lines| lines.truncate(3));
        fs::remove_file(scene.gate.ledger().join("checkpoint")).unwrap();
    });
    check("both checkpoints removed", |scene| {
        rewrite(&scene.gate.ledger(), |lines| lines.truncate(3));
        fs::remove_file(scene.gate.ledger().join("checkpoint")).unwrap();
        fs::remove_file(scene.gate.keys().join("last-checkpoint")).unwrap();
    });
}

#[test]
fn a_forged_checkpoint_is_not_taken_up() {
    check("signed by another key", |scene| {
        let note = checkpoint(&lines_of(&scene.gate.ledger()), &another_key());
        fs::write(scene.gate.ledger().join("checkpoint"), note).unwrap();
    });
    check("no note at all", |scene| fs::write(scene.gate.ledger().join("checkpoint"), "x").unwrap());
    check("the copy among the keys forged", |scene| {
        let note = checkpoint(&lines_of(&scene.gate.ledger())[..2], &another_key());
        fs::write(scene.gate.keys().join("last-checkpoint"), note).unwrap();
    });
}

#[test]
fn another_gates_ledger_is_not_taken_up() {
    check("moved in", |scene| {
        let other = lived();
        fs::remove_dir_all(scene.gate.ledger()).unwrap();
        fs::rename(other.gate.ledger(), scene.gate.ledger()).unwrap();
    });
}

/// A key that is gone is not replaced: what it signed could not be checked any more.
#[test]
fn a_lost_key_is_not_replaced() {
    let mut scene = lived();
    fs::remove_file(scene.gate.keys().join("entry.key")).unwrap();
    let Err(refused) = scene.gate.start() else { panic!("the gate started") };
    assert!(refused.stderr.contains("entry.key"), "{refused:?}");
    assert!(!scene.gate.keys().join("entry.key").exists());
}
