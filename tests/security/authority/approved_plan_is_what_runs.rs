//! What is executed is what was shown: if file, manifest or policy changed meanwhile, nothing is done.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use latchgate_tests::{Gate, policy, tick};
use serde_json::{Value, json};

use crate::scene::{Scene, shown};

const NOTE: &str = "note.txt";

/// A gate that asks, and a held call that replaces `note.txt`.
fn held(gate: Gate) -> (Scene, String) {
    let scene = Scene::on(gate);
    let args = json!({ "path": NOTE, "content": "new" });
    let held = scene.agent.call("fs_write", &args).send().expect(202);
    let id = held["approval_id"].as_str().unwrap().to_owned();
    (scene, id)
}

fn with_note() -> Gate {
    Gate::builder().policy(policy::ASK).root_file(NOTE, "old").root_file("other.txt", "other").prepare()
}

/// The twin of everything here: nothing changed.
#[test]
fn an_unchanged_plan_is_executed() {
    let (scene, id) = held(with_note());
    let decided = scene.operator().approve(&id);
    assert_eq!((&decided["status"], &decided["effect"]), (&json!("approved"), &json!("done")), "{decided}");
    assert_eq!(fs::read(scene.gate.root().join(NOTE)).unwrap(), b"new");
    scene.end();
}

/// What somebody does to the file, given its path.
type Change = fn(&Path);

#[test]
fn a_file_that_changed_between_hold_and_approval_is_left_alone() {
    let changes: [(&str, Change); 6] = [
        ("another content", |note| fs::write(note, "changed").unwrap()),
        ("another content of the same length", |note| fs::write(note, "odl").unwrap()),
        ("removed", |note| fs::remove_file(note).unwrap()),
        ("a link in its place", |note| {
            fs::remove_file(note).unwrap();
            symlink("other.txt", note).unwrap();
        }),
        ("a directory in its place", |note| {
            fs::remove_file(note).unwrap();
            fs::create_dir(note).unwrap();
        }),
        ("a second name", |note| fs::hard_link(note, note.with_file_name("second.txt")).unwrap()),
    ];
    for (what, change) in changes {
        let (scene, id) = held(with_note());
        let root = scene.gate.root().to_owned();
        change(&root.join(NOTE));
        let before = content(&root);
        let decided = scene.operator().approve(&id);
        assert_eq!(decided["effect"], "none", "{what}: {decided}");
        let code = &decided["problem"]["error"];
        let expected = if what == "a second name" { "egress_denied" } else { "conflict" };
        assert!(
            [expected, "conflict", "egress_denied"].contains(&code.as_str().unwrap()),
            "{what}: {decided}"
        );
        assert_eq!(content(&root), before, "{what}");
        let poll = scene.agent.get(&format!("/v1/approvals/{id}/poll")).send().expect(200);
        assert_eq!((&poll["status"], &poll["effect"]), (&json!("failed"), &json!("none")), "{what}: {poll}");
        scene.end();
    }
}

#[test]
fn a_file_that_appeared_where_the_plan_saw_none_is_left_alone() {
    let gate = Gate::builder().policy(policy::ASK).prepare();
    let (scene, id) = held(gate);
    let note = scene.gate.root().join(NOTE);
    fs::write(&note, "appeared").unwrap();
    let decided = scene.operator().approve(&id);
    assert_eq!(
        (&decided["effect"], &decided["problem"]["error"]),
        (&json!("none"), &json!("conflict")),
        "{decided}"
    );
    assert_eq!(fs::read(&note).unwrap(), b"appeared");
    scene.end();
}

/// Restarts under another policy, approves, and expects this code with nothing done.
#[track_caller]
fn check_policy(policy: &str, code: &str) {
    let (mut scene, id) = held(with_note());
    fs::write(scene.gate.home().join("policies/standard.cedar"), policy).unwrap();
    scene.gate.restart();
    let decided = scene.operator().approve(&id);
    assert_eq!(
        (&decided["effect"], &decided["problem"]["error"]),
        (&json!("none"), &json!(code)),
        "{decided}"
    );
    assert_eq!(fs::read(scene.gate.root().join(NOTE)).unwrap(), b"old");
    assert_void(&scene, &id, code);
    scene.end();
}

/// The approval is void for good, with its entries: the decision, the withdrawal and the refusal.
#[track_caller]
fn assert_void(scene: &Scene, id: &str, code: &str) {
    let decisions = scene.gate.entries_of("approval.decided");
    let words: Vec<&Value> = decisions.iter().map(|entry| &entry["decision"]).collect();
    assert_eq!(words, ["approved", "void"], "{decisions:#?}");
    let denied = scene.gate.entries_of("call.denied");
    let [denied] = denied.as_slice() else { panic!("expected one refusal, found {denied:#?}") };
    assert_eq!((&denied["error"], &denied["approval_id"]), (&json!(code), &json!(id)));
    assert!(scene.gate.entries_of("call.intent").is_empty());
    let shown_plan = scene.operator().show(id);
    let again = scene
        .operator()
        .post(&format!("/v1/approvals/{id}/approve"), &json!({ "plan_digest": shown_plan["plan_digest"] }));
    let again = again.send();
    assert_eq!(again.outcome(), (409, "approval_decided".into()), "{}", shown(&again));
    scene.also_counted("approval_decided", 1);
}

#[test]
fn a_policy_that_now_denies_stops_an_approved_call() {
    check_policy(policy::DENY, "policy_denied");
}

#[test]
fn a_policy_that_now_asks_by_another_rule_needs_another_approval() {
    check_policy(&policy::ASK.replace("@id(\"ask\")", "@id(\"ask-twice\")"), "conflict");
}

/// The name stayed and the question did not: what the operator answered is not what is asked now.
#[test]
fn a_rule_that_changed_under_its_name_needs_another_approval() {
    let changed = policy::ASK.replace("a test asks", "something else entirely").replace(
        "permit (principal, action, resource);",
        "permit (principal, action, resource) when { context.op.kind == \"fs\" };",
    );
    assert_ne!(changed, policy::ASK);
    check_policy(&changed, "conflict");
}

/// Allowed outright by now: the approval has nothing left to say, and the plan is the one that was held.
#[test]
fn a_policy_that_now_allows_executes_the_held_plan() {
    let (mut scene, id) = held(with_note());
    fs::write(scene.gate.home().join("policies/standard.cedar"), policy::ALLOW).unwrap();
    scene.gate.restart();
    assert_eq!(scene.operator().approve(&id)["effect"], "done");
    assert_eq!(fs::read(scene.gate.root().join(NOTE)).unwrap(), b"new");
    scene.end();
}

#[test]
fn a_manifest_that_changed_needs_another_approval() {
    let mine = [("action_id: fs_write", "action_id: note_write")];
    let gate = Gate::builder()
        .policy(policy::ASK)
        .root_file(NOTE, "old")
        .manifest("note.yaml", &tick::bundled("fs_write", &mine));
    let mut scene = Scene::of(gate);
    let args = json!({ "path": NOTE, "content": "new" });
    let held = scene.agent.call("note_write", &args).send().expect(202);
    let id = held["approval_id"].as_str().unwrap().to_owned();
    // The words only: whoever approved read other words.
    let retold = [mine[0], ("title: Write a file", "title: Write a note")];
    let path = scene.gate.home().join("manifests/note.yaml");
    fs::write(&path, tick::bundled("fs_write", &retold)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    scene.gate.restart();
    let decided = scene.operator().approve(&id);
    assert_eq!(
        (&decided["effect"], &decided["problem"]["error"]),
        (&json!("none"), &json!("conflict")),
        "{decided}"
    );
    assert_eq!(fs::read(scene.gate.root().join(NOTE)).unwrap(), b"old");
    assert_void(&scene, &id, "conflict");
    scene.end();
}

/// What lies in the root, and what it leads to.
fn content(root: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut content: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).ok()))
        .collect();
    content.sort();
    content
}
