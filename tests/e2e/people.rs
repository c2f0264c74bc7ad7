//! Operators and agents by their commands: keys are made, told to the gate, replaced and protected, and never shown.

use std::fs;

use latchgate_tests::{Gate, Key, Ran, mode, private_file};
use serde_json::{Value, json};

fn gate() -> Gate {
    Gate::builder().root_file("a.txt", "text\n").start()
}

fn operators(gate: &Gate) -> Vec<(String, String)> {
    let list = gate.cli(&["operator", "list", "--json"]).exited(0).json();
    let pair = |o: &Value| (o["name"].as_str().unwrap().to_owned(), o["role"].as_str().unwrap().to_owned());
    list["operators"].as_array().unwrap().iter().map(pair).collect()
}

#[test]
fn an_operator_is_added_acts_and_is_removed() {
    let gate = gate();
    let ran = gate.cli(&["operator", "add", "ana", "--role", "approver"]).exited(0);
    let file = gate.keys().join("operator-ana.pem");
    assert_eq!(mode(&file), 0o600);
    let pem = fs::read_to_string(&file).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(secret), "the key was shown");
    assert_eq!(operators(&gate), [("ana".into(), "approver".into()), ("local".into(), "admin".into())]);

    let id = gate.cli(&["call", "fs_write", r#"{"path":"b","content":"x"}"#]).exited(4);
    gate.cli(&["approvals", "approve", id.stdout.trim(), "--yes", "--operator", "ana"]).exited(0);
    assert_eq!(gate.entries_of("approval.decided")[0]["signed"]["operator"], "ana");
    // An approver rules over nobody.
    gate.cli(&["operator", "add", "bob", "--role", "viewer", "--operator", "ana"]).exited(3);
    assert!(!gate.keys().join("operator-bob.pem").exists(), "a refused key was left behind");

    let again = gate.cli(&["operator", "add", "ana", "--role", "admin"]).exited(2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&file).unwrap(), pem);

    gate.cli(&["operator", "remove", "ana"]).exited(0);
    gate.cli(&["approvals", "list", "--operator", "ana"]).exited(3);
    let last = gate.cli(&["operator", "remove", "local"]).exited(3);
    assert!(last.stderr.contains("last admin"), "{}", last.stderr);
    gate.assert_sound();
}

#[test]
fn a_person_elsewhere_gives_a_public_key_or_takes_a_file_along() {
    let gate = gate();
    let key = Key::generate();
    let jwk = gate.base().join("ana.jwk");
    fs::write(&jwk, key.jwk().to_string()).unwrap();
    let added =
        gate.cli(&["--json", "operator", "add", "ana", "--role", "viewer", "--key", "ana.jwk"]).exited(0);
    assert_eq!(added.json(), json!({"name": "ana", "role": "viewer", "jkt": key.jkt(), "key_file": null}));
    let taken = gate.cli(&["operator", "add", "anna", "--role", "viewer", "--key", "ana.jwk"]).exited(2);
    assert!(taken.stderr.contains("already_exists"), "{}", taken.stderr);
    // A private key is told to nobody.
    let pem = key.signing().to_pkcs8_pem().unwrap();
    gate.private_file("bob.pem", &pem);
    let refused = gate.cli(&["operator", "add", "bob", "--role", "viewer", "--key", "bob.pem"]).exited(2);
    assert!(refused.stderr.contains("private"), "{}", refused.stderr);
    gate.cli(&["operator", "add", "carl", "--role", "viewer", "--out", "carl.pem"]).exited(0);
    assert_eq!(mode(&gate.base().join("carl.pem")), 0o600);
    assert!(!gate.keys().join("operator-carl.pem").exists());
}

#[test]
fn a_key_is_rotated_and_the_old_one_opens_nothing() {
    let gate = gate();
    let old = gate.raw_operator();
    let ran = gate.cli(&["--json", "operator", "rotate"]).exited(0);
    assert_eq!(ran.json()["jkt"], gate.operator_key().jkt());
    assert_ne!(gate.operator_key().jkt(), old.key.jkt());
    assert_eq!(old.get("/v1/status").send().outcome(), (403, "forbidden".into()));
    gate.cli(&["status"]).exited(0);
    assert!(!gate.keys().join("operator-local.pem.new").exists());
    gate.assert_sound();
}

/// The gate has taken the new key, and the command died before it put it into its place.
#[test]
fn an_interrupted_rotation_is_brought_to_its_end() {
    let gate = gate();
    let (path, beside) = (gate.keys().join("operator-local.pem"), gate.keys().join("operator-local.pem.new"));
    let old = fs::read(&path).unwrap();
    gate.cli(&["operator", "rotate"]).exited(0);
    fs::rename(&path, &beside).unwrap();
    gate.private_file("old", std::str::from_utf8(&old).unwrap());
    fs::rename(gate.base().join("old"), &path).unwrap();
    gate.cli(&["operator", "list"]).exited(3);
    let ran = gate.cli(&["operator", "rotate"]).exited(0);
    assert!(ran.stderr.contains("interrupted"), "{}", ran.stderr);
    gate.cli(&["operator", "list"]).exited(0);
    assert!(!beside.exists());

    // The other way round: the command died before the gate heard of the key, which is of no use then.
    let pem = Key::generate().signing().to_pkcs8_pem().unwrap();
    gate.private_file("unheard", &pem);
    fs::rename(gate.base().join("unheard"), &beside).unwrap();
    gate.cli(&["operator", "rotate"]).exited(0);
    gate.cli(&["operator", "list"]).exited(0);
    assert!(!beside.exists());
}

#[test]
fn an_enrolled_agent_is_itself_wherever_it_calls_from() {
    let gate = gate();
    gate.cli(&["agents", "add", "ci", "--out", "ci.pem"]).exited(0);
    assert_eq!(mode(&gate.base().join("ci.pem")), 0o600);
    let call = ["call", "fs_read", r#"{"path":"a.txt"}"#, "--agent-key", "ci.pem"];
    gate.cli(&call).exited(0);
    let mut by_env = gate.command(&call[..3]);
    Ran::of(by_env.env("LATCHGATE_AGENT_KEY", gate.base().join("ci.pem"))).exited(0);
    gate.cli(&call[..3]).exited(0);
    let principals: Vec<Value> =
        gate.entries_of("call.outcome").iter().map(|outcome| outcome["principal"].clone()).collect();
    assert_eq!(principals[..2], ["agent:ci", "agent:ci"]);
    assert!(principals[2].as_str().unwrap().starts_with("uid:"));

    let list = gate.cli(&["agents", "list", "--json"]).exited(0).json();
    let ci = &list["agents"][0];
    assert_eq!((&ci["name"], ci["last_seen"].is_string()), (&json!("ci"), true));
    assert_eq!(ci["budgets"][1]["used"]["calls"], 2);

    // Another key: the old one is a stranger's, who is a uid like any other.
    fs::copy(gate.base().join("ci.pem"), gate.base().join("old.pem")).unwrap();
    gate.cli(&["agents", "rotate", "ci", "--out", "ci.pem"]).exited(0);
    gate.cli(&call).exited(0);
    gate.cli(&[&call[..4], &["old.pem"]].concat()).exited(0);
    let last = gate.entries_of("call.outcome");
    assert_eq!(last[3]["principal"], "agent:ci");
    assert_ne!(last[4]["principal"], "agent:ci");

    gate.cli(&["agents", "remove", "ci"]).exited(0);
    assert_eq!(gate.cli(&["agents", "list", "--json"]).json()["agents"], json!([]));
    gate.cli(&["agents", "remove", "ci"]).exited(2);
    gate.assert_sound();
}

#[test]
fn what_is_left_of_budgets_is_shown() {
    let gate = gate();
    private_file(
        &gate.home().join("policies/rules.yaml"),
        "format: 1\nrules: []\nbudgets:\n  - { for: each, per: day, calls: 4, cost_usd_cents: 500 }\n",
    );
    gate.cli(&["reload"]).exited(0);
    gate.cli(&["agents", "add", "ci", "--out", "ci.pem"]).exited(0);
    gate.cli(&["call", "fs_read", r#"{"path":"a.txt"}"#, "--agent-key", "ci.pem"]).exited(0);
    let status = gate.cli(&["status"]).exited(0).stdout;
    assert!(status.contains("agent:ci  day ###------- 1 of 4 calls, 0.00 of 5.00 USD"), "{status}");
    let agents = gate.cli(&["agents", "list"]).exited(0).stdout;
    assert!(agents.contains("###------- 1 of 4 calls"), "{agents}");
    let stats = gate.cli(&["audit", "stats", "--by", "principal"]).exited(0);
    assert!(stats.stderr.contains("agent:ci  day ###------- 1 of 4 calls"), "{}", stats.stderr);
    let budgets = gate.cli(&["status", "--json"]).exited(0).json()["budgets"].clone();
    assert_eq!(budgets[0]["budgets"][1]["limit"]["calls"], 4);
    let policy = gate.cli(&["policy", "show"]).exited(0).stdout;
    assert!(policy.contains("// budget: each per day: at most 4 calls, 500 US cents"), "{policy}");
}

#[test]
fn without_a_gate_the_commands_say_what_starts_one_and_leave_no_key() {
    let mut gate = gate();
    gate.terminate();
    for args in [
        &["operator", "list"][..],
        &["operator", "add", "ana", "--role", "viewer"],
        &["operator", "rotate"],
        &["operator", "remove", "ana"],
        &["agents", "list"],
        &["agents", "add", "ci"],
        &["agents", "rotate", "ci"],
        &["agents", "remove", "ci"],
    ] {
        let ran = gate.cli(args).exited(5);
        assert!(ran.stderr.contains("latchgate up"), "{args:?}: {}", ran.stderr);
    }
    let left: Vec<_> = fs::read_dir(gate.keys()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(
        !left.iter().any(|name| ["operator-ana.pem", "agent-ci.pem", "operator-local.pem.new"]
            .iter()
            .any(|k| name == k)),
        "{left:?}"
    );
}

#[test]
fn a_token_is_made_beside_the_key_shown_only_when_asked_for_and_taken_away() {
    let gate = gate();
    let added = gate.cli(&["operator", "add", "ana", "--role", "approver", "--token"]).exited(0);
    let file = gate.keys().join("operator-ana.pem.token");
    assert_eq!(mode(&file), 0o600);
    let first = fs::read_to_string(&file).unwrap();
    assert!(first.starts_with("lgop_"));
    assert!(!format!("{}{}", added.stdout, added.stderr).contains("lgop_"), "the token was shown");
    let has_token = || {
        let list = gate.cli(&["operator", "list", "--json"]).exited(0).json();
        list["operators"].as_array().unwrap().iter().map(|o| o["has_token"] == true).collect::<Vec<_>>()
    };
    assert_eq!(has_token(), [true, false]);
    // From the command line the key alone decides.
    gate.cli(&["approvals", "list", "--operator", "ana"]).exited(0);

    let made = gate.cli(&["operator", "token", "ana"]).exited(0);
    let second = fs::read_to_string(&file).unwrap();
    assert_ne!(first, second);
    assert!(!format!("{}{}", made.stdout, made.stderr).contains("lgop_"), "the token was shown");
    let printed = gate.cli(&["operator", "token", "ana", "--print"]).exited(0);
    assert_eq!(printed.stdout.trim(), fs::read_to_string(&file).unwrap());
    // Nobody makes one for somebody else but an admin, and a refused one leaves nothing behind.
    let before = fs::read_to_string(&file).unwrap();
    gate.cli(&["operator", "token", "local", "--operator", "ana"]).exited(3);
    assert!(!gate.keys().join("operator-local.pem.token.new").exists());
    gate.cli(&["operator", "token", "ana", "--operator", "ana", "--remove"]).exited(0);
    assert!(!file.exists(), "{before}");
    assert_eq!(has_token(), [false, false]);
    gate.assert_sound();
}
