//! `latchgate_allowlist`: there only for who asks for it, about one host by its name, seen and taken back with one command.

use std::os::unix::fs::MetadataExt as _;

use latchgate_tests::{Gate, RawAgent, Upstream, policy, tick};
use serde_json::{Value, json};

use super::operator_session::{Session, command};

const ALLOWLIST: &str = "latchgate_allowlist";

fn gate() -> Gate {
    let config = "[egress]\ndangerous_loopback = true\n";
    Gate::builder().policy(policy::ASK).config(config).manifest("tick.yaml", &tick::manifest()).start()
}

fn session(gate: &Gate) -> Session {
    Session::run(command(gate).arg("--enable-allowlist-tool"))
}

/// This process's own principal.
fn principal(gate: &Gate) -> String {
    format!("uid:{}", std::fs::metadata(gate.home()).unwrap().uid())
}

fn status(agent: &RawAgent, upstream: &Upstream, host: &str, number: u64) -> u16 {
    let url = format!("http://{host}:{}/effect", upstream.port());
    agent.execute("tick", &json!({ "url": url, "number": number }), |call| call).0
}

#[test]
fn an_allowed_host_is_reached_without_a_question_until_it_is_taken_back() {
    let (gate, upstream) = (gate(), Upstream::start());
    let agent = gate.raw_agent();
    assert_eq!(status(&agent, &upstream, "docs.localhost", 1), 202);
    let mut session = session(&gate);
    let asked = json!({ "action_id": "tick", "domain": "docs.localhost", "agent_id": principal(&gate) });
    let (done, text) = session.call(ALLOWLIST, &asked);
    let rule = done["allowed"]["rule"].as_str().unwrap().to_owned();
    assert_eq!(done["allowed"]["instead_of"], json!(["ask"]), "{done:#}");
    assert!(text.contains(&format!("latchgate policy disallow {rule}")), "{text}");
    assert_ne!(done["policy_before"], done["policy_digest"]);

    assert_eq!(status(&agent, &upstream, "docs.localhost", 2), 200);
    assert_eq!(status(&agent, &upstream, "other.localhost", 3), 202, "another host is asked about");
    assert_eq!(status(&agent, &upstream, "x.docs.localhost", 4), 202, "a name below it is another host");
    assert_eq!(upstream.count(), 1);
    let again = session.refused(ALLOWLIST, &asked);
    assert!(again.contains("already_exists") && again.contains(&rule), "{again}");

    let shown = gate.cli(&["policy", "show"]).exited(0);
    assert!(shown.stdout.contains(&rule) && shown.stdout.contains("docs.localhost"), "{}", shown.stdout);
    let listed = gate.cli(&["policy", "allowed", "--json"]).exited(0);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed["allowances"][0]["host"], "docs.localhost");

    gate.cli(&["policy", "disallow", &rule]).exited(0);
    assert_eq!(status(&agent, &upstream, "docs.localhost", 5), 202);
    gate.cli(&["policy", "disallow", &rule]).exited(2);
    let entries = gate.entries_of("config.changed");
    let changes: Vec<&Value> = entries.iter().map(|entry| &entry["allowance"]["change"]).collect();
    assert_eq!(changes, [&Value::Null, &json!("added"), &json!("removed")]);
    assert_eq!(entries[1]["allowance"]["policy_before"], entries[0]["policy_digest"]);
    assert_eq!(entries[1]["allowance"]["signed"]["operator"], "local");
    assert_eq!(entries[2]["policy_digest"], entries[0]["policy_digest"], "it is as it was");
    gate.assert_sound();
}

#[test]
fn it_is_there_only_for_who_asks_for_it() {
    let gate = gate();
    let names = |session: &mut Session| -> Vec<String> {
        let listed = session.ask("tools/list", &json!({}));
        let tools = listed["result"]["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    let mut without = Session::of(&gate);
    assert!(!names(&mut without).contains(&ALLOWLIST.to_owned()));
    let call = json!({ "name": ALLOWLIST, "arguments": { "action_id": "tick", "domain": "a.localhost" } });
    assert_eq!(without.ask("tools/call", &call)["error"]["code"], -32602);
    for mut with in [
        session(&gate),
        Session::run(command(&gate).arg("--enable-allowlist-tool=true")),
        Session::run(command(&gate).env("LATCHGATE_ENABLE_ALLOWLIST_TOOL", "true")),
    ] {
        assert!(names(&mut with).contains(&ALLOWLIST.to_owned()));
    }
    let mut off = Session::run(command(&gate).env("LATCHGATE_ENABLE_ALLOWLIST_TOOL", "false"));
    assert!(!names(&mut off).contains(&ALLOWLIST.to_owned()));
    assert_eq!(gate.entries_of("config.changed").len(), 1);
}

#[test]
fn what_it_cannot_allow_it_refuses_with_the_reason() {
    let gate = gate();
    let own = principal(&gate);
    let mut session = session(&gate);
    for (action, domain, agent, why) in [
        ("tick", "*", own.as_str(), "one host"),
        ("tick", "*.localhost", &own, "one host"),
        ("tick", "https://docs.localhost/", &own, "one host"),
        ("tick", "127.0.0.1", &own, "one host"),
        ("tick", "docs.localhost\n  - id: x", &own, "one host"),
        ("tick", "docs.localhost", "uid:*", "agent_id"),
        ("tick", "docs.localhost", "nobody", "no agent is enrolled as nobody"),
        ("tick*", "docs.localhost", &own, "no action of that name"),
        ("fs_read", "docs.localhost", &own, "fs_read reaches no host"),
        ("wikipedia_read", "docs.localhost", &own, "en.wikipedia.org only"),
    ] {
        let arguments = json!({ "action_id": action, "domain": domain, "agent_id": agent });
        let said = session.refused(ALLOWLIST, &arguments);
        assert!(said.contains(why), "{action} {domain} {agent}: {why} in {said}");
    }
    let nobody = session.refused(ALLOWLIST, &json!({ "action_id": "tick", "domain": "docs.localhost" }));
    assert!(nobody.contains("latchgate-mcp"), "the label of the command line is no authority: {nobody}");
    assert_eq!(gate.entries_of("config.changed").len(), 1);
    gate.assert_sound();
}
