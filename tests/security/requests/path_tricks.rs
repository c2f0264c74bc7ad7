//! A path argument stays below the root, follows no link, and never meets the gate's own files.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use latchgate_tests::{Gate, policy};
use serde_json::{Value, json};

use crate::scene::{Refusal, Scene, on_record};

const REFUSED: Refusal = on_record(422, "invalid_target");

fn scene() -> Scene {
    Scene::of(Gate::builder().policy(policy::ALLOW).root_file("dir/file.txt", "inside"))
}

/// Reads and writes at `path` are refused alike.
#[track_caller]
fn check(scene: &Scene, path: &str) {
    for (action, args) in
        [("fs_read", json!({ "path": path })), ("fs_write", json!({ "path": path, "content": "attacked" }))]
    {
        scene.refuses(&format!("{action} {path:?}"), REFUSED, scene.agent.call(action, &args));
    }
}

/// The twin of every attack in this file.
#[track_caller]
fn check_twin(scene: &Scene) {
    let read = scene.agent.call("fs_read", &json!({ "path": "dir/file.txt" })).send().expect(200);
    assert_eq!(read["output"]["text"], "inside");
    let args = json!({ "path": "dir/new.txt", "content": "new" });
    scene.agent.call("fs_write", &args).send().expect(200);
    assert_eq!(fs::read(scene.gate.root().join("dir/new.txt")).unwrap(), b"new");
}

#[test]
fn a_path_that_could_lead_elsewhere_is_refused() {
    let scene = scene();
    let outside = scene.gate.base().join("outside.txt");
    fs::write(&outside, "outside").unwrap();
    for path in [
        "../outside.txt",
        "dir/../../outside.txt",
        "dir/../dir/file.txt",
        "..",
        "dir/..",
        outside.to_str().unwrap(),
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/",
        "..\\outside.txt",
        "dir\\file.txt",
        "dir/file.txt\u{0}",
        "dir/file.txt\n",
        "dir/\u{1b}[2Jfile.txt",
        &"a".repeat(256),
        "dir/file.txt/..",
        ".",
        "./",
    ] {
        if path.contains('\0') {
            // Refused a step earlier, with the JSON.
            let call = scene.agent.call("fs_read", &json!({ "path": path }));
            scene.refuses(path, on_record(400, "bad_request"), call);
        } else {
            check(&scene, path);
        }
    }
    // No decoding takes place: these are names of files that do not exist.
    for path in ["%2e%2e/outside.txt", "..%2foutside.txt", "dir/file.txt%00"] {
        let call = scene.agent.call("fs_read", &json!({ "path": path }));
        scene.refuses(path, REFUSED, call);
    }
    assert_eq!(fs::read(&outside).unwrap(), b"outside");
    check_twin(&scene);
    scene.end();
}

#[test]
fn links_and_what_is_no_file_are_refused() {
    let scene = scene();
    let (base, root) = (scene.gate.base(), scene.gate.root());
    let outside = base.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret.txt"), "secret").unwrap();
    symlink(outside.join("secret.txt"), root.join("file-link")).unwrap();
    symlink(&outside, root.join("dir-link")).unwrap();
    symlink("../outside", root.join("relative-link")).unwrap();
    symlink("dir", root.join("inner-link")).unwrap();
    symlink("/proc/self", root.join("proc-link")).unwrap();
    symlink(outside.join("absent"), root.join("dangling-link")).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
    for path in [
        "file-link",
        "dir-link/secret.txt",
        "relative-link/secret.txt",
        "inner-link/file.txt",
        "proc-link/environ",
        "dangling-link",
        "fifo",
        "dir",
        "dir/file.txt/x",
        "absent/x",
    ] {
        check(&scene, path);
    }
    assert_eq!(fs::read(outside.join("secret.txt")).unwrap(), b"secret");
    assert!(!outside.join("absent").exists());
    // A second name of a file elsewhere would be changed along with it.
    fs::hard_link(outside.join("secret.txt"), root.join("second-name")).unwrap();
    let write = json!({ "path": "second-name", "content": "attacked" });
    scene.refuses("a second name", REFUSED, scene.agent.call("fs_write", &write));
    assert_eq!(fs::read(outside.join("secret.txt")).unwrap(), b"secret");
    check_twin(&scene);
    scene.end();
}

type LeadsTo = fn(&Gate) -> PathBuf;

/// A gate whose root is reached through a link that its operator made.
fn with_root(leads_to: impl FnOnce(&Gate) -> PathBuf) -> Gate {
    let gate = Gate::builder().policy(policy::ALLOW).root_file("dir/file.txt", "inside").prepare();
    let target = leads_to(&gate);
    fs::rename(gate.root(), gate.base().join("old-root")).unwrap();
    symlink(target, gate.root()).unwrap();
    gate
}

#[test]
fn a_gates_home_below_its_root_is_out_of_reach() {
    let mut gate = with_root(|gate| gate.base().to_owned());
    gate.start().unwrap();
    let agent = gate.raw_agent();
    let before = snapshot(gate.home());
    for path in [
        "h/latchgate.toml",
        "h/policies/standard.cedar",
        "h/policies/mine.cedar",
        "h/operators/local.toml",
        "h/operators/agent.toml",
        "h/agents/agent.toml",
        "h/manifests/mine.yaml",
        "h/state/keys/entry.key",
        "h/state/keys/operator-local.pem",
        "h/state/ledger/checkpoint",
        "h/state/ledger/log/00000000000000000000.jsonl",
        "h/run/gate.sock",
        "h/run/admin/gate-admin.sock",
        "./h//latchgate.toml",
    ] {
        for (action, args) in [
            ("fs_read", json!({ "path": path })),
            ("fs_write", json!({ "path": path, "content": "attacked" })),
        ] {
            let (status, body) = agent.execute(action, &args, |call| call);
            assert_eq!((status, &body["error"]), (422, &json!("invalid_target")), "{action} {path}: {body}");
            assert_eq!(body["effect"], "none", "{action} {path}");
        }
    }
    let (status, body) = agent.execute("fs_list", &json!({ "path": "h/state/keys" }), |call| call);
    assert_eq!((status, &body["error"]), (422, &json!("invalid_target")), "{body}");
    assert_eq!(snapshot(gate.home()), before);
    // The twin: the same root, beside the home.
    let (status, body) = agent.execute("fs_read", &json!({ "path": "old-root/dir/file.txt" }), |call| call);
    assert_eq!((status, &body["output"]["text"]), (200, &json!("inside")), "{body}");
}

#[test]
fn a_root_that_is_the_gates_home_or_the_kernels_is_refused_at_the_start() {
    let roots: [(&str, LeadsTo); 5] = [
        ("home", |gate| gate.home().to_owned()),
        ("keys", |gate| {
            let mut private = fs::DirBuilder::new();
            private.recursive(true).mode(0o700).create(gate.keys()).unwrap();
            gate.keys()
        }),
        ("proc", |_| "/proc".into()),
        ("proc/self", |_| "/proc/self".into()),
        ("sys", |_| "/sys".into()),
    ];
    for (what, root) in roots {
        let mut gate = with_root(root);
        let Err(refused) = gate.start() else { panic!("{what}: the gate started") };
        assert!(refused.code > 0 && refused.stderr.contains("root"), "{what}: {refused:?}");
        assert!(!refused.stderr.contains("panicked"), "{what}: {refused:?}");
    }
    with_root(|gate| gate.base().join("old-root")).start().unwrap();
}

/// Configuration and policy as they are on disk.
fn snapshot(home: &Path) -> Vec<(String, Value)> {
    let mut files = Vec::new();
    for dir in ["", "policies", "operators", "manifests"] {
        for file in fs::read_dir(home.join(dir)).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.display().to_string(), json!(text)));
            }
        }
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}
