//! A secret that a manifest declares arrives in its place, and nowhere else; without it nothing is sent.

use latchgate_tests::Response;
use latchgate_tests::world::isolated;
use serde_json::{Value, json};

use super::ground::{HOST, Sample, VALUE, assert_absent, call, ground, only, set};
use crate::scene::shown;

/// Placement, what the template holds beside it, and the text on the wire that holds the value.
fn placements() -> Vec<(Sample, String)> {
    let encoded = "s3cr%2Ft%2Bval%20ue%3D%2242%22%26more";
    let header = json!({"in": "header", "name": "x-api-key"});
    let prefixed = json!({"in": "header", "name": "authorization", "prefix": "Token "});
    let body = json!({"in": "body", "pointer": "/auth/key"});
    let form = json!({"in": "form", "name": "key"});
    vec![
        (Sample::new("bearer", &json!({"in": "bearer"})), format!("\r\nauthorization: Bearer {VALUE}\r\n")),
        (Sample::new("header", &header), format!("\r\nx-api-key: {VALUE}\r\n")),
        (Sample::new("prefixed", &prefixed), format!("\r\nauthorization: Token {VALUE}\r\n")),
        // printf '%s' 'bob:s3cr/t+val ue="42"&more' | base64
        (
            Sample::new("basic", &json!({"in": "basic", "user": "bob"})),
            "\r\nauthorization: Basic Ym9iOnMzY3IvdCt2YWwgdWU9IjQyIiZtb3Jl\r\n".into(),
        ),
        (
            Sample::new("basic_two", &json!({"in": "basic", "user_secret": "USER_NAME"})),
            "\r\nauthorization: Basic Ym9iLXRoZS1idWlsZGVyOnMzY3IvdCt2YWwgdWU9IjQyIiZtb3Jl\r\n".into(),
        ),
        (
            Sample::new("basic_user", &json!({"in": "basic_user"})),
            "\r\nauthorization: Basic czNjci90K3ZhbCB1ZT0iNDIiJm1vcmU6\r\n".into(),
        ),
        (
            Sample::new("query", &json!({"in": "query", "name": "key"})),
            format!("POST /query?n=1&key={encoded} HTTP/1.1\r\n"),
        ),
        (
            Sample::new("body", &body).with("/template/body", json!({"auth": {}, "n": "{n}"})),
            format!("\r\n\r\n{{\"auth\":{{\"key\":{}}},\"n\":1}}", serde_json::to_string(VALUE).unwrap()),
        ),
        (
            Sample::new("form", &form).with("/template/form", json!({"n": "{n}"})),
            format!("\r\n\r\nn=1&key={encoded}"),
        ),
        (
            Sample::new("path", &json!({"in": "path", "segment": 1}))
                .with("/template/url", json!(format!("https://{HOST}/botTOKEN/send")))
                .with("/examples/0/expect/url", json!(format!("https://{HOST}/botTOKEN/send?n=1"))),
            format!("POST /bot{encoded}/send?n=1 HTTP/1.1\r\n"),
        ),
    ]
}

#[test]
fn each_placement_puts_the_value_there_and_nowhere_else() {
    isolated(|| {
        let (samples, lines): (Vec<Sample>, Vec<String>) = placements().into_iter().unzip();
        let ids: Vec<&str> = samples.iter().map(Sample::id).collect();
        let ground = ground(&samples);
        set(&ground.gate, "TOKEN", VALUE);
        set(&ground.gate, "USER_NAME", "bob-the-builder");
        for (id, line) in ids.iter().zip(&lines) {
            let (reply, hits) = call(&ground, id, &json!({"n": 1}));
            assert_eq!(reply.status, 200, "{id}: {}", shown(&reply));
            let raw = only(&hits);
            assert_eq!(raw.matches(line.as_str()).count(), 1, "{id}: {raw}");
            assert_absent(VALUE, &format!("the rest of {id}"), raw.replacen(line, "", 1).as_bytes());
            assert_absent(VALUE, &format!("the answer of {id}"), &reply.body);
        }
        ground.end();
    });
}

#[test]
fn each_bundled_action_sends_its_credential_to_its_service() {
    isolated(|| {
        let ground = ground(&[]);
        let secrets = [
            ("GITHUB_TOKEN", "ghp_0123456789abcdefghij"),
            ("SLACK_BOT_TOKEN", "xoxb-0123456789-abcdef"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ];
        secrets.iter().for_each(|(name, value)| set(&ground.gate, name, value));
        ground.world.everywhere.answer(|_, seen| match seen.method.as_str() {
            "GET" => Response::ok("here"),
            _ if seen.path.starts_with("/repos") => Response::status(201, "{\"number\":1}"),
            _ => Response::json(&json!({"ok": true, "ts": "1.2"})),
        });
        let aws = "\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/";
        let github = "\r\nauthorization: Bearer ghp_0123456789abcdefghij\r\n";
        for (action, args, request, credential) in [
            (
                "github_read",
                json!({"owner": "o", "repo": "r", "path": "contents/a b/c.md"}),
                "GET /repos/o/r/contents/a%20b/c.md HTTP/1.1\r\nhost: api.github.com\r\n",
                github,
            ),
            (
                "github_create_issue",
                json!({"owner": "o", "repo": "r", "title": "t"}),
                "POST /repos/o/r/issues HTTP/1.1\r\nhost: api.github.com\r\n",
                github,
            ),
            (
                "slack_post",
                json!({"channel": "C012345", "text": "t"}),
                "POST /api/chat.postMessage HTTP/1.1\r\nhost: slack.com\r\n",
                "\r\nauthorization: Bearer xoxb-0123456789-abcdef\r\n",
            ),
            (
                "s3_read",
                json!({"bucket": "logs", "key": "2026/a b"}),
                "GET /logs/2026/a%20b HTTP/1.1\r\nhost: s3.us-east-1.amazonaws.com\r\n",
                aws,
            ),
        ] {
            let (reply, hits) = call(&ground, action, &args);
            assert_eq!(reply.status, 200, "{action}: {}", shown(&reply));
            assert_eq!(reply.json()["verification"]["outcome"], "verified", "{action}");
            let raw = only(&hits);
            assert!(raw.starts_with(request), "{action}: {raw}");
            assert_eq!(raw.matches(credential).count(), 1, "{action}: {raw}");
            for (name, value) in secrets.iter().filter(|(_, value)| !credential.contains(value)) {
                assert_absent(value, &format!("the request of {action} ({name})"), raw.as_bytes());
            }
        }
        ground.end();
    });
}

/// Slack says 200 to what it refuses.
#[test]
fn a_service_that_says_no_with_200_is_no_success() {
    isolated(|| {
        let ground = ground(&[]);
        set(&ground.gate, "SLACK_BOT_TOKEN", "xoxb-0123456789-abcdef");
        for (ok, outcome) in [(true, "verified"), (false, "verification_failed")] {
            ground.world.everywhere.answer(move |_, _| Response::json(&json!({"ok": ok})));
            let (reply, _) = call(&ground, "slack_post", &json!({"channel": "C012345", "text": "t"}));
            let answer = reply.expect(200);
            assert_eq!(answer["verification"]["outcome"], outcome, "{answer:#}");
            assert!(answer["output"]["text"].as_str().unwrap().contains("ok"), "{answer:#}");
        }
        ground.end();
    });
}

#[test]
fn without_the_secret_nothing_is_sent_and_the_remedy_is_told() {
    isolated(|| {
        let ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        let (reply, hits) = call(&ground, "bearer", &json!({"n": 1}));
        assert_eq!(reply.outcome(), (503, "secret_missing".into()));
        let problem = reply.json();
        assert_eq!(problem["effect"], "none");
        assert_eq!(problem["remediation"], "ask the operator: latchgate secrets set TOKEN");
        assert!(hits.is_empty(), "{hits:#?}");
        let last = ground.gate.entries().pop().unwrap();
        assert_eq!((&last["kind"], &last["error"]), (&json!("call.denied"), &json!("secret_missing")));
        assert_eq!(last["trace_id"], problem["trace_id"]);

        // The twins: set while the gate runs, and set anew.
        for value in ["the-value-of-yesterday", "the-value-of-today"] {
            set(&ground.gate, "TOKEN", value);
            let (reply, hits) = call(&ground, "bearer", &json!({"n": 1}));
            assert_eq!(reply.status, 200, "{}", shown(&reply));
            assert!(only(&hits).contains(&format!("authorization: Bearer {value}\r\n")));
        }
        ground.end();
    });
}

/// Held and approved, it is the same call: the approver has seen the name and the place, and no value.
#[test]
fn an_approver_sees_the_secrets_name_and_place() {
    isolated(|| {
        let mut ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        set(&ground.gate, "TOKEN", VALUE);
        std::fs::write(ground.gate.home().join("policies/standard.cedar"), latchgate_tests::policy::ASK)
            .unwrap();
        ground.gate.restart();
        ground.agent = ground.gate.raw_agent();
        let held = ground.agent.call("bearer", &json!({"n": 1})).send().expect(202);
        let id = held["approval_id"].as_str().unwrap();
        let shown = ground.gate.cli(&["approvals", "show", id, "--json"]).exited(0);
        let plan: Value = shown.json();
        assert_absent(VALUE, "what the approver sees", plan.to_string().as_bytes());
        let secrets = plan.pointer("/plan/steps/0/secrets").unwrap_or_else(|| panic!("{plan:#}"));
        assert_eq!(*secrets, json!([{"name": "TOKEN", "host": HOST, "placement": {"in": "bearer"}}]));
        let text = ground.gate.cli(&["approvals", "show", id]).exited(0).stdout;
        assert!(text.contains("TOKEN goes to api.twin.test in header authorization"), "{text}");
        ground.end();
    });
}
