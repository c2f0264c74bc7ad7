//! The tables of attacks in README.md, AUTHORITY.md, OPERATION.md, SECRETS.md and CREDENTIALS.md name tests that exist.

use std::fs;

use latchgate_tests::workspace;

const CHAPTERS: [&str; 8] =
    ["authority", "credentials", "egress", "evidence", "guests", "operation", "requests", "secrets"];

#[test]
fn every_test_named_in_the_readme_exists() {
    check("README.md", 40);
}

#[test]
fn every_test_named_for_authority_exists() {
    check("AUTHORITY.md", 60);
}

#[test]
fn every_test_named_for_operation_exists() {
    check("OPERATION.md", 25);
}

#[test]
fn every_test_named_for_secrets_exists() {
    check("SECRETS.md", 5);
}

#[test]
fn every_test_named_for_credentials_exists() {
    check("CREDENTIALS.md", 10);
}

#[track_caller]
fn check(table: &str, at_least: usize) {
    let dir = workspace().join("tests/security");
    let readme = fs::read_to_string(dir.join(table)).unwrap();
    // Between backquotes is every second piece.
    let named: Vec<Vec<&str>> =
        readme.split('`').skip(1).step_by(2).map(|name| name.split("::").collect()).collect();
    let mut found = 0;
    for name in named {
        let [chapter, file, test] = name[..] else { continue };
        if !CHAPTERS.contains(&chapter) {
            continue;
        }
        let text = fs::read_to_string(dir.join(chapter).join(format!("{file}.rs"))).unwrap_or_default();
        assert!(text.contains(&format!("#[test]\nfn {test}()")), "{chapter}::{file}::{test} does not exist");
        found += 1;
    }
    assert!(found > at_least, "{found} tests are named");
}
