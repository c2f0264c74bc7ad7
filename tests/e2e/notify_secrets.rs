//! Receivers behind secrets: signed webhooks, URLs and tokens that are taken by name, and never seen anywhere else.

use std::io::Write as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use latchgate_tests::{Gate, Response, Seen, Upstream, assert_nowhere};
use ring::hmac;
use serde_json::{Value, json};

/// A gate with receivers at this service, and their secrets in its store.
fn gate(config: &str, secrets: &[(&str, &str)]) -> Gate {
    let mut gate = Gate::builder().start();
    for (name, value) in secrets {
        let mut child = gate.command(&["secrets", "set", name]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    gate.terminate();
    std::fs::write(gate.home().join("latchgate.toml"), config).unwrap();
    gate.start().unwrap_or_else(|refused| panic!("{refused:#?}"));
    gate
}

fn receiver(kind: &str, members: &str) -> String {
    let common = "dangerous_private = true\nattempts = 1\n";
    format!("[[notify]]\nname = \"{kind}\"\nkind = \"{kind}\"\n{common}{members}\n")
}

/// Holds a write, with the agent's reason.
fn hold(gate: &Gate, name: &str, reason: &str) -> String {
    let args = json!({ "path": name, "content": "an argument that nobody is told" });
    let agent = gate.raw_agent();
    let (status, held) = agent.execute("fs_write", &args, |call| call.header("X-LatchGate-Reason", reason));
    assert_eq!(status, 202, "{held:#}");
    held["approval_id"].as_str().unwrap().to_owned()
}

fn await_fate(gate: &Gate) -> Value {
    gate.await_entry("what became of the message", |entry| {
        let kind = entry["kind"].as_str().unwrap_or_default();
        kind == "notify.delivered" || kind == "notify.failed"
    })
}

/// As the scheme says, with nothing of the gate's: HMAC-SHA256 over id, time and body.
fn is_signed(seen: &Seen, key: &[u8]) -> bool {
    let header = |name: &str| seen.header(name).unwrap().to_owned();
    let signature = header("webhook-signature");
    let signature = BASE64.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
    let mut signed = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&seen.body);
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), &signed, &signature).is_ok()
}

#[test]
fn a_webhook_is_signed_and_what_signs_it_is_nowhere_else() {
    let upstream = Upstream::start();
    let key = [0x5A; 32];
    let secret = format!("whsec_{}", BASE64.encode(key));
    let config = receiver("webhook", &format!("url = \"{}\"\nsecret = \"hook-key\"", upstream.url("/hook")));
    let gate = gate(&config, &[("hook-key", &secret)]);
    let id = hold(&gate, "a", "the tests need it");
    upstream.await_requests(1);
    let seen = &upstream.seen()[0];
    assert!(is_signed(seen, &key));
    assert!(!is_signed(seen, &[0x5B; 32]), "the twin with another key");
    let mut altered = seen.clone();
    altered.body[10] ^= 1;
    assert!(!is_signed(&altered, &key), "the twin with another body");
    let body = seen.json();
    assert_eq!((&body["type"], &body["data"]["approval_id"]), (&json!("latchgate.held"), &json!(id)));
    assert_eq!(body["data"]["untrusted"]["agent_reason"], "the tests need it");
    assert_eq!(body["data"]["command"], format!("latchgate approvals show {id}"));
    let text = body.to_string();
    assert!(!text.contains("an argument that nobody is told") && !text.contains(&secret[6..]), "{text}");
    await_fate(&gate);
    assert_nowhere(gate.base(), &secret[6..]);
    gate.assert_sound();
}

#[test]
fn a_webhook_without_its_key_is_a_dead_letter_that_says_how_to_set_it() {
    let upstream = Upstream::start();
    let config = receiver("webhook", &format!("url = \"{}\"\nsecret = \"hook-key\"", upstream.url("/hook")));
    for (secrets, why) in [
        (&[][..], "secret hook-key is not set: latchgate secrets set hook-key"),
        (&[("hook-key", "not-a-signing-key")][..], "expected whsec_ and 24 to 64 bytes in base64"),
    ] {
        let gate = gate(&config, secrets);
        hold(&gate, "a", "x");
        let failed = await_fate(&gate);
        let reason = failed["reason"].as_str().unwrap();
        assert!(reason.contains(why) && !reason.contains("not-a-signing-key"), "{reason}");
    }
    assert_eq!(upstream.count(), 0, "nothing is sent unsigned");
}

#[test]
fn urls_and_tokens_that_are_secrets_arrive_and_are_nowhere_else() {
    let upstream = Upstream::answering(|seen| match seen.path.as_str() {
        path if path.starts_with("/slack") => Response::ok("ok"),
        path if path.starts_with("/teams") => Response::status(202, ""),
        path if path.starts_with("/bot") => Response::json(&json!({ "ok": true })),
        _ => Response::json(&json!({ "id": "m" })),
    });
    let slack = upstream.url("/slack/S3CRET-slack-url");
    let teams = upstream.url("/teams?sig=S3CRET-teams-url");
    let base = upstream.url("");
    let config = [
        receiver("slack", "url_secret = \"slack-url\""),
        receiver("teams", "url_secret = \"teams-url\""),
        receiver("telegram", &format!("url = \"{base}\"\nsecret = \"bot\"\nchat = \"-42\"")),
        receiver("ntfy", &format!("url = \"{base}/topic\"\nsecret = \"ntfy-token\"")),
    ]
    .concat();
    let secrets = [
        ("slack-url", slack.as_str()),
        ("teams-url", teams.as_str()),
        ("bot", "123456:S3CRET-bot-token"),
        ("ntfy-token", "tk_S3CRET-ntfy-token"),
    ];
    let gate = gate(&config, &secrets);
    let hostile = "<!channel> [x](https://evil.test) {{DATE(2026-11-20T00:00:00Z)}} *a* https://evil.test";
    let id = hold(&gate, "a", hostile);
    upstream.await_requests(4);
    let of = |start: &str| upstream.seen().into_iter().find(|seen| seen.path.starts_with(start)).unwrap();
    assert_eq!(of("/slack").path, "/slack/S3CRET-slack-url");
    assert_eq!(of("/teams").path, "/teams?sig=S3CRET-teams-url");
    assert_eq!(of("/bot").path, "/bot123456:S3CRET-bot-token/sendMessage");
    assert_eq!(of("/topic").header("authorization"), Some("Bearer tk_S3CRET-ntfy-token"));
    for seen in upstream.seen() {
        let body = String::from_utf8(seen.body.clone()).unwrap();
        assert!(body.contains(&id) && body.contains("untrusted"), "{body}");
        assert!(!body.contains("S3CRET") && !body.contains("nobody is told"), "{body}");
    }
    // What each service would read as markup is not in a place where it does.
    assert_eq!(of("/slack").json()["text"], "latchgate: A call waits for a decision");
    assert!(!String::from_utf8(of("/teams").body).unwrap().contains("{{"));
    assert!(of("/bot").json().get("parse_mode").is_none());
    assert!(!String::from_utf8(of("/topic").body).unwrap().contains("https://evil.test"));
    gate.await_entry("that they were told", |entry| entry["kind"] == "notify.delivered");
    gate.cli(&["notify", "list", "--json"]).exited(0);
    assert_nowhere(gate.base(), "S3CRET");
    gate.assert_sound();
}

#[test]
fn a_secret_url_that_cannot_be_used_is_not_told() {
    let config = receiver("slack", "url_secret = \"slack-url\"");
    let gate = gate(&config, &[("slack-url", "hooks.slack.invalid/S3CRET-path")]);
    hold(&gate, "a", "x");
    let failed = await_fate(&gate);
    assert_eq!(failed["reason"], "the secret slack-url holds no https url that can be used");
    assert_nowhere(gate.base(), "S3CRET");
}
