//! Whoever asks for a call and is another user approves nothing, by whatever way; and what the gate's own user can do, which
//! is said and not hidden.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use latchgate_tests::{
    Attempt, Gate, Key, OTHER_UID, Ran, RawAgent, Relay, binary_for_others, eventually, policy,
};
use rustix::process::Signal;
use serde_json::{Value, json};

/// An agent's user; the gate's is [`OTHER_UID`].
const AGENT_UID: u32 = 65533;

const ALLOW_ALL: &str = r#"@id("allow") permit (principal, action, resource);"#;

/// A shell of this user, whose group is that of the agents.
fn shell(uid: u32, script: &str, args: &[&Path]) -> Ran {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).args(args).uid(uid).gid(OTHER_UID);
    Ran::of(command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null()))
}

fn write_args(number: u32) -> Value {
    json!({ "path": format!("n{number}"), "content": "x" })
}

#[track_caller]
fn hold(agent: &RawAgent, number: u32) -> String {
    let (status, held) = agent.execute("fs_write", &write_args(number), |call| call);
    assert_eq!(status, 202, "{held}");
    held["approval_id"].as_str().unwrap().to_owned()
}

#[test]
fn another_user_approves_its_own_call_by_no_way() {
    let Some((_dir, copy)) = binary_for_others() else { return };
    let builder = Gate::builder().uid(OTHER_UID).binary(&copy).serves().policy(policy::ASK);
    let mut gate = builder.start();
    let relay = Relay::start(&gate.agent_socket(), AGENT_UID, OTHER_UID);
    let agent = RawAgent::connect(&relay.socket(), &json!({}));
    assert_eq!(agent.principal, format!("uid:{AGENT_UID}"));
    let id = hold(&agent, 1);
    let digest = gate.raw_operator().show(&id)["plan_digest"].clone();
    let approve = json!({ "plan_digest": digest });

    // What the file system keeps: the other socket, keys, and every file that rules.
    let admin = Relay::start(&gate.admin_socket(), AGENT_UID, OTHER_UID);
    let attempt = Attempt::new(&admin.socket(), &gate.operator_key(), None, "GET", "/v1/status");
    let said = attempt.begin().rest();
    assert_eq!(String::from_utf8_lossy(&said), "PermissionError");
    let home = gate.home();
    for (what, script, path) in [
        ("read an operator's key", "cat \"$1\"", home.join("state/keys/operator-local.pem")),
        ("read the gate's keys", "cat \"$1\"", home.join("state/keys/lease.key")),
        ("read the policy", "cat \"$1\"", home.join("policies/standard.cedar")),
        ("read the ledger", "ls \"$1\"", home.join("state/ledger")),
        ("write a policy", "echo > \"$1\"", home.join("policies/x.cedar")),
        ("write an operator", "echo > \"$1\"", home.join("operators/me.toml")),
        ("write an agent", "echo > \"$1\"", home.join("agents/me.toml")),
        ("write the configuration", "echo > \"$1\"", home.join("latchgate.toml")),
        ("replace the socket", "rm -f \"$1\" && ! test -e \"$1\"", gate.agent_socket()),
        ("list the home", "ls \"$1\"", home.to_owned()),
    ] {
        assert_ne!(shell(AGENT_UID, script, &[&path]).code, 0, "{what}");
        // The twin: the gate's own user. What it writes is taken away again; the socket stays.
        if !what.starts_with("replace") && !what.starts_with("write the") {
            assert_eq!(shell(OTHER_UID, script, &[&path]).code, 0, "{what}, by the gate's user");
            if what.starts_with("write") {
                fs::remove_file(&path).unwrap();
            }
        }
    }
    let process = Path::new("/proc").join(gate.pid().to_string());
    for (what, script) in [
        ("read its memory", "head -c 1 \"$1/mem\""),
        ("read its environment", "cat \"$1/environ\""),
        ("end it", "kill -9 \"$(basename \"$1\")\""),
        ("reload it", "kill -HUP \"$(basename \"$1\")\""),
    ] {
        assert_ne!(shell(AGENT_UID, script, &[&process]).code, 0, "{what}");
    }
    assert!(gate.is_running());

    // What the agents' socket keeps, even from whoever holds an operator's key.
    let operator = gate.operator_key();
    for (key, route) in
        [(&agent.key, "approve"), (&agent.key, "deny"), (&operator, "approve"), (&operator, "deny")]
    {
        let path = format!("/v1/approvals/{id}/{route}");
        let attempt = Attempt::new(&agent.socket, key, None, "POST", &path).json(&approve);
        assert_eq!(attempt.send().outcome(), (404, "not_found".into()), "{path}");
        let with_lease = agent.post(&path, &approve).send();
        assert_eq!(with_lease.outcome(), (404, "not_found".into()), "{path}");
    }
    for path in ["/v1/operators", "/v1/agents", "/v1/standing", "/v1/budgets", "/v1/revoke", "/v1/reload"] {
        let attempt = Attempt::new(&agent.socket, &operator, None, "POST", path).json(&json!({}));
        assert_eq!(attempt.send().outcome(), (404, "not_found".into()), "{path}");
    }
    let lease = RawAgent::ask_for_lease(&agent.socket, &operator, &json!({})).send();
    assert_eq!(lease.outcome(), (403, "forbidden".into()));

    assert_eq!(gate.entries_of("approval.decided").len(), 0);
    assert!(!gate.root().join("n1").exists());
    // The twin: the operator.
    assert_eq!(gate.raw_operator().approve(&id)["effect"], "done");
    assert!(gate.root().join("n1").exists());
    gate.assert_sound();
}

/// Not a guarantee but the truth about the lack of one: docs/boundaries.md repeats this list.
#[test]
fn what_succeeds_under_same_user_is_this_and_no_more() {
    let Some((_dir, copy)) = binary_for_others() else { return };
    let gate = Gate::builder().uid(OTHER_UID).binary(&copy).policy(policy::ASK).start();
    let relay = Relay::start(&gate.agent_socket(), OTHER_UID, OTHER_UID);
    let agent = RawAgent::connect(&relay.socket(), &json!({}));
    // Whose key takes a passphrase later.
    let operator = gate.raw_operator();
    let mut ways = Vec::new();
    let mut tried = |way: &'static str, succeeds: bool| {
        eprintln!("same-user: {way}: {}", if succeeds { "SUCCEEDS" } else { "fails" });
        ways.push((way, succeeds));
    };

    let id = hold(&agent, 1);
    let approved = gate.cli(&["approvals", "approve", &id, "--yes"]);
    tried("sign an approval with the operator's key", approved.code == 0 && gate.root().join("n1").exists());

    let passphrase = gate.base().join("passphrase");
    let script = "umask 077; echo 'four unrelated words here' > \"$1\"";
    assert_eq!(shell(OTHER_UID, script, &[&passphrase]).code, 0);
    gate.cli(&["operator", "protect", "--passphrase-file", passphrase.to_str().unwrap()]).exited(0);
    fs::remove_file(&passphrase).unwrap();
    let id = hold(&agent, 2);
    let approved = gate.cli(&["approvals", "approve", &id, "--yes"]);
    tried("sign one with a key that has a passphrase", approved.code == 0 || gate.root().join("n2").exists());

    let memory = Path::new("/proc").join(gate.pid().to_string()).join("mem");
    tried("read the gate's memory", shell(OTHER_UID, "head -c 1 \"$1\"", &[&memory]).code == 0);

    let script = format!("umask 077; echo '{ALLOW_ALL}' > \"$1\"");
    let policy = gate.home().join("policies/standard.cedar");
    assert_eq!(shell(OTHER_UID, &script, &[&policy]).code, 0);
    // What it goes by is asked of the gate: an entry stands in the file a moment before.
    let in_force = || operator.status()["policy_digest"].clone();
    let before = in_force();
    gate.signal(Signal::HUP);
    eventually("the reload", || (in_force() != before).then_some(()));
    let (status, _) = agent.execute("fs_write", &write_args(3), |call| call);
    tried("change the policy and reload", status == 200);

    let key = Key::generate();
    super::crowd::operator_file(&gate, "me", "admin", &key);
    let file = gate.home().join("operators/me.toml");
    std::os::unix::fs::chown(&file, Some(OTHER_UID), Some(OTHER_UID)).unwrap();
    let listed = || operator.get("/v1/operators").send().expect(200)["operators"].to_string();
    gate.signal(Signal::HUP);
    eventually("the reload", || listed().contains("\"me\"").then_some(()));
    let status = Attempt::new(&gate.admin_socket(), &key, None, "GET", "/v1/status").send().status;
    tried("add an operator's file and reload", status == 200);

    let expected = [
        ("sign an approval with the operator's key", true),
        ("sign one with a key that has a passphrase", false),
        ("read the gate's memory", false),
        ("change the policy and reload", true),
        ("add an operator's file and reload", true),
    ];
    assert_eq!(ways, expected);
    gate.assert_sound();
}
