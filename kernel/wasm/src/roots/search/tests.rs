//! What a search finds, what it must not see, and where it ends.

use std::os::unix::fs::symlink;
use std::path::Path;

use latchgate_monitor::plan::{FsOperation, Search as Planned};
use rustix::fs::CWD;

use super::super::tests::perform;
use super::super::{Kind, Output, Roots};
use super::*;

fn planned(pattern: &str) -> Planned {
    Planned {
        pattern: pattern.into(),
        is_regex: false,
        is_case_sensitive: true,
        glob: "*".into(),
        results_max: 100,
        allow: vec!["**".into()],
        deny: vec!["**/.git/**".into(), "**/*.pem".into()],
    }
}

fn step(path: &str, search: Planned) -> FsStep {
    FsStep {
        operation: FsOperation::Search,
        path: FsPath::parse(path).unwrap(),
        content: None,
        before: None,
        search: Some(Box::new(search)),
        bytes_max: 1 << 20,
    }
}

/// Files with their contents.
fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Roots) {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let roots = Roots::open(dir.path(), &[]).unwrap();
    (dir, roots)
}

fn within(roots: &Roots, step: &FsStep, bounds: Bounds) -> Found {
    search(&roots.base().unwrap(), step, bounds).unwrap()
}

fn found(roots: &Roots, search: Planned) -> Found {
    within(roots, &step("", search), BOUNDS)
}

/// `path:line` of each match.
fn places(found: &Found) -> Vec<String> {
    found.matches.iter().map(|found| format!("{}:{}", found.path, found.line)).collect()
}

#[test]
fn matches_come_by_directory_name_and_line() {
    let (_dir, roots) = tree(&[("z", "x\ny\nx"), ("b/a", "x"), ("a/b", "x"), ("a/c/d", "yx"), ("e", "y")]);
    let all = found(&roots, planned("x"));
    assert_eq!(places(&all), ["z:1", "z:3", "a/b:1", "a/c/d:1", "b/a:1"]);
    assert!(!all.is_truncated);
    let below = within(&roots, &step("a", planned("x")), BOUNDS);
    assert_eq!(places(&below), ["a/b:1", "a/c/d:1"]);
}

#[test]
fn lines_are_given_without_their_ends() {
    let (_dir, roots) = tree(&[("a", "one x\r\n\nx two\n")]);
    let texts: Vec<_> =
        found(&roots, planned("x")).matches.into_iter().map(|found| (found.line, found.text)).collect();
    assert_eq!(texts, [(1, "one x".to_owned()), (3, "x two".to_owned())]);
    let ends = Planned { is_regex: true, ..planned("(x|two)$") };
    assert_eq!(places(&found(&roots, ends)), ["a:1", "a:3"]);
    // The line break at the end begins no line.
    let empty = Planned { is_regex: true, ..planned("^$") };
    assert_eq!(places(&found(&roots, empty)), ["a:2"]);
}

#[test]
fn names_are_chosen_by_their_glob() {
    let (_dir, roots) = tree(&[("a.rs", "x"), ("d/b.rs", "x"), ("c.md", "x")]);
    let rust = Planned { glob: "*.rs".into(), ..planned("x") };
    assert_eq!(places(&found(&roots, rust)), ["a.rs:1", "d/b.rs:1"]);
}

#[test]
fn files_that_the_rules_deny_are_not_looked_into() {
    let (_dir, roots) = tree(&[(".git/config", "x"), ("d/.git/hooks/h", "x"), ("k.pem", "x"), ("d/a", "x")]);
    assert_eq!(places(&found(&roots, planned("x"))), ["d/a:1"]);
    let below = Planned { allow: vec!["d/b/**".into()], ..planned("x") };
    assert_eq!(places(&found(&roots, below)), [""; 0]);
    let failure = search(&roots.base().unwrap(), &step(".git", planned("x")), BOUNDS).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
}

#[test]
fn links_fifos_and_names_that_no_plan_can_hold_are_passed_over() {
    let (dir, roots) = tree(&[("a", "x"), ("b\nc", "x"), ("d\\e", "x")]);
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "x").unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), dir.path().join("link")).unwrap();
    symlink(".", dir.path().join("loop")).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
    std::fs::write(dir.path().join(name), "x").unwrap();
    assert_eq!(places(&found(&roots, planned("x"))), ["a:1"]);
}

#[test]
fn a_directory_of_the_gate_is_not_entered() {
    let (dir, _) = tree(&[("home/keys/k", "x"), ("a", "x")]);
    let roots = Roots::open(dir.path(), &[dir.path().join("home")]).unwrap();
    assert_eq!(places(&found(&roots, planned("x"))), ["a:1"]);
    let failure = search(&roots.base().unwrap(), &step("home", planned("x")), BOUNDS).unwrap_err();
    assert!(failure.message.contains("directory of the gate"), "{failure:?}");
}

#[test]
fn other_mounts_are_not_entered() {
    let everything = Roots::open(Path::new("/"), &[]).unwrap();
    let failure = search(&everything.base().unwrap(), &step("proc", planned("x")), BOUNDS).unwrap_err();
    assert!(failure.message.contains("another mount"), "{failure:?}");
}

#[test]
fn a_file_with_a_nul_is_binary() {
    let (_dir, roots) = tree(&[("a", "x\0"), ("b", "x")]);
    assert_eq!(places(&found(&roots, planned("x"))), ["b:1"]);
}

#[test]
fn results_end_where_the_plan_says() {
    let (_dir, roots) = tree(&[("a", "x\nx"), ("b", "x")]);
    for (results_max, count, is_truncated) in [(3, 3, false), (2, 2, true), (1, 1, true)] {
        let found = found(&roots, Planned { results_max, ..planned("x") });
        assert_eq!((found.matches.len(), found.is_truncated), (count, is_truncated), "{results_max}");
    }
}

#[test]
fn the_output_is_bounded() {
    let (_dir, roots) = tree(&[("a", "x\nx")]);
    // "a", "1" or "2", "x", each with a NUL.
    for (bytes_max, count, is_truncated) in [(12, 2, false), (11, 1, true), (5, 0, true)] {
        let found = within(&roots, &FsStep { bytes_max, ..step("", planned("x")) }, BOUNDS);
        assert_eq!((found.matches.len(), found.is_truncated), (count, is_truncated), "{bytes_max}");
    }
}

#[test]
fn a_line_is_cut_at_400_characters() {
    let (_dir, roots) = tree(&[("a", &"é".repeat(400)), ("b", &"é".repeat(401))]);
    let all = found(&roots, planned("é"));
    assert!(all.matches.iter().all(|found| found.text == "é".repeat(400)));
    assert!(!all.is_truncated);
}

#[test]
fn every_bound_has_two_sides() {
    let (_dir, roots) = tree(&[("a", "---x\n"), ("b", "---x\n"), ("d/c", "x")]);
    let all = ["a:1", "b:1", "d/c:1"];
    for (bounds, expected, is_truncated) in [
        (Bounds { entries: 4, ..BOUNDS }, &all[..], false),
        (Bounds { entries: 3, ..BOUNDS }, &all[..2], true),
        (Bounds { bytes: 12, ..BOUNDS }, &all[..], false),
        // All was read, and whether there is more was not looked at.
        (Bounds { bytes: 11, ..BOUNDS }, &all[..], true),
        (Bounds { bytes: 10, ..BOUNDS }, &all[..2], true),
        (Bounds { bytes: 8, ..BOUNDS }, &all[..1], true),
        (Bounds { file_bytes: 5, ..BOUNDS }, &all[..], false),
        (Bounds { file_bytes: 3, ..BOUNDS }, &all[2..], true),
        (Bounds { line_bytes: 4, ..BOUNDS }, &all[..], false),
        (Bounds { line_bytes: 3, ..BOUNDS }, &all[2..], true),
        (Bounds { time: Duration::ZERO, ..BOUNDS }, &[], true),
    ] {
        let found = within(&roots, &step("", planned("x")), bounds);
        assert_eq!(places(&found), expected);
        assert_eq!(found.is_truncated, is_truncated, "{expected:?}");
    }
}

#[test]
fn a_search_needs_what_the_plan_looks_for() {
    let (_dir, roots) = tree(&[("a", "x")]);
    let failure = perform(&roots, &FsStep { search: None, ..step("", planned("x")) }).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    let failure = perform(&roots, &step("", Planned { is_regex: true, ..planned("(") })).unwrap_err();
    assert_eq!(failure.kind, Kind::Refused);
    assert!(matches!(perform(&roots, &step("", planned("x"))), Ok(Output::Found(_))));
    assert_eq!(perform(&roots, &step("a", planned("x"))).unwrap_err().kind, Kind::Refused);
    assert_eq!(perform(&roots, &step("b", planned("x"))).unwrap_err().kind, Kind::NotFound);
}
