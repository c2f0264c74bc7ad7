//! Plans of every kind, as they are laid out.

use super::*;
use crate::render::stripped;
use crate::render::view::Extent;
use serde_json::json;

const VIEW: View = View { width: None, extent: Extent::Changes };

#[test]
fn a_write_shows_path_what_is_there_and_every_line() {
    let plan = json!({"kind": "exact", "steps": [{
        "kind": "fs", "operation": "write", "path": "notes.md", "bytes_max": 1000,
        "before": {"file": {"digest": "sha256:ab", "size": 3}},
        "content": {"text": "# Notes\nx\u{202E}y\n"},
    }]});
    let expected = "\
step 1 of 1: write
path      notes.md
now       a file of 3 bytes, which this replaces or removes
          sha256:ab
content   14 bytes, 2 lines
     1 │ # Notes
     2 │ x\\u{202E}y";
    assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
}

#[test]
fn a_request_shows_url_headers_secrets_by_name_and_body() {
    let plan = json!({"kind": "exact", "steps": [{
        "kind": "http", "method": "POST", "url": "https://api.test/x", "target": "https://api.test/{p}",
        "headers": [["accept", "a/b"], ["x-note", "c"]],
        "secrets": [{"name": "TOKEN", "host": "api.test", "placement": {"in": "header", "name": "x-key"}}],
        "body": {"text": "{}"}, "response_bytes_max": 10,
    }]});
    let expected = "\
step 1 of 1: POST
url       https://api.test/x
headers   accept: a/b
          x-note: c
secret    TOKEN goes to api.test in header x-key; the gate adds the value
body      2 bytes, 1 line of json, here with line breaks and indentation put in
     1 │ {}
answer    at most 10 bytes";
    assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
}

#[test]
fn a_plan_with_an_unknown_member_is_shown_whole() {
    let plan = json!({"kind": "exact", "steps": [{
        "kind": "fs", "operation": "delete", "path": "a", "bytes_max": 1, "recursive": true,
    }]});
    let shown = stripped(&render(&plan, None, VIEW));
    assert!(shown.contains("\"recursive\": true"), "{shown}");
}

#[test]
fn what_the_gate_builds_is_understood() {
    let plan = json!({"kind": "exact", "steps": [
        {"kind": "fs", "operation": "write", "path": "a", "bytes_max": 1, "before": "absent", "content": {"base64": "AA=="}},
        {"kind": "fs", "operation": "list", "path": "", "bytes_max": 1},
    ]});
    let shown = stripped(&render(&plan, None, VIEW));
    assert!(shown.contains("now       there is no such file"), "{shown}");
    assert!(shown.contains("no text; in base64 (4 characters):\n     1 │ AA=="), "{shown}");
    assert!(
        shown.contains("step 2 of 2: list\npath      (the root itself)\nlimit     at most 1 byte"),
        "{shown}"
    );
}

#[test]
fn a_text_that_replaces_another_is_shown_as_what_changes() {
    let old = "a\nb\n";
    let plan = |operation: &str, content: Option<Value>| {
        json!({"kind": "exact", "steps": [{
            "kind": "fs", "operation": operation, "path": "p", "bytes_max": 9, "content": content,
            "before": {"file": {"digest": Digest::of(old.as_bytes()).to_string(), "size": 4}},
        }]})
    };
    let write = plan("write", Some(json!({"text": "a\nc\n"})));
    let shown = stripped(&render(&write, Some(old), VIEW));
    let expected = "\
content   4 bytes, 2 lines; 1 line put in, 1 taken away
     1   a
     2 - b
     2 + c";
    assert!(shown.ends_with(expected), "{shown}");
    assert!(!shown.contains("another one than when this was planned"), "{shown}");
    let changed = stripped(&render(&write, Some("x\n"), VIEW));
    assert!(changed.contains("another one than when this was planned"), "{changed}");
    let delete = stripped(&render(&plan("delete", None), Some(old), VIEW));
    assert!(delete.ends_with("lost      4 bytes, 2 lines\n     1 - a\n     2 - b"), "{delete}");
}

#[test]
fn a_search_shows_what_is_looked_for_and_where() {
    let plan = json!({"kind": "exact", "steps": [{
        "kind": "fs", "operation": "search", "path": "src", "bytes_max": 1000,
        "search": {"pattern": "pass\u{202E}word", "is_regex": true, "is_case_sensitive": false, "glob": "*.rs",
            "results_max": 50, "allow": ["**"], "deny": ["**/.env", "**/.git/**"]},
    }]});
    let expected = "\
step 1 of 1: search
path      src
looks for lines that match the regular expression, in capitals or not
          pass\\u{202E}word
in files  *.rs
of        **
never in  **/.env
          **/.git/**
results   at most 50 lines
limit     at most 1000 bytes";
    assert_eq!(stripped(&render(&plan, None, VIEW)), expected);
}

#[test]
fn targets_are_places_without_queries() {
    let plan = json!({"kind": "exact", "steps": [
        {"kind": "http", "method": "GET", "url": "https://api.test/x?q=1", "target": "t", "headers": [],
         "response_bytes_max": 1},
        {"kind": "fs", "operation": "list", "path": "", "bytes_max": 1},
    ]});
    assert_eq!(targets(&plan), ["GET https://api.test/x", "list (the root itself)"]);
}
