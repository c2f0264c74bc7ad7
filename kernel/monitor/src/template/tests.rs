//! Templates: each trick with a twin that is harmless.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use url::Url;

/// A manifest around `template`; the arguments are a, b (required strings), n (required integer), o (an optional string)
/// j (an optional object) and f (a boolean with a default).
fn manifest(template: Value) -> Manifest {
    let is_fs = template.get("operation").is_some();
    let mut text = json!({
        "format": 1, "action_id": "t", "version": "1.0.0", "title": "t", "description": "t", "class": "send",
        "risk_level": "high", "risk_rationale": "t", "module": "builtin:t",
        "module_digest": format!("sha256:{}", "0".repeat(64)), "imports": [], "response_schema": {}, "examples": [],
        "request_schema": {
            "type": "object", "required": ["a", "b", "n"],
            "properties": {
                "a": {"type": "string"}, "b": {"type": "string"}, "n": {"type": "integer"}, "o": {"type": "string"},
                "j": {"type": "object"}, "f": {"type": "boolean", "default": false},
            },
        },
        "template": template,
    });
    text[if is_fs { "fs" } else { "egress" }] = if is_fs {
        json!({"operations": ["read", "list", "write", "delete", "search"], "deny": ["secret/**"]})
    } else {
        json!({"domains": ["api.test", "*.wild.test"], "methods": ["GET", "POST"], "ports": [443]})
    };
    serde_json::from_value(text).unwrap()
}

fn compile(template: Value) -> Result<CompiledTemplate, Violations> {
    CompiledTemplate::compile(&manifest(template))
}

/// The place of the only thing wrong with `template`.
fn refused(template: Value) -> String {
    let wrong = compile(template.clone()).unwrap_err().0;
    assert_eq!(wrong.len(), 1, "{template}: {wrong:?}");
    wrong[0].pointer.clone()
}

/// `args` with whatever is required and absent filled in.
fn expand(template: Value, args: Value) -> Result<Expanded, TemplateError> {
    let mut all = json!({"a": "A", "b": "B", "n": 7});
    all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
    compile(template).unwrap().expand(&all)
}

fn http(template: Value, args: Value) -> Result<HttpStep, TemplateError> {
    match expand(template, args)? {
        Expanded::Http(step) => Ok(step),
        Expanded::Fs { .. } | Expanded::FsPatch { .. } => panic!("an http template"),
    }
}

fn get(url: &str) -> Value {
    json!({"method": "GET", "url": url})
}

fn url(path: &str, args: Value) -> Result<String, TemplateError> {
    http(get(&format!("https://api.test{path}")), args).map(|step| step.url)
}

fn path_of(template: &str, args: Value) -> Result<String, TemplateError> {
    match expand(json!({"operation": "read", "path": template}), args)? {
        Expanded::Fs { path, .. } => Ok(path.as_str().to_owned()),
        Expanded::Http(_) | Expanded::FsPatch { .. } => panic!("a template that reads a file"),
    }
}

#[test]
fn a_request_is_made_of_template_and_arguments() {
    let template = json!({
        "method": "POST", "url": "https://api.test/v1/{a}/items/{n}", "query": {"q": "{b}", "fixed": 1, "o": "{o}"},
        "headers": {"Accept": "application/json", "X-Who": "id {n}"},
        "body": {"text": "{b}", "n": "{n}", "s": "n={n}", "o": "{o}", "list": ["{a}", true, null], "brace": "{{x}}"},
    });
    let step = http(template, json!({"a": "é/x", "b": "x y&z\""})).unwrap();
    assert_eq!(step.method, "POST");
    assert_eq!(step.url, "https://api.test/v1/%C3%A9%2Fx/items/7?fixed=1&q=x%20y%26z%22");
    assert_eq!(step.target, "https://api.test/v1/{a}/items/{n}");
    let headers = [("accept", "application/json"), ("x-who", "id 7"), ("content-type", "application/json")];
    assert_eq!(step.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let body = r#"{"brace":"{x}","list":["é/x",true,null],"n":7,"s":"n=7","text":"x y&z\""}"#;
    assert_eq!(step.body, Some(Content::Text(body.into())));
    assert!(step.secrets.is_empty());
    assert_eq!(step.response_bytes_max, 4 << 20);
}

#[test]
fn non_ascii_header_values_are_refused_and_ascii_pass() {
    let template = json!({"method": "GET", "url": "https://api.test/", "headers": {"X-Who": "id {a}"}});
    assert_eq!(http(template.clone(), json!({"a": "x"})).unwrap().headers, [("x-who".into(), "id x".into())]);
    assert_eq!(http(template, json!({"a": "é"})).unwrap_err().pointer.as_deref(), Some("/a"));
}

/// Each attack beside its twin: the same place, an argument that is allowed, and what it gives.
#[test]
fn path_tricks_are_refused_or_stay_in_their_segment() {
    for (attack, twin, segment) in [
        ("..", "...", "..."),
        (".", "a.b", "a.b"),
        ("", "x", "x"),
        ("../admin", "..admin", "..admin"),
        ("x/../../admin", "x/admin", "x%2Fadmin"),
        ("..\\admin", "x\\admin", "x%5Cadmin"),
        ("%2e%2e", "%2e%2ex", "%252e%252ex"),
        ("%2E.", "%41", "%2541"),
        ("%252e%252e", "100%", "100%25"),
        ("..%2fadmin", "x%2fadmin", "x%252fadmin"),
        ("%2525252e", "%25", "%2525"),
        ("a\0", "a0", "a0"),
        ("a\r\nHost: evil.test", "a;Host: evil.test", "a%3BHost%3A%20evil.test"),
    ] {
        assert_eq!(
            url("/v1/{a}/x", json!({"a": attack})).unwrap_err().pointer.as_deref(),
            Some("/a"),
            "{attack:?}"
        );
        let given = url("/v1/{a}/x", json!({ "a": twin })).unwrap();
        assert_eq!(given, format!("https://api.test/v1/{segment}/x"), "{twin:?}");
    }
}

#[test]
fn separators_in_a_segment_are_data() {
    for (value, segment) in [
        ("//evil.test", "%2F%2Fevil.test"),
        ("x?admin=1", "x%3Fadmin%3D1"),
        ("x#y", "x%23y"),
        ("a@evil.test", "a%40evil.test"),
        ("a+b c", "a%2Bb%20c"),
        (":80", "%3A80"),
        ("é", "%C3%A9"),
    ] {
        assert_eq!(url("/{a}", json!({ "a": value })).unwrap(), format!("https://api.test/{segment}"));
    }
}

#[test]
fn dots_that_two_arguments_make_together_are_refused() {
    assert!(url("/{a}{b}", json!({"a": ".", "b": "."})).is_err());
    assert!(url("/{a}{b}", json!({"a": "x/.", "b": "./y"})).is_err());
    assert!(url("/{a}{b}", json!({"a": "%2", "b": "e%2e"})).is_err());
    assert!(url("/{a}.", json!({"a": ""})).is_err());
    assert_eq!(url("/{a}.{b}", json!({"a": "1", "b": "2"})).unwrap(), "https://api.test/1.2");
}

#[test]
fn a_query_value_adds_no_parameter() {
    let query = |value: &str| {
        let template = json!({"method": "GET", "url": "https://api.test/s", "query": {"q": "{a}", "z": "1"}});
        http(template, json!({ "a": value })).unwrap().url
    };
    for (value, encoded) in [
        ("x&admin=1", "x%26admin%3D1"),
        ("x;admin=1", "x%3Badmin%3D1"),
        ("x#", "x%23"),
        ("a+b", "a%2Bb"),
        ("%26", "%2526"),
        ("\r\nHost: evil.test", "%0D%0AHost%3A%20evil.test"),
        ("'\"<>", "%27%22%3C%3E"),
        ("", ""),
    ] {
        let given = query(value);
        assert_eq!(given, format!("https://api.test/s?q={encoded}&z=1"));
        let pairs: Vec<_> = Url::parse(&given).unwrap().query_pairs().into_owned().collect();
        assert_eq!(pairs, [("q".to_owned(), value.to_owned()), ("z".into(), "1".into())]);
    }
}

#[test]
fn a_header_value_cannot_end_early() {
    let template = json!({"method": "GET", "url": "https://api.test/", "headers": {"X-A": "{a}"}});
    for attack in
        ["x\r\nX-Evil: 1", "x\nX-Evil: 1", "x\r", "\0", "\u{7f}", "\t", "x\u{85}", "", " x", "x ", "ü"]
    {
        let error = http(template.clone(), json!({ "a": attack })).unwrap_err();
        assert_eq!(error.pointer.as_deref(), Some("/a"), "{attack:?}");
    }
    let twin = http(template, json!({"a": "x; X-Evil: 1"})).unwrap();
    assert_eq!(twin.headers, [("x-a".into(), "x; X-Evil: 1".into())]);
}

#[test]
fn a_header_value_has_at_most_8192_bytes() {
    let template = json!({"method": "GET", "url": "https://api.test/", "headers": {"X-A": "{a}"}});
    assert!(http(template.clone(), json!({"a": "x".repeat(8192)})).is_ok());
    assert!(http(template, json!({"a": "x".repeat(8193)})).is_err());
}

#[test]
fn a_string_in_a_body_stays_a_string() {
    let body = |args: Value| {
        let template = json!({"method": "POST", "url": "https://api.test/", "body": {"a": "{a}", "t": "<{a}>", "n": "{n}"}});
        match http(template, args).unwrap().body.unwrap() {
            Content::Text(text) => serde_json::from_str::<Value>(&text).unwrap(),
            Content::Base64(_) => panic!("json is text"),
        }
    };
    for value in ["1", "true", "null", "{\"x\":1}", "\",\"admin\":true,\"x\":\"", "{n}", "\\", "\u{2028}"] {
        let expected = json!({"a": value, "t": format!("<{value}>"), "n": 7});
        assert_eq!(body(json!({ "a": value })), expected, "{value:?}");
    }
}

#[test]
fn a_whole_argument_in_a_body_keeps_its_type_and_an_absent_one_drops_its_member() {
    let template =
        json!({"method": "POST", "url": "https://api.test/", "body": {"j": "{j}", "in": {"o": "{o}"}}});
    let body = |args: Value| http(template.clone(), args).unwrap().body.unwrap();
    assert_eq!(
        body(json!({"j": {"y": [1, 2.5], "x": null}})),
        Content::Text(r#"{"in":{},"j":{"x":null,"y":[1,2.5]}}"#.into())
    );
    assert_eq!(body(json!({"o": "1"})), Content::Text(r#"{"in":{"o":"1"}}"#.into()));
}

#[test]
fn a_body_is_sent_as_json_unless_the_manifest_says_which_json() {
    let headers = |headers: Value| {
        let template = json!({"method": "POST", "url": "https://api.test/", "headers": headers, "body": {}});
        compile(template).map(|template| template.expand(&json!({})).unwrap())
    };
    let of = |value: &str| vec![("content-type".to_owned(), value.to_owned())];
    let Ok(Expanded::Http(step)) = headers(json!({})) else { panic!() };
    assert_eq!(step.headers, of("application/json"));
    let Ok(Expanded::Http(step)) = headers(json!({"Content-Type": "application/ld+json"})) else { panic!() };
    assert_eq!(step.headers, of("application/ld+json"));
    assert!(headers(json!({"Content-Type": "text/plain"})).is_err());
    assert!(headers(json!({"Content-Type": "{a}"})).is_err());
}

#[test]
fn a_url_has_at_most_8192_bytes() {
    let fixed = "https://api.test/".len();
    assert!(url("/{a}", json!({"a": "x".repeat(8192 - fixed)})).is_ok());
    assert!(url("/{a}", json!({"a": "x".repeat(8193 - fixed)})).is_err());
}

#[test]
fn literal_urls_that_are_not_what_they_seem_are_refused() {
    for url in [
        "https://{a}/x",
        "https://{a}.api.test/x",
        "{a}://api.test/x",
        "https://api.test:{n}/x",
        "https://api.test/x?q={a}",
        "https://api.test/x#y",
        "https://api.test//x",
        "https://api.test/../x",
        "https://api.test/./x",
        "https://api.test/%2e%2e/x",
        "https://api.test/%2Fx",
        "https://api.test/%5Cx",
        "https://api.test/%00",
        "https://api.test/%zz",
        "https://api.test/a b",
        "https://api.test/a\\b",
        "https://api.test/é",
        "https://API.test/x",
        "https://api.test:443/x",
        "https://user@api.test/x",
        "https://evil.test/x",
        "https://api.test.evil.test/x",
        "https://wild.test/x",
        "https://api.test:8443/x",
        "http://api.test/x",
        "ftp://api.test/x",
        "/x",
        "https://api.test/{missing}",
        "https://api.test/{o}",
        "https://api.test/{j}",
        "https://api.test/{",
        "https://api.test/}",
        "https://api.test/{}",
        "https://api.test/{a b}",
        "{a}{b}",
        "{missing}",
        "{o}",
        "{n}",
    ] {
        assert_eq!(refused(get(url)), "/template/url", "{url}");
    }
}

#[test]
fn literal_urls_in_normal_form_pass() {
    for (url, given) in [
        ("https://api.test/x", "https://api.test/x"),
        ("https://api.test", "https://api.test/"),
        ("https://api.test/", "https://api.test/"),
        ("https://api.test/x/", "https://api.test/x/"),
        ("https://a.wild.test/~x/%20/:y", "https://a.wild.test/~x/%20/:y"),
        ("https://api.test/{a}.json", "https://api.test/A.json"),
    ] {
        let step = http(get(url), json!({})).unwrap();
        assert_eq!(step.url, given);
        assert_eq!(step.target, if url == "https://api.test" { "https://api.test/" } else { url });
    }
}

#[test]
fn parts_of_a_request_that_cannot_work_are_refused_with_their_place() {
    let with = |name: &str, value: Value| {
        let mut template = json!({"method": "POST", "url": "https://api.test/"});
        template[name] = value;
        template
    };
    for (template, place) in [
        (with("method", json!("PUT")), "/egress/methods"),
        (json!({"method": "GET", "url": "https://api.test/", "body": {}}), "/template/body"),
        (with("query", json!({"q": "{missing}"})), "/template/query/q"),
        (with("query", json!({"q": "x{o}"})), "/template/query/q"),
        (with("query", json!({"q": "{j}"})), "/template/query/q"),
        (with("query", json!({"q": [1]})), "/template/query/q"),
        (with("query", json!({"{a}": "x"})), "/template/query/{a}"),
        (with("headers", json!({"X-{a}": "x"})), "/template/headers/X-{a}"),
        (with("headers", json!({"X A": "x"})), "/template/headers/X A"),
        (with("headers", json!({"X-A": "{o}"})), "/template/headers/X-A"),
        (with("headers", json!({"X-A": "x\r\ny"})), "/template/headers/X-A"),
        (with("headers", json!({"X-A": "x", "x-a": "y"})), "/template/headers/x-a"),
        (with("headers", json!({"Host": "evil.test"})), "/template/headers/Host"),
        (with("headers", json!({"Content-Length": "1"})), "/template/headers/Content-Length"),
        (with("headers", json!({"Transfer-Encoding": "chunked"})), "/template/headers/Transfer-Encoding"),
        (with("headers", json!({"Proxy-X": "1"})), "/template/headers/Proxy-X"),
        (with("headers", json!({"Authorization": "Bearer {a}"})), "/template/headers/Authorization"),
        (with("headers", json!({"Content-Type": "application/json"})), "/template/headers"),
        (with("body", json!("{o}")), "/template/body"),
        (with("body", json!(["{o}"])), "/template/body/0"),
        (with("body", json!({"x": {"y": "{missing}"}})), "/template/body/x/y"),
        (with("body", json!({"x": "a{o}"})), "/template/body/x"),
        (with("body", json!({"x": "a{j}"})), "/template/body/x"),
        (with("body", json!({"{a}": 1})), "/template/body/{a}"),
        (json!({"method": "GET", "url": "{a}", "query": {"q": "1"}}), "/template/url"),
    ] {
        assert_eq!(refused(template), place);
    }
}

#[test]
fn any_host_is_only_for_a_whole_url() {
    let any = |template: Value| {
        let mut manifest = manifest(template);
        manifest.egress.as_mut().unwrap().domains = vec!["*".into()];
        CompiledTemplate::compile(&manifest)
    };
    assert!(any(get("{a}")).is_ok());
    assert_eq!(any(get("https://api.test/")).unwrap_err().0[0].pointer, "/egress/domains");
}

#[test]
fn a_whole_url_keeps_to_the_egress_rules() {
    let given = |url: &str| http(get("{a}"), json!({ "a": url }));
    let step = given("https://x.wild.test/a?b#c").unwrap();
    assert_eq!((step.url.as_str(), step.target.as_str()), ("https://x.wild.test/a?b", "https://x.wild.test"));
    for url in [
        "https://evil.test/x@api.test",
        "https://api.test.evil.test/",
        "https://wild.test/",
        "https://api.test:8443/",
        "http://api.test/",
        "https://api.test@evil.test/",
        "https://api.test/../x",
    ] {
        assert_eq!(given(url).unwrap_err().pointer.as_deref(), Some("/a"), "{url}");
    }
    assert!(given("https://api.test/x@api.test").is_ok());
}

#[test]
fn a_path_below_the_root_is_normalised_and_one_that_leaves_is_refused() {
    for (attack, twin, path) in [
        ("../x", "..x", "..x"),
        ("a/../../x", "a/...", "a/..."),
        ("/etc/passwd", "etc/passwd", "etc/passwd"),
        ("a\\..\\x", "a/./x", "a/x"),
        ("a\0", "a0", "a0"),
        ("a\nb", "a b", "a b"),
        ("", "a//b/", "a/b"),
        ("secret/x", "secrets/x", "secrets/x"),
        ("./secret//x", "x/secret", "x/secret"),
        ("secret", "Secret", "Secret"),
    ] {
        assert_eq!(
            path_of("{a}", json!({"a": attack})).unwrap_err().pointer.as_deref(),
            Some("/a"),
            "{attack:?}"
        );
        assert_eq!(path_of("{a}", json!({"a": twin})).unwrap(), path);
    }
    assert_eq!(path_of("{a}", json!({"a": "%2e%2e/x"})).unwrap(), "%2e%2e/x");
}

#[test]
fn an_argument_within_a_path_fills_one_component() {
    assert_eq!(path_of("notes/{a}.md", json!({"a": "x"})).unwrap(), "notes/x.md");
    assert_eq!(path_of("{a}/{b}", json!({"a": "x", "b": "y"})).unwrap(), "x/y");
    for (template, a) in [
        ("notes/{a}.md", "../x"),
        ("notes/{a}.md", "y/x"),
        ("notes/{a}", ".."),
        ("notes/{a}", "."),
        ("notes/{a}", ""),
        ("{a}/x", ""),
        ("{a}/x", "."),
        ("secret/{a}", "x"),
    ] {
        assert!(path_of(template, json!({ "a": a })).is_err(), "{template} {a:?}");
    }
}

#[test]
fn only_what_works_on_directories_may_name_the_root() {
    let root = |operation: &str| {
        let mut template = json!({"operation": operation, "path": "{a}"});
        if operation == "write" {
            template["content"] = json!("{b}");
        }
        expand(template, json!({"a": "."}))
    };
    for directory in [root("list"), expand(searching(json!({"is_regex": "false", "glob": "*"})), json!({}))] {
        assert!(matches!(directory, Ok(Expanded::Fs { path, .. }) if path.as_str().is_empty()));
    }
    for operation in ["read", "write", "delete"] {
        assert!(root(operation).is_err(), "{operation}");
    }
}

#[test]
fn content_is_written_as_it_is_given() {
    let template = json!({"operation": "write", "path": "x", "content": "# {a}\n{n}"});
    let Ok(Expanded::Fs { content, bytes_max, .. }) = expand(template, json!({"a": "{b}\r\n"})) else {
        panic!()
    };
    assert_eq!(content, Some(Content::Text("# {b}\r\n\n7".into())));
    assert_eq!(bytes_max, 4 << 20);
}

fn patch(edit: Value, args: Value) -> Result<Edit, TemplateError> {
    match expand(json!({"operation": "write", "path": "{a}", "edit": edit}), args)? {
        Expanded::FsPatch { path, edit, bytes_max } => {
            assert_eq!((path.as_str(), bytes_max), ("A", 4 << 20));
            Ok(edit)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_edit_replaces_what_its_arguments_say_and_keeps_to_the_file_rules() {
    let edit =
        patch(json!({"old_text": "<{b}>", "new_text": "{n}", "count": "{n}"}), json!({"b": "{x}", "n": 1}));
    assert_eq!(edit.unwrap().apply(b"a<{x}>", 100).as_deref(), Ok("a1"));
    let template = json!({"operation": "write", "path": "{a}", "edit": {"old_text": "x", "new_text": "y", "count": "1"}});
    let error = expand(template.clone(), json!({"a": "secret/x"})).unwrap_err();
    assert_eq!(error.pointer.as_deref(), Some("/a"));
    assert!(expand(template, json!({"a": "../x"})).is_err());
}

#[test]
fn an_edit_that_would_change_nothing_is_refused() {
    let template = json!({"old_text": "{a}", "new_text": "{b}", "count": "{n}"});
    for (args, pointer) in [
        (json!({"a": "A", "b": "A"}), "/b"),
        (json!({"a": "A", "b": "B", "n": 0}), "/n"),
        (json!({"a": "A", "b": "B", "n": -1}), "/n"),
    ] {
        assert_eq!(patch(template.clone(), args).unwrap_err().pointer.as_deref(), Some(pointer));
    }
    let empty = json!({"old_text": "{b}", "new_text": "x", "count": "1"});
    assert_eq!(patch(empty.clone(), json!({"b": ""})).unwrap_err().pointer.as_deref(), Some("/b"));
    assert!(patch(empty, json!({"b": " "})).is_ok());
}

fn searching(changed: Value) -> Value {
    let mut search = json!({"pattern": "{a}", "is_regex": "{f}", "is_case_sensitive": "true", "glob": "{b}", "results_max": "{n}"});
    search.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    json!({"operation": "search", "path": "", "search": search})
}

fn search(args: Value) -> Result<Search, TemplateError> {
    let mut all = json!({"f": false});
    all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
    match expand(searching(json!({})), all)? {
        Expanded::Fs {
            operation: FsOperation::Search, path, content: None, search: Some(search), ..
        } => {
            assert_eq!(path.as_str(), "");
            Ok(*search)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_search_is_made_of_its_arguments_and_carries_the_file_rules() {
    let expected = Search {
        pattern: "{x} (".into(),
        is_regex: false,
        is_case_sensitive: true,
        glob: "*.rs".into(),
        results_max: 7,
        allow: vec!["**".into()],
        deny: vec!["secret/**".into()],
    };
    assert_eq!(search(json!({"a": "{x} (", "b": "*.rs"})), Ok(expected));
    let below = |path: &str| {
        let mut template = searching(json!({"is_regex": "false", "glob": "*"}));
        template["path"] = json!("{b}");
        expand(template, json!({ "b": path }))
    };
    assert!(below("src").is_ok() && below("").is_ok());
    assert_eq!(below("secret").unwrap_err().pointer.as_deref(), Some("/b"));
}

#[test]
fn a_search_that_cannot_be_made_is_an_error_of_its_argument() {
    for (args, pointer) in [
        (json!({"a": ""}), "/a"),
        (json!({"a": "x\ny"}), "/a"),
        (json!({"a": "(", "f": true}), "/a"),
        (json!({"a": "x", "b": "a/b"}), "/b"),
        (json!({"a": "x", "b": "[a]"}), "/b"),
        (json!({"a": "x", "n": 0}), "/n"),
        (json!({"a": "x", "n": 501}), "/n"),
    ] {
        assert_eq!(search(args.clone()).unwrap_err().pointer.as_deref(), Some(pointer), "{args}");
    }
    assert!(search(json!({"a": "x", "n": 500})).is_ok());
}

/// Policy sees the directory of a search, not the files: what the standard policy keeps from fs_read must be in the rules
/// of the bundled search.
#[test]
fn the_bundled_search_gives_nothing_that_the_standard_policy_keeps_from_reading() {
    let manifest = include_str!("../../../../manifests/fs_search.yaml");
    let manifest = Manifest::parse("fs_search.yaml", manifest).unwrap();
    let args = json!({"pattern": "x", "path": "", "regex": false, "glob": "*", "max_results": 1, "case_sensitive": true});
    let Ok(Expanded::Fs { search: Some(search), .. }) =
        CompiledTemplate::compile(&manifest).unwrap().expand(&args)
    else {
        panic!()
    };
    let matcher = search.matcher().unwrap();
    let cases: Value =
        serde_saphyr::from_str(include_str!("../../../../policies/standard/cases/standard.yaml")).unwrap();
    let mut denied = 0;
    for case in cases["cases"].as_array().unwrap() {
        let path = case["args"]["path"].as_str().map(|path| FsPath::parse(path).unwrap());
        match (case["action"].as_str().unwrap(), case["verdict"].as_str().unwrap(), path) {
            ("fs_read", "deny", Some(path)) => {
                assert!(!matcher.reads(&path), "{path:?}");
                denied += 1;
            }
            ("fs_list", "deny", Some(path)) => assert!(!matcher.enters(&path), "{path:?}"),
            _ => {}
        }
    }
    assert!(denied >= 10, "{denied}");
    for path in ["README.md", "src/env.rs", "src/secrets/mod.rs", ".gitignore", "docs/keys.md"] {
        assert!(matcher.reads(&FsPath::parse(path).unwrap()), "{path}");
    }
}

#[test]
fn file_templates_that_cannot_work_are_refused_with_their_place() {
    let edit = |operation: &str, changed: Value| {
        let mut edit = json!({"old_text": "{a}", "new_text": "{b}", "count": "1"});
        edit.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        json!({"operation": operation, "path": "{a}", "edit": edit})
    };
    let mut both = edit("write", json!({}));
    both["content"] = json!("x");
    let mut read_with_search = searching(json!({}));
    read_with_search["operation"] = json!("read");
    for (template, place) in [
        (json!({"operation": "write", "path": "{a}"}), "/template/content"),
        (json!({"operation": "read", "path": "{a}", "content": "x"}), "/template/content"),
        (json!({"operation": "write", "path": "{a}", "content": "{o}"}), "/template/content"),
        (json!({"operation": "write", "path": "{a}", "content": "{j}"}), "/template/content"),
        (edit("write", json!({"new_text": "{o}"})), "/template/edit/new_text"),
        (edit("write", json!({"old_text": "{"})), "/template/edit/old_text"),
        (edit("write", json!({"count": "{a}"})), "/template/edit/count"),
        (edit("write", json!({"count": "{missing}"})), "/template/edit/count"),
        (edit("write", json!({"count": "0"})), "/template/edit/count"),
        (edit("write", json!({"count": "1{n}"})), "/template/edit/count"),
        (edit("read", json!({})), "/template/edit"),
        (edit("delete", json!({})), "/template/edit"),
        (both, "/template/edit"),
        (json!({"operation": "search", "path": "{a}"}), "/template/search"),
        (json!({"operation": "search", "path": "{a}", "content": "x"}), "/template/content"),
        (searching(json!({"pattern": "{o}"})), "/template/search/pattern"),
        (searching(json!({"glob": "{j}"})), "/template/search/glob"),
        (searching(json!({"is_regex": "{a}"})), "/template/search/is_regex"),
        (searching(json!({"is_regex": "yes"})), "/template/search/is_regex"),
        (searching(json!({"is_case_sensitive": "{missing}"})), "/template/search/is_case_sensitive"),
        (searching(json!({"results_max": "{a}"})), "/template/search/results_max"),
        (searching(json!({"results_max": "0"})), "/template/search/results_max"),
        (read_with_search, "/template/search"),
        (json!({"operation": "read", "path": "{o}"}), "/template/path"),
        (json!({"operation": "read", "path": "{missing}"}), "/template/path"),
        (json!({"operation": "read", "path": "/etc/{a}"}), "/template/path"),
        (json!({"operation": "read", "path": "../{a}"}), "/template/path"),
        (json!({"operation": "read", "path": "x//{a}"}), "/template/path"),
        (json!({"operation": "read", "path": "{a}/"}), "/template/path"),
        (json!({"operation": "read", "path": "{"}), "/template/path"),
    ] {
        assert_eq!(refused(template), place);
    }
    let mut reads = manifest(json!({"operation": "write", "path": "{a}", "content": "{b}"}));
    reads.fs.as_mut().unwrap().operations = vec![FsOperation::Read];
    assert_eq!(CompiledTemplate::compile(&reads).unwrap_err().0[0].pointer, "/fs/operations");
}

proptest! {
    #[test]
    fn a_url_always_has_its_templates_scheme_host_and_segments(a in "\\PC{0,12}|[./%\\\\2eE?#@:]{0,8}", b in any::<String>()) {
        let template = json!({"method": "GET", "url": "https://api.test/v1/{a}/x-{b}/y", "query": {"q": "{b}"}});
        let Ok(step) = http(template, json!({ "a": a, "b": b })) else { return Ok(()) };
        let parsed = Url::parse(&step.url).unwrap();
        prop_assert_eq!(parsed.scheme(), "https");
        prop_assert_eq!(parsed.host_str(), Some("api.test"));
        prop_assert_eq!(parsed.port(), None);
        prop_assert_eq!(parsed.path_segments().unwrap().count(), 4);
        prop_assert_eq!(parsed.query_pairs().count(), 1);
        prop_assert_eq!(parsed.query_pairs().next().unwrap().1, b);
        prop_assert_eq!(parsed.username(), "");
        prop_assert_eq!(parsed.fragment(), None);
        prop_assert_eq!(parsed.as_str(), step.url);
    }

    #[test]
    fn an_accepted_whole_url_is_its_own_normal_form(text in "https?://(\\PC{0,10}|[a-z.]{1,8}(:[0-9]{1,4})?)(/\\PC{0,10})?") {
        if let Ok(url) = whole_url::parse(&text) {
            let again = whole_url::parse(url.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), url.as_str());
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
        }
    }

    #[test]
    fn a_file_path_never_leaves_its_template(a in "\\PC{0,12}|[./\\\\]{0,6}") {
        if let Ok(path) = path_of("notes/{a}/x", json!({ "a": a })) {
            prop_assert!(path.starts_with("notes/") && path.ends_with("/x"));
            prop_assert_eq!(path.split('/').count(), 3);
        }
    }
}

#[test]
fn a_plus_lets_an_argument_keep_its_slashes_and_nothing_else() {
    for (given, path) in [
        ("docs/read me.md", "/x/docs/read%20me.md"),
        ("a", "/x/a"),
        ("a?b#c/d%2fe", "/x/a%3Fb%23c/d%252fe"),
        ("a/...", "/x/a/..."),
        ("{n}/@", "/x/%7Bn%7D/%40"),
    ] {
        let expected = format!("https://api.test{path}");
        assert_eq!(url("/x/{+a}", json!({"a": given})).unwrap(), expected, "{given}");
    }
    for given in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        "..",
        "a/..",
        "../a",
        "a/./b",
        "%2e%2e/a",
        "a/%2E%2e",
        "a/%252e%252e/b",
        "a\\b",
        "a\\..\\b",
        "a\nb",
        "a/\0",
    ] {
        let error = url("/x/{+a}", json!({"a": given})).unwrap_err();
        assert_eq!(error.pointer.as_deref(), Some("/a"), "{given:?}");
    }
}

#[test]
fn a_plus_stands_for_a_whole_segment_that_is_always_there() {
    for (place, expected) in [
        ("/x{+a}", "/template/url"),
        ("/{+a}x", "/template/url"),
        ("/{+o}", "/template/url"),
        ("/{+n}", "/template/url"),
        ("/{+unknown}", "/template/url"),
    ] {
        assert_eq!(refused(get(&format!("https://api.test{place}"))), expected, "{place}");
    }
    // Nowhere but in a path.
    let header = json!({"method": "GET", "url": "https://api.test/", "headers": {"x-a": "{+a}"}});
    assert_eq!(refused(header), "/template/headers/x-a");
}

#[test]
fn a_form_is_encoded_and_leaves_out_what_is_absent() {
    let form =
        json!({"method": "POST", "url": "https://api.test/", "form": {"t": "{a}", "n": "{n}", "o": "{o}"}});
    let step = http(form.clone(), json!({"a": "a b&c=d+e"})).unwrap();
    assert_eq!(step.body, Some(Content::Text("n=7&t=a%20b%26c%3Dd%2Be".into())));
    assert_eq!(step.headers, [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())]);
    let mut both = form;
    both["body"] = json!({});
    assert_eq!(refused(both), "/template/form");
    let read = json!({"method": "GET", "url": "https://api.test/", "form": {"t": "1"}});
    assert_eq!(refused(read), "/template/form");
}

/// The caller chooses the URL, and not where a secret goes.
#[test]
fn a_whole_url_carries_a_secret_to_its_host_alone() {
    let mut manifest = manifest(get("{a}"));
    manifest.secrets = serde_json::from_value(json!([
        {"name": "KEY", "host": "api.test", "placement": {"in": "query", "name": "key"}},
    ]))
    .unwrap();
    let template = CompiledTemplate::compile(&manifest).unwrap();
    let expand = |url: &str| template.expand(&json!({"a": url, "b": "B", "n": 7}));
    let Ok(Expanded::Http(step)) = expand("https://api.test/x?a=b") else { panic!() };
    assert_eq!(step.secrets.len(), 1);
    assert!(!step.url.contains("key"));
    for url in [
        "https://x.wild.test/",
        "https://x.wild.test/@api.test",
        "https://api.test@x.wild.test/",
        "https://x.wild.test/x@api.test",
        "http://api.test:443/",
        "https://api.test/?key=mine",
        "https://api.test/?a=b&k%65y=mine",
        "https://api.test./",
        "https://API.test:8443/",
    ] {
        assert!(expand(url).is_err(), "{url}");
    }
}
