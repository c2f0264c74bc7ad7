//! The YAML that is taken, and the YAML that is not.

use super::*;
use serde_json::json;

fn value(text: &str) -> Value {
    Document::read(text).unwrap().value
}

/// The lines and messages of what is wrong.
fn problems(text: &str) -> Vec<(u64, String)> {
    Document::read(text).unwrap_err().into_iter().map(|p| (p.line, p.message)).collect()
}

#[test]
fn yaml_reads_as_json() {
    let text = "a: 1\nb: [x, \"2\", true, null, -1.5]\nc:\n  d: |\n    one\n    two\n  e: >-\n    f\n    g\nh: {}\ni:\n- j: ''\n";
    let expected = json!({
        "a": 1, "b": ["x", "2", true, null, -1.5], "c": {"d": "one\ntwo\n", "e": "f g"}, "h": {}, "i": [{"j": ""}],
    });
    assert_eq!(value(text), expected);
}

#[test]
fn every_part_has_its_line() {
    let document = Document::read("a: 1\nb:\n  c:\n    - x\n    - d: y\n").unwrap();
    for (pointer, line) in
        [("", 1), ("/a", 1), ("/b", 2), ("/b/c", 3), ("/b/c/0", 4), ("/b/c/1/d", 5), ("/b/nope", 2)]
    {
        assert_eq!(document.line(pointer), line, "{pointer}");
    }
}

#[test]
fn scalars_on_which_schemas_disagree_want_quotes() {
    for text in [
        "yes",
        "No",
        "on",
        "OFF",
        "True",
        "FALSE",
        "~",
        "Null",
        "010",
        "0x1f",
        "0o7",
        "0b1",
        "1_000",
        ".5",
        "5.",
        "+1",
        ".inf",
        "-.INF",
        ".nan",
        "1e5x",
        "12:30",
        "1e",
        "9007199254740993",
    ] {
        let read = Document::read(&format!("a: {text}"));
        match text {
            "1e5x" => assert_eq!(read.unwrap().value, json!({"a": "1e5x"})),
            _ => assert!(read.is_err(), "{text}"),
        }
        assert_eq!(value(&format!("a: '{text}'")), json!({ "a": text }));
    }
}

#[test]
fn plain_texts_need_no_quotes() {
    for text in [
        "x",
        "1.2.3",
        "2026-01-31",
        "sha256:00",
        "a: b".split(':').next().unwrap(),
        "-x",
        "y",
        "n",
        "10.0.0.1",
        "v1",
    ] {
        assert_eq!(value(&format!("a: {text}")), json!({ "a": text }), "{text}");
    }
}

#[test]
fn what_parsers_read_differently_is_refused_with_its_line() {
    for (text, line, word) in [
        ("a: &x 1", 1, "anchor"),
        ("a: 1\nb: &x {}", 2, "anchor"),
        ("a: &x 1\nb: *x", 2, "alias"),
        ("a: 1\nb: *x", 2, "alias"),
        ("a: !!str 1", 1, "tag"),
        ("a: !x [1]", 1, "tag"),
        ("a: 1\n<<: {b: 1}", 2, "merge"),
        ("a: 1\nb: 2\na: 3", 3, "each key once"),
        ("a:\n  b: 1\n  \"b\": 2", 3, "on line 2"),
        ("1: x", 1, "key"),
        ("true: x", 1, "key"),
        ("? [a]\n: 1", 1, "key"),
        ("a: 1\n--- \nb: 2", 2, "one document"),
        ("a: \"\\0\"", 1, "control"),
        ("a: \"\\u202e\"", 1, "bidirectional"),
        ("a: [", 1, "YAML"),
        ("%YAML 1.1\n---\na: 1", 1, "YAML"),
    ] {
        let found = problems(text);
        assert!(found.iter().any(|(l, m)| *l == line && m.contains(word)), "{text:?}: {found:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems("a: &x 1\nb: !t 2\nc: yes\nc: 3\n");
    assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn an_empty_file_is_no_manifest() {
    assert!(Document::read("").is_err());
    assert!(Document::read("# only a comment\n").is_err());
}

#[test]
fn size_and_depth_are_bounded() {
    let nested = |depth: usize| format!("a: {}{}", "[".repeat(depth - 1), "]".repeat(depth - 1));
    assert!(Document::read(&nested(64)).is_ok());
    assert!(Document::read(&nested(65)).is_err());
    let long = |bytes: usize| format!("a: {}", "x".repeat(bytes - 3));
    assert!(Document::read(&long(256 * 1024)).is_ok());
    assert!(Document::read(&long(256 * 1024 + 1)).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in "[a-c:{}\\[\\],\\-?&*!|>'\"% \n#~1]{0,40}") {
        let _outcome = Document::read(&text);
    }
}
