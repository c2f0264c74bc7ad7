//! What is not declared is denied, under a policy that allows everything.

use latchgate_tests::Gate;
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene, counted, on_record};

#[test]
fn an_action_that_is_not_declared_is_denied() {
    let scene = Scene::allowing();
    for action in ["no_such_action", "TICK", "tick2", "tic", "fs_remove", ".", "..", "tick%20"] {
        let call = scene.agent.call(action, &scene.post_args(scene.number()));
        scene.refuses(action, on_record(404, "action_not_found"), call);
    }
    let long = "a".repeat(2000);
    let call = scene.agent.call(&long, &json!({}));
    scene.refuses("2,000 bytes", on_record(404, "action_not_found"), call);
    let entries = scene.gate.entries_of("call.denied");
    assert_eq!(entries.last().unwrap()["action_id"].as_str().unwrap().len(), 128);
    // Nothing of the path reaches a file or another route.
    for path in ["/v1/actions/tick/../tick/execute", "/v1/actions//execute/x", "/v1/actions/tick/execute/"] {
        let reply = scene.post(scene.number()).path(path);
        scene.refuses(path, counted(404, "not_found"), reply);
    }
    scene.post(scene.number()).send().expect(200);
    scene.end();
}

#[test]
fn an_argument_that_is_not_declared_is_denied() {
    let scene = Scene::allowing();
    let refused = on_record(422, "schema_violation");
    let good = scene.post_args(1);
    let with = |name: &str, value: Value| {
        let mut args = good.clone();
        args[name] = value;
        args
    };
    let without = |name: &str| {
        let mut args = good.clone();
        args.as_object_mut().unwrap().remove(name);
        args
    };
    for (what, args) in [
        ("unknown", with("headers", json!({ "Host": "evil.test" }))),
        ("unknown and null", with("x", Value::Null)),
        ("another case", with("URL", good["url"].clone())),
        ("__proto__", with("__proto__", json!({}))),
        ("a list for a url", with("url", json!([good["url"]]))),
        ("a text for a number", with("number", json!("1"))),
        ("a fraction", with("number", json!(1.5))),
        ("beyond the maximum", with("number", json!(1_000_001))),
        ("null for a number", with("number", Value::Null)),
        ("no url", without("url")),
        ("no number", without("number")),
        ("nothing", json!({})),
    ] {
        let problem = scene.refuses(what, refused, scene.agent.call("tick", &args));
        assert!(problem["pointer"].is_string(), "{what}: {problem}");
    }
    scene.agent.call("tick", &good).send().expect(200);
    assert_eq!(scene.effects(), 1);
    scene.end();
}

#[test]
fn a_scope_that_is_none_gets_no_lease() {
    let scene = Scene::allowing();
    let scopes = [
        json!([]),
        json!(["*"]),
        json!(["tools:*"]),
        json!(["tools:call", ""]),
        json!(["class:everything"]),
        json!(["action:"]),
    ];
    for scopes in scopes {
        let ask = latchgate_tests::RawAgent::ask_for_lease(
            &scene.gate.agent_socket(),
            &scene.agent.key,
            &json!({ "scopes": scopes }),
        );
        scene.refuses(&scopes.to_string(), counted(400, "bad_request"), ask);
    }
    let narrow = scene.gate.raw_agent_with(&json!({ "scopes": ["class:read"] }));
    let number = scene.number();
    scene.refuses("outside", on_record(403, "scope_insufficient"), scene.post_by(&narrow, number));
    scene.post(number).send().expect(200);
    scene.end();
}

/// A rule about an argument that no action has would never hold: it is an error, not a rule that is passed over.
#[test]
fn a_policy_about_what_is_not_declared_is_refused_at_the_start() {
    let twin = "@id(\"a\")\npermit (principal, action == Action::\"fs_read\", resource) when { context.args.path == \"a\" };";
    for (what, from, to) in [
        ("an argument", "args.path", "args.pathh"),
        ("an action", "fs_read", "fs_red"),
        ("an attribute", "context.args", "context.argz"),
        ("syntax", "permit", "permitt"),
        ("no id", "@id(\"a\")\n", "@id(\"a\")\n@at_mst(\"5/1h\")\n"),
    ] {
        let broken = twin.replace(from, to);
        let Err(refused) = Gate::builder().policy(&broken).config(LOOPBACK).try_start() else {
            panic!("{what}: the gate started")
        };
        assert!(refused.stderr.contains("standard.cedar:"), "{what}: file and line are missing: {refused:?}");
        assert!(!refused.stderr.contains("panicked"), "{what}: {refused:?}");
    }
    let gate = Gate::builder().policy(twin).config(LOOPBACK).root_file("a", "").root_file("b", "").start();
    let agent = gate.raw_agent();
    assert_eq!(agent.execute("fs_read", &json!({ "path": "a" }), |call| call).0, 200);
    assert_eq!(agent.execute("fs_read", &json!({ "path": "b" }), |call| call).0, 403);
}
