//! Only the pinned bytes run, with what was declared and no more.

use std::fs;

use latchgate_tests::guest::{self, FS, HTTP, component, innocent, saying};
use latchgate_tests::{Gate, Refused, manifest, policy};

use crate::scene::{Scene, home};

/// The gate does not start, for a reason that says these.
#[track_caller]
fn refused(gate: Result<Gate, Refused>, words: &[&str]) {
    let Err(refused) = gate else { panic!("the gate started") };
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    for word in words {
        assert!(refused.stderr.contains(word), "no `{word}` in {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("panicked"), "{}", refused.stderr);
}

#[test]
fn a_module_that_is_not_the_pinned_one_stops_the_start() {
    let (pinned, other) = (innocent(), saying("{}"));
    let gate = home(&pinned, &pinned, &["host_calls: 2"]);
    refused(
        gate.beside_manifests("hostile.wasm", &other).try_start(),
        &["action hostile", "the manifest pins"],
    );
    // The twin: the pinned bytes.
    Scene::new(&pinned, &pinned, &["host_calls: 2"]).check_innocent();
}

#[test]
fn a_built_in_module_that_is_not_the_pinned_one_stops_the_start() {
    let bundled = manifest::variant("fs_list", "list", &[]);
    let pin = bundled.lines().find(|line| line.starts_with("module_digest:")).unwrap().to_owned();
    let other = format!("module_digest: sha256:{}", "0".repeat(64));
    let of = |text: &str| Gate::builder().policy(policy::ALLOW).manifest("list.yaml", text);
    refused(
        of(&bundled.replace(&pin, &other)).try_start(),
        &["action list", "builtin:fs", "the manifest pins"],
    );
    of(&bundled).start();
}

#[test]
fn a_file_dropped_beside_a_module_does_not_take_over_its_name() {
    let evil = saying("{\"n\":666}");
    let gate = home(&innocent(), &innocent(), &["host_calls: 2"]);
    // Under every name that something might look for.
    let names =
        ["builtin:fs", "builtin:fs.wasm", "fs", "fs.wasm", "innocent", "innocent.wat", "innocent.cwasm"];
    let gate = names.iter().fold(gate, |gate, name| gate.beside_manifests(name, &evil));
    let scene = Scene::of(gate.start());
    scene.check_innocent();
    let listed = scene.gate.cli(&["call", "--json", "fs_list", "{}"]).exited(0).json();
    assert_eq!(listed["output"]["entries"][0]["name"], "files", "{listed}");
    scene.end();
}

#[test]
fn a_module_replaced_while_the_gate_runs_is_not_run_and_not_taken_up() {
    let scene = Scene::new(&innocent(), &innocent(), &["host_calls: 2"]);
    let path = scene.gate.home().join("manifests/innocent.wasm");
    fs::write(&path, saying("{\"n\":666}")).unwrap();
    scene.check_innocent();
    let reload = scene.gate.cli(&["reload"]);
    assert_ne!(reload.code, 0, "{reload:#?}");
    assert!(reload.stderr.contains("the manifest pins"), "{reload:#?}");
    scene.check_innocent();
    fs::write(&path, innocent()).unwrap();
    scene.gate.cli(&["reload"]).exited(0);
    scene.check_innocent();
    scene.end();
}

#[test]
fn a_path_out_of_the_manifests_is_no_module() {
    let module = innocent();
    for path in
        ["../hostile.wasm", "/tmp/hostile.wasm", "./hostile.wasm", "a/../hostile.wasm", "hostile.wasm/."]
    {
        let text = guest::manifest("hostile", &module, &["host_calls: 2"])
            .replace("module: hostile.wasm", &format!("module: {path}"));
        let gate = Gate::builder().policy(policy::ALLOW).manifest("hostile.yaml", &text);
        let gate =
            gate.beside_manifests("hostile.wasm", &module).beside_manifests("../hostile.wasm", &module);
        let Err(refused) = gate.try_start() else { panic!("{path}: the gate started") };
        assert!(refused.stderr.contains("module"), "{path}: {}", refused.stderr);
    }
}

#[test]
fn an_import_that_was_not_declared_stops_the_start() {
    let hostile = component(HTTP, "(call $list) (call $http (i32.const 0) (i32.const 1024)) (call $ok)");
    let gate = home(&hostile, &innocent(), &["host_calls: 2"]).try_start();
    refused(gate, &["action hostile", "latchgate:action/http@1.0.0", "does not declare"]);
    // The twin imports what the manifest declares.
    assert!(FS.contains("latchgate:action/fs@1.0.0"));
    Scene::new(&innocent(), &innocent(), &["host_calls: 2"]).check_innocent();
}

#[test]
fn what_is_no_component_of_an_action_stops_the_start() {
    for (what, bytes, word) in [
        ("nothing", Vec::new(), "no component"),
        ("text", b"(component)".to_vec(), "no component"),
        ("a core module", b"\0asm\x01\0\0\0".to_vec(), "no component"),
        ("no run", b"\0asm\x0d\0\x01\0".to_vec(), "does not export"),
    ] {
        let gate = home(&bytes, &innocent(), &["host_calls: 2"]).try_start();
        refused(gate, &["action hostile", word]);
        println!("{what}: refused");
    }
    Scene::new(&innocent(), &innocent(), &["host_calls: 2"]).check_innocent();
}
