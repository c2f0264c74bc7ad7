//! What a manifest must say, both sides of every limit.

use serde_json::{Value, json};

use crate::manifest::Manifest;

/// A manifest that is right.
fn http() -> Value {
    json!({
        "format": 1, "action_id": "issue_create", "version": "1.0.0", "title": "Create an issue",
        "description": "Creates an issue in a repository of the tracker and returns its number.",
        "class": "write", "risk_level": "medium", "risk_rationale": "others see what it writes",
        "module": "builtin:http_api", "module_digest": format!("sha256:{}", "0".repeat(64)), "imports": ["http"],
        "request_schema": {
            "type": "object", "additionalProperties": false, "required": ["repo"],
            "properties": {"repo": {"type": "string"}, "title": {"type": "string"}},
        },
        "response_schema": {"type": "object"},
        "template": {"method": "POST", "url": "https://api.test/{repo}/issues", "body": {"title": "{title}"}},
        "egress": {"domains": ["api.test"], "methods": ["POST"]},
        "examples": [{
            "title": "one", "arguments": {"repo": "x/y", "title": "t"},
            "expect": {"method": "POST", "url": "https://api.test/x%2Fy/issues", "body": {"text": "{\"title\":\"t\"}"}},
        }],
    })
}

fn fs() -> Value {
    let mut manifest = http();
    manifest["imports"] = json!(["fs"]);
    manifest["template"] = json!({"operation": "write", "path": "{repo}", "content": "x"});
    manifest["fs"] = json!({"operations": ["write"]});
    manifest.as_object_mut().unwrap().remove("egress");
    manifest["examples"][0]["expect"] = json!({"operation": "write", "path": "x/y"});
    manifest
}

/// `manifest` with the member at `pointer` set, or removed by null.
fn with(mut manifest: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match manifest.pointer_mut(parent).unwrap() {
        Value::Object(members) if value.is_null() => drop(members.remove(name)),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    manifest
}

/// JSON is YAML, too.
fn errors(manifest: &Value) -> Vec<String> {
    match Manifest::parse("m", &manifest.to_string()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| error.message).collect(),
    }
}

fn accepted(manifest: Value) {
    assert_eq!(errors(&manifest), [""; 0]);
}

/// Exactly one problem, which begins with `start`.
fn refused(manifest: Value, start: &str) {
    let found = errors(&manifest);
    assert!(found.len() == 1 && found[0].starts_with(start), "{start}: {found:#?}");
}

#[test]
fn the_manifests_that_the_cases_vary_are_right() {
    accepted(http());
    accepted(fs());
}

#[test]
fn both_sides_of_every_limit_hold() {
    for (pointer, inside, outside) in [
        ("/action_id", json!("a".repeat(64)), json!("a".repeat(65))),
        ("/action_id", json!("a_9"), json!("9_a")),
        ("/action_id", json!("a"), json!("")),
        ("/action_id", json!("a"), json!("A")),
        ("/action_id", json!("a_b"), json!("a-b")),
        ("/action_id", json!("a_b"), json!("a/b")),
        ("/version", json!("0.1.0-rc.1"), json!("1.0")),
        ("/title", json!("t".repeat(80)), json!("t".repeat(81))),
        ("/title", json!("t t"), json!("t\nt")),
        ("/description", json!("d".repeat(40)), json!("d".repeat(39))),
        ("/description", json!("d".repeat(1000)), json!("d".repeat(1001))),
        ("/risk_rationale", json!("r".repeat(10)), json!("r".repeat(9))),
        ("/tags", json!(["a-b"]), json!(["A b"])),
        ("/tags", json!(["a", "b"]), json!(["a", "a"])),
        (
            "/module_digest",
            json!(format!("sha256:{}", "f".repeat(64))),
            json!(format!("sha256:{}", "F".repeat(64))),
        ),
        ("/limits", json!({"fuel": 1}), json!({"fuel": 0})),
        ("/limits", json!({"fuel": 10_000_000_000_u64}), json!({"fuel": 10_000_000_001_u64})),
        ("/limits", json!({"memory_mib": 1}), json!({"memory_mib": 0})),
        ("/limits", json!({"memory_mib": 512}), json!({"memory_mib": 513})),
        ("/limits", json!({"time_ms": 100}), json!({"time_ms": 99})),
        ("/limits", json!({"time_ms": 300_000}), json!({"time_ms": 300_001})),
        ("/limits", json!({"request_bytes": 1}), json!({"request_bytes": 0})),
        ("/limits", json!({"request_bytes": 8 << 20}), json!({"request_bytes": (8 << 20) + 1})),
        ("/limits", json!({"response_bytes": 1}), json!({"response_bytes": 0})),
        ("/limits", json!({"response_bytes": 64 << 20}), json!({"response_bytes": (64 << 20) + 1})),
        ("/limits", json!({"host_calls": 1}), json!({"host_calls": 0})),
        ("/limits", json!({"host_calls": 1000}), json!({"host_calls": 1001})),
        ("/egress/ports", json!([443, 65535]), json!([443, 65536])),
        ("/egress/ports", json!([443, 1]), json!([443, 0])),
        ("/egress/redirects", json!(0), json!(1)),
        ("/egress/domains", json!(["api.test"]), json!([])),
        ("/verify", json!({"http_status": [200]}), json!({"http_status": [199]})),
        ("/verify", json!({"http_status": [599]}), json!({"http_status": [600]})),
        ("/format", json!(1), json!(0)),
    ] {
        accepted(with(http(), pointer, inside));
        let found = errors(&with(http(), pointer, outside.clone()));
        let name = pointer[1..].split('/').next().unwrap();
        assert!(
            !found.is_empty() && found.iter().any(|error| error.starts_with(name)),
            "{pointer} {outside}: {found:?}"
        );
    }
}

#[test]
fn risk_is_no_less_than_the_class_demands() {
    for (class, least, less) in [
        ("write", "low", None),
        ("send", "medium", Some("low")),
        ("submit", "medium", Some("low")),
        ("execute", "high", Some("medium")),
        ("transfer_value", "high", Some("medium")),
    ] {
        let of = |risk: &str| with(with(http(), "/class", json!(class)), "/risk_level", json!(risk));
        accepted(of(least));
        if let Some(less) = less {
            refused(of(less), "risk_level: expected");
        }
    }
}

#[test]
fn what_changes_something_is_not_of_the_class_read() {
    refused(with(http(), "/class", json!("read")), "class: expected another class than read");
    refused(with(fs(), "/class", json!("read")), "class: expected another class than read");
    for method in ["GET", "HEAD"] {
        let mut manifest = with(http(), "/class", json!("read"));
        manifest["template"] = json!({"method": method, "url": "https://api.test/{repo}"});
        manifest["egress"]["methods"] = json!([method]);
        manifest["examples"][0]["expect"] = json!({"method": method, "url": "https://api.test/x%2Fy"});
        accepted(manifest);
    }
}

#[test]
fn imports_are_what_the_template_needs() {
    accepted(with(http(), "/imports", json!(["http", "log"])));
    refused(with(http(), "/imports", json!(["log"])), "imports: expected the import");
    refused(with(http(), "/imports", json!(["http", "fs"])), "imports: expected no import");
    refused(with(http(), "/egress", Value::Null), "expected a member \"egress\"");
    refused(with(http(), "/fs", json!({"operations": ["read"]})), "fs: unexpected member");
    refused(with(fs(), "/imports", json!(["log"])), "imports: expected the import");
    refused(with(fs(), "/imports", json!(["fs", "http"])), "imports: expected no import");
    refused(with(fs(), "/fs", Value::Null), "fs.operations: expected `write`");
    refused(with(fs(), "/fs/operations", json!(["read"])), "fs.operations: expected `write`");
    refused(
        with(fs(), "/egress", json!({"domains": ["a.test"], "methods": ["GET"]})),
        "egress: unexpected member",
    );
    refused(with(fs(), "/verify", json!({"http_status": [200]})), "verify.http_status: expected");
    let both = json!({"http_status": [200], "unverifiable": true});
    refused(with(http(), "/verify", both), "verify.unverifiable: expected");
}

#[test]
fn a_module_is_built_in_or_a_component_beside_the_manifest() {
    for module in ["builtin:fs", "guest.wasm", "guests/a.wasm"] {
        accepted(with(http(), "/module", json!(module)));
    }
    for module in
        ["builtin:", "builtin:../x", "/x.wasm", "../x.wasm", "a/../x.wasm", "./x.wasm", "x", "http://x.wasm"]
    {
        refused(with(http(), "/module", json!(module)), "module: expected");
    }
}

#[test]
fn arguments_are_a_closed_object_with_types() {
    let schema = |pointer: &str, value: Value| with(http(), &format!("/request_schema{pointer}"), value);
    accepted(schema("/properties/extra", json!({"type": "integer"})));
    for (pointer, value) in [
        ("/additionalProperties", json!(true)),
        ("/additionalProperties", Value::Null),
        ("/type", json!("array")),
        ("/properties/extra", json!({})),
        ("/properties/extra", json!({"type": "object", "properties": {"x": {}}})),
        ("/properties/a-b", json!({"type": "string"})),
        ("/properties/extra", json!({"type": "string", "maxLenght": 1})),
        ("/patternProperties", json!({"^x": {"type": "string"}})),
        ("/required/0", json!("absent")),
    ] {
        let found = errors(&schema(pointer, value.clone()));
        assert!(found.iter().any(|error| error.contains("request_schema")), "{pointer} {value}: {found:?}");
    }
}

#[test]
fn no_argument_carries_a_credential() {
    let names =
        |name: &str| with(http(), &format!("/request_schema/properties/{name}"), json!({"type": "string"}));
    for name in [
        "token",
        "bot_token",
        "accessToken",
        "password",
        "api_key",
        "apiKey",
        "secret",
        "client_secret",
        "webhook_url",
        "cookie",
    ] {
        refused(
            names(name),
            &format!("request_schema.properties.{name}: expected no argument that carries a credential"),
        );
    }
    for name in ["page_token", "next_page_token", "max_tokens", "key", "pattern", "path"] {
        accepted(names(name));
    }
    let nested = json!({"type": "object", "properties": {"auth": {"type": "object", "properties": {"password": {"type": "string"}}}}});
    refused(
        with(http(), "/request_schema/properties/login", nested),
        "request_schema.properties.login.properties.auth.properties.password: expected no argument",
    );
}

#[test]
fn problems_of_template_and_schemas_have_their_place() {
    refused(
        with(http(), "/template/url", json!("https://{repo}/")),
        "template.url: expected a literal scheme and host",
    );
    refused(
        with(http(), "/template/body/x", json!("{absent}")),
        "template.body.x: expected placeholders of declared",
    );
    refused(with(http(), "/egress/domains", json!(["api.test", "B"])), "egress.domains.1: expected a host");
    refused(with(fs(), "/fs/deny", json!(["a**"])), "fs.deny.0: expected `**` alone");
    refused(
        with(http(), "/response_schema", json!({"typ": "object"})),
        "response_schema.typ: expected a keyword",
    );
    refused(with(http(), "/request_schema/properties/title/pattern", json!("(?=x)")), "request_schema");
}

#[test]
fn an_example_of_an_edit_says_what_it_finds_and_gives_the_whole_result() {
    let edit = json!({"old_text": "{title}", "new_text": "x", "count": "1"});
    let mut manifest = with(fs(), "/template", json!({"operation": "write", "path": "{repo}", "edit": edit}));
    manifest["request_schema"]["required"] = json!(["repo", "title"]);
    let example =
        |pointer: &str, value: Value| with(manifest.clone(), &format!("/examples/0{pointer}"), value);
    let given = example("/given", json!("a t b"));
    let digest = latchgate_wire::digest::Digest::of(b"a t b");
    accepted(with(given.clone(), "/examples/0/expect/content", json!({"text": "a x b"})));
    accepted(with(
        given.clone(),
        "/examples/0/expect/before",
        json!({"file": {"digest": digest, "size": 5}}),
    ));
    refused(
        with(given, "/examples/0/expect/content", json!({"text": "x"})),
        "examples.0.expect.content: the arguments give",
    );
    refused(example("/given", json!("a b")), "examples.0.arguments.title: the text to replace was not found");
    refused(
        example("/given", json!("t t")),
        "examples.0.arguments.title: the text to replace was found 2 times",
    );
    refused(example("/title", json!("no content given")), "examples.0.given: expected the content");
    refused(with(fs(), "/examples/0/given", json!("x")), "examples.0.given: expected the content");
}

#[test]
fn examples_come_out_as_written() {
    let example = |pointer: &str, value: Value| with(http(), &format!("/examples/0{pointer}"), value);
    refused(
        example("/expect/url", json!("https://api.test/x/y/issues")),
        "examples.0.expect.url: the arguments give",
    );
    refused(example("/expect/method", json!("GET")), "examples.0.expect.method: the arguments give");
    refused(example("/expect/url", Value::Null), "examples.0.expect: expected a member \"url\"");
    refused(example("/expect/colour", json!("red")), "examples.0.expect.colour: unexpected member");
    refused(example("/arguments/more", json!(1)), "examples.0.arguments.more: unexpected member");
    refused(example("/arguments/repo", Value::Null), "examples.0.arguments: expected a member \"repo\"");
    refused(example("/arguments/repo", json!("..")), "examples.0.arguments.repo: expected a path segment");
    refused(with(http(), "/examples", json!([])), "examples: expected at least 1");
}

/// With a secret, whose members are these.
fn secret(name: &str, placement: Value) -> Value {
    let mut manifest = http();
    manifest["secrets"] = json!([{"name": name, "host": "api.test", "placement": placement}]);
    manifest
}

#[test]
fn a_secret_may_go_to_each_place_that_is_free() {
    for placement in [
        json!({"in": "bearer"}),
        json!({"in": "header", "name": "x-api-key"}),
        json!({"in": "header", "name": "authorization", "prefix": "Token "}),
        json!({"in": "basic", "user": "api"}),
        json!({"in": "basic", "user_secret": "USER_NAME"}),
        json!({"in": "basic_user"}),
        json!({"in": "query", "name": "key"}),
        json!({"in": "body", "pointer": "/key"}),
        json!({"in": "aws_sigv4", "service": "s3", "region": "us-east-1", "secret_key": "KEY"}),
    ] {
        accepted(secret("TOKEN", placement));
    }
    let form = with(http(), "/template/body", Value::Null);
    let form = with(form, "/template/form", json!({"title": "{title}"}));
    let mut form = with(form, "/examples/0/expect/body", json!({"text": "title=t"}));
    // What may be absent leaves its field out.
    form["secrets"] = json!([{"name": "A", "host": "api.test", "placement": {"in": "form", "name": "key"}}]);
    accepted(form);
    let mut path = with(http(), "/template/url", json!("https://api.test/botTOKEN/{repo}"));
    path = with(path, "/examples/0/expect/url", json!("https://api.test/botTOKEN/x%2Fy"));
    path["secrets"] =
        json!([{"name": "TOKEN", "host": "api.test", "placement": {"in": "path", "segment": 1}}]);
    accepted(path);
}

#[test]
fn a_secret_has_no_place_that_is_taken_or_none() {
    for (placement, expected) in [
        (json!({"in": "basic"}), "either `user` or `user_secret`"),
        (json!({"in": "basic", "user": "a", "user_secret": "B"}), "either `user` or `user_secret`"),
        (json!({"in": "header", "name": "host"}), "the gate or the template sets this one"),
        (json!({"in": "header", "name": "X-Key"}), "in lower case"),
        (json!({"in": "header", "name": "x-note"}), "a header (x-note) that the template does not set"),
        (json!({"in": "query", "name": "page"}), "a query parameter that the template does not set"),
        (json!({"in": "body", "pointer": "/title"}), "a member of the body that the template does not set"),
        (json!({"in": "body", "pointer": "/title/key"}), "whose parent is an object"),
        (json!({"in": "form", "name": "key"}), "a `form` in the template"),
        (json!({"in": "path", "segment": 1}), "segment 1 to be literal"),
        (json!({"in": "path", "segment": 2}), "segment 2 to be literal"),
        (json!({"in": "path", "segment": 9}), "a path with a segment 9"),
        (json!({"in": "cookie"}), "placement"),
        (json!({"in": "bearer", "prefx": "a"}), "unexpected member"),
    ] {
        let mut manifest = secret("TOKEN", placement.clone());
        manifest["template"]["headers"] = json!({"X-Note": "a"});
        manifest["template"]["query"] = json!({"page": 1});
        let found = errors(&manifest);
        assert!(found.iter().any(|error| error.contains(expected)), "{placement}: {found:?}");
    }
}

#[test]
fn a_secret_is_for_one_declared_host_over_https() {
    let refused = |manifest: &Value, expected: &str| {
        let found = errors(manifest);
        assert!(found.iter().any(|error| error.contains(expected)), "{expected}: {found:?}");
    };
    let bearer = || secret("TOKEN", json!({"in": "bearer"}));
    refused(&with(bearer(), "/secrets/0/host", json!("evil.test")), "one of `egress.domains`");
    refused(&with(bearer(), "/secrets/0/host", json!("*.test")), "one of `egress.domains`");
    let two = with(bearer(), "/egress/domains", json!(["api.test", "www.test"]));
    accepted(two.clone());
    refused(&with(two, "/secrets/0/host", json!("www.test")), "the host of the template's url");
    refused(&with(bearer(), "/template/url", json!("http://api.test/{repo}/issues")), "expected https");
    refused(&with(bearer(), "/secrets/0/name", json!("my token")), "secrets.0.name");
    let mut twice = bearer();
    let other = json!({"name": "OTHER", "host": "api.test", "placement": {"in": "basic_user"}});
    twice["secrets"].as_array_mut().unwrap().push(other);
    refused(&twice, "each place once");
    let mut file = fs();
    file["secrets"] = bearer()["secrets"].clone();
    refused(&file, "the template is no http request");
}
