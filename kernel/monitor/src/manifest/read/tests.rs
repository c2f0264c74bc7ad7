//! Reading manifests: every problem, with file and line.

use super::*;
use crate::schema::RequestSchema;

/// The bundled manifests.
const BUNDLED: &[(&str, &str)] = &[
    ("fs_list.yaml", include_str!("../../../../../manifests/fs_list.yaml")),
    ("fs_read.yaml", include_str!("../../../../../manifests/fs_read.yaml")),
    ("fs_write.yaml", include_str!("../../../../../manifests/fs_write.yaml")),
    ("http_fetch.yaml", include_str!("../../../../../manifests/http_fetch.yaml")),
    ("http_post.yaml", include_str!("../../../../../manifests/http_post.yaml")),
    ("github_create_issue.yaml", include_str!("../../../../../manifests/github_create_issue.yaml")),
    ("github_read.yaml", include_str!("../../../../../manifests/github_read.yaml")),
    ("s3_read.yaml", include_str!("../../../../../manifests/s3_read.yaml")),
    ("slack_post.yaml", include_str!("../../../../../manifests/slack_post.yaml")),
];

const FETCH: &str = BUNDLED[3].1;

fn errors(text: &str) -> Vec<String> {
    Manifest::parse("m.yaml", text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn bundled_manifests_are_accepted() {
    for (file, text) in BUNDLED {
        let manifest = Manifest::parse(file, text).unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(format!("{}.yaml", manifest.action_id), *file);
        assert!(manifest.examples.len() >= 2, "{file}");
    }
}

#[test]
fn bundled_manifests_fit_the_published_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../../../manifests/schema.json")).unwrap();
    let schema = RequestSchema::compile(&schema).unwrap();
    for (file, text) in BUNDLED {
        let value = yaml::Document::read(text).unwrap().value;
        assert_eq!(schema.violations(&value, 100), [], "{file}");
    }
}

#[test]
fn an_unknown_member_is_an_error_with_its_line() {
    let found = errors(&FETCH.replace("  time_ms: 30000", "  time_s: 30"));
    let line = 1 + FETCH.lines().position(|line| line == "  time_ms: 30000").unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with(&format!("m.yaml:{line}: limits.time_s: unexpected member; expected ")),
        "{found:?}"
    );
    let found = errors(&FETCH.replace("template:\n", "template:\n  methd: GET\n"));
    assert!(
        found[0].contains("template.methd: unexpected member; expected body, form, headers, method"),
        "{found:?}"
    );
}

#[test]
fn a_missing_member_is_an_error() {
    let found = errors(&FETCH.replace("risk_level: medium\n", ""));
    assert_eq!(found, ["m.yaml:1: expected a member \"risk_level\", found none"]);
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_lines() {
    let text = FETCH
        .replace("title: Fetch", "title: ''\nold_title: Fetch")
        .replace("class: read", "class: reads")
        .replace("time_ms: 30000", "time_ms: 99")
        .replace("redirects", "redirect");
    let found = errors(&text);
    let names: Vec<_> = found.iter().map(|error| error.split(": ").nth(1).unwrap()).collect();
    assert_eq!(
        names.len(),
        4 + usize::from(names.iter().filter(|n| **n == "title").count() > 1),
        "{found:?}"
    );
    for name in ["title", "old_title", "class", "limits.time_ms"] {
        assert!(names.contains(&name), "{name} in {found:?}");
    }
    let lines: Vec<u64> =
        found.iter().map(|error| error.split(':').nth(1).unwrap().parse().unwrap()).collect();
    assert!(lines.is_sorted(), "{found:?}");
}

#[test]
fn structure_and_meaning_are_told_together() {
    let found = errors(
        &FETCH
            .replace("time_ms: 30000", "time_ms: 99")
            .replace("risk_level: medium", "risk_level: low")
            .replace("class: read", "class: send"),
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("risk_level: expected medium or more for the class send"), "{found:?}");
    assert!(found[1].contains("limits.time_ms: expected at least 100"), "{found:?}");
}

#[test]
fn a_newer_format_is_refused_with_the_version_needed() {
    let found = errors(&FETCH.replace("format: 1", "format: 2").replace("class: read", "class: new"));
    assert_eq!(
        found,
        ["m.yaml:1: format: this latchgate reads manifest format 1; format 2 needs a newer one"]
    );
}

#[test]
fn a_syntax_error_has_its_line() {
    let found = errors("format: 1\naction_id: [\n");
    assert!(found[0].starts_with("m.yaml:"), "{found:?}");
    assert!(found[0].contains("expected YAML 1.2: "), "{found:?}");
}

#[test]
fn an_error_without_line_names_its_file() {
    let error = ManifestError { file: "m.yaml".into(), line: None, message: "x".into() };
    assert_eq!(error.to_string(), "m.yaml: x");
}
