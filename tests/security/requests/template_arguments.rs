//! Arguments in a path, a query, a header and a body stay what they are: one segment, one value, one line, one string.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use latchgate_tests::{Gate, Upstream, policy, tick};
use serde_json::{Value, json};

use crate::scene::{LOOPBACK, Scene, on_record, shown};

/// `tick` told otherwise: an action whose arguments stand in every place that a template has.
fn filed(url: &str) -> String {
    let template = format!(
        "url: {url}/v1/items/{{id}}/notes\n  query: {{ q: \"{{q}}\", fixed: \"yes\" }}\n  \
         headers: {{ X-Note: \"{{note}}\" }}\n  body: {{ text: \"{{text}}\", fixed: true }}"
    );
    let schema = "{ type: string, maxLength: 20000 }";
    tick::manifest()
        .replace("action_id: tick", "action_id: filed")
        .replace("required: [url, number]", "required: [id, q, note, text]")
        .replace("    url: { type: string, maxLength: 8192, pattern: \"^https?://\" }\n", "")
        .replace(
            "    number: { type: integer, minimum: 0, maximum: 1000000 }",
            &format!("    id: {schema}\n    q: {schema}\n    note: {schema}\n    text: {schema}"),
        )
        .replace("url: \"{url}\"\n  body: { number: \"{number}\" }", &template)
        .replace("domains: [\"*\"]", "domains: [127.0.0.1]")
        .split("examples:")
        .next()
        .unwrap()
        .to_owned()
        + &format!(
            "examples:\n  - title: One\n    arguments: {{ id: a, q: b, note: c, text: d }}\n    expect:\n      method: POST\n      \
             url: \"{url}/v1/items/a/notes?fixed=yes&q=b\"\n"
        )
}

fn scene() -> Scene {
    let upstream = Upstream::start();
    let origin = upstream.url("");
    let builder =
        Gate::builder().policy(policy::ALLOW).config(LOOPBACK).manifest("filed.yaml", &filed(&origin));
    Scene::with(builder, upstream)
}

/// Honest but for one argument.
fn arguments(name: &str, value: &str) -> Value {
    let mut arguments = json!({ "id": "a", "q": "b", "note": "c", "text": "d" });
    arguments[name] = json!(value);
    arguments
}

#[track_caller]
fn refused(scene: &Scene, name: &str, values: &[&str]) {
    for value in values {
        let call = scene.agent.call("filed", &arguments(name, value));
        scene.refuses(&format!("{name} {value:?}"), on_record(422, "invalid_target"), call);
    }
}

/// The call is carried out; the request as it came.
#[track_caller]
fn sent(scene: &Scene, name: &str, value: &str) -> latchgate_tests::Seen {
    let reply = scene.agent.call("filed", &arguments(name, value)).send();
    assert_eq!(reply.status, 200, "{name} {value:?}: {}", shown(&reply));
    scene.upstream.seen().pop().unwrap()
}

#[test]
fn a_path_segment_leads_nowhere_else() {
    let scene = scene();
    refused(
        &scene,
        "id",
        &[
            "",
            ".",
            "..",
            "../x",
            "a/../b",
            "a/..",
            "..\\x",
            "a\\..\\b",
            "%2e%2e",
            "%2E%2e/x",
            "%252e%252e%252f",
            "..%2fx",
            "..%5cx",
            "a\r\nX-Injected: yes",
            "a\nb",
            "a\tb",
            "a\u{7f}b",
            "a\u{85}b",
        ],
    );
    for (value, segment) in [
        ("AC/DC", "AC%2FDC"),
        ("//evil.test/", "%2F%2Fevil.test%2F"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("%2f", "%252f"),
        ("a\\b", "a%5Cb"),
        ("...", "..."),
        ("ü ;@:", "%C3%BC%20%3B%40%3A"),
    ] {
        let path = sent(&scene, "id", value).path;
        assert_eq!(path, format!("/v1/items/{segment}/notes?fixed=yes&q=b"), "{value}");
    }
    scene.end();
}

#[test]
fn a_query_value_adds_no_parameter() {
    let scene = scene();
    for (value, written) in [
        ("b&fixed=no", "b%26fixed%3Dno"),
        ("b;fixed=no", "b%3Bfixed%3Dno"),
        ("b#c", "b%23c"),
        ("b+c d", "b%2Bc%20d"),
        ("b%26fixed=no", "b%2526fixed%3Dno"),
        ("b HTTP/1.1\r\nX-Injected: yes", "b%20HTTP%2F1.1%0D%0AX-Injected%3A%20yes"),
        ("../../x", "..%2F..%2Fx"),
    ] {
        let seen = sent(&scene, "q", value);
        assert_eq!(seen.path, format!("/v1/items/a/notes?fixed=yes&q={written}"), "{value}");
        assert_eq!(seen.header("x-injected"), None, "{value}");
    }
    scene.end();
}

#[test]
fn a_header_value_begins_no_other() {
    let scene = scene();
    let long = "c".repeat(8 * 1024 + 1);
    refused(
        &scene,
        "note",
        &[
            "c\r\nX-Injected: yes",
            "c\nX-Injected: yes",
            "c\rX-Injected: yes",
            "\r\n\r\nPOST / HTTP/1.1",
            "c\r\n folded",
            "c\u{b}d",
            "c\td",
            "c\u{7f}",
            "c\u{85}X-Injected: yes",
            "c\u{2028}X-Injected: yes",
            "\u{560d}\u{560a}X-Injected: yes",
            "ü",
            " c",
            "c ",
            "",
            &long,
        ],
    );
    for value in ["c: d; e=\"f\", g", "Content-Length: 0", "%0d%0aX-Injected: yes", &long[1..]] {
        let seen = sent(&scene, "note", value);
        assert_eq!((seen.header("x-note"), seen.header("x-injected")), (Some(value), None), "{value}");
        assert_eq!(seen.headers.iter().filter(|(name, _)| name == "content-length").count(), 1, "{value}");
    }
    scene.end();
}

/// NUL is refused with the JSON that brings it, wherever it would have gone.
#[test]
fn nul_is_taken_nowhere() {
    let scene = scene();
    for name in ["id", "q", "note", "text"] {
        let call = scene.agent.call("filed", &arguments(name, "a\0b"));
        scene.refuses(name, on_record(400, "bad_request"), call);
    }
    sent(&scene, "text", "a");
    scene.end();
}

#[test]
fn a_text_in_a_body_stays_a_text() {
    let scene = scene();
    for value in
        ["\",\"fixed\":false,\"x\":\"", "true", "1", "null", "[1]", "{\"a\":1}", "\r\n", "\\u0022", ""]
    {
        let body = sent(&scene, "text", value).json();
        assert_eq!(body, json!({ "fixed": true, "text": value }), "{value}");
    }
    scene.end();
}

/// Manifests whose templates would let an argument or a header say where a request goes: none comes into force.
#[test]
fn a_template_that_could_lead_elsewhere_is_not_taken_up() {
    let scene = scene();
    let good = filed(&scene.upstream.url(""));
    let origin = scene.upstream.url("");
    let header =
        |line: &str| good.replace("X-Note: \"{note}\"", line).replace("action_id: filed", "action_id: bad");
    let url = |url: &str| {
        good.replace(&format!("url: {origin}/v1/items/{{id}}/notes"), &format!("url: \"{url}\""))
            .replace("action_id: filed", "action_id: bad")
    };
    let mut bad: Vec<(String, String)> = Vec::new();
    for name in [
        "Host",
        "HOST",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Accept-Encoding",
        "Proxy-Authorization",
        "Proxy-Connection",
        "X-Forwarded-Host",
        "Forwarded",
        "X-HTTP-Method-Override",
        "X-Original-URL",
        "Authorization",
        "Cookie",
        "\"X-{note}\"",
        "\"X-A\\r\\nX-B\"",
        "\"X A\"",
        "\"\"",
    ] {
        bad.push((format!("header {name}"), header(&format!("{name}: \"{{note}}\""))));
    }
    for text in [
        "http://{id}/v1",
        "{id}://127.0.0.1/v1",
        "http://127.0.0.1:{id}/v1",
        "http://{id}@127.0.0.1/v1",
        "http://user@127.0.0.1/v1",
        "http://127.0.0.1.{id}/v1",
        "http://evil.test/{id}",
        "http://127.1/{id}",
        "http://127.0.0.1/a/../{id}",
        "http://127.0.0.1/%2e%2e/{id}",
        "http://127.0.0.1//{id}",
        "http://127.0.0.1/x?{id}",
        "http://127.0.0.1\\\\{id}",
        "ftp://127.0.0.1/{id}",
        "{id}{q}",
    ] {
        bad.push((format!("url {text}"), url(text)));
    }
    let file = scene.gate.home().join("manifests/bad.yaml");
    for (what, manifest) in &bad {
        assert_ne!(manifest, &good, "{what}");
        fs::write(&file, manifest).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let ran = scene.gate.cli(&["reload"]);
        assert_ne!(ran.code, 0, "{what} was taken up:\n{manifest}\n{ran:#?}");
        // By the template's member, or where its text is refused before anybody reads it.
        let fault = ["template.headers.", "template.url:", "no control character"];
        let names_it =
            ran.stderr.contains("bad.yaml:") && fault.iter().any(|fault| ran.stderr.contains(fault));
        assert!(names_it, "{what}: {ran:#?}");
        scene.also_counted("invalid_configuration", 1);
    }
    // The twin: the same file without the fault; and the good action was in force all the time.
    fs::write(&file, good.replace("action_id: filed", "action_id: bad")).unwrap();
    scene.gate.cli(&["reload"]).exited(0);
    scene.agent.call("bad", &arguments("id", "a")).send().expect(200);
    sent(&scene, "id", "a");
    scene.end();
}
