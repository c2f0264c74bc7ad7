//! What counts as test code, and how `use` items are read.

use super::*;

fn shipped(text: &str) -> String {
    let source = Source::parse("kernel/wire/src/id.rs", text);
    source.shipped_lines().map(|line| line.code.trim_end().to_owned()).collect::<Vec<_>>().join("|")
}

#[test]
fn items_under_cfg_test_do_not_ship() {
    for (text, left) in [
        ("a();\n#[cfg(test)]\nmod tests {\n  b();\n}\nc();", "a();|c();"),
        ("#[cfg(test)]\nuse a::{b, c};\nd();", "d();"),
        ("#[cfg(test)]\n#[derive(Debug)]\nstruct A { b: [u8; 3] }\nd();", "d();"),
        ("#[cfg(test)]\nfn a(b: [u8; 3]) {\n  c;\n}\nd();", "d();"),
        ("#[cfg(all(test, unix))]\nfn a() {}\nd();", "d();"),
        ("struct A {\n  #[cfg(test)]\n  b: u8\n}\nd();", "struct A {|}|d();"),
    ] {
        assert_eq!(shipped(text), left, "{text}");
    }
}

#[test]
fn items_that_tests_share_with_a_feature_ship() {
    for text in ["#[cfg(any(test, feature = \"x\"))]\nfn a() {}", "#[cfg(not(test))]\nfn a() {}"] {
        assert!(shipped(text).ends_with("fn a() {}"), "{text}");
    }
}

#[test]
fn a_brace_in_a_string_does_not_end_a_test_module() {
    assert_eq!(shipped("#[cfg(test)]\nmod tests {\n  f(\"}\");\n  g();\n}\nd();"), "d();");
}

#[test]
fn files_of_test_modules_do_not_ship() {
    let mut sources = [
        Source::parse("kernel/wire/src/lib.rs", "mod id;\n#[cfg(test)]\nmod fakes;"),
        Source::parse("kernel/wire/src/fakes.rs", "a();"),
        Source::parse("kernel/wire/src/fakes/clock.rs", "a();"),
        Source::parse("kernel/wire/src/id.rs", "#[cfg(test)]\nmod tests;"),
        Source::parse("kernel/wire/src/id/tests.rs", "a();"),
        Source::parse("kernel/wire/src/tests.rs", "a();"),
    ];
    mark_test_files(&mut sources);
    let ships: Vec<bool> = sources.iter().map(|source| source.shipped_lines().count() > 0).collect();
    assert_eq!(ships, [true, false, false, false, false, true]);
}

#[test]
fn suites_do_not_ship() {
    for (path, ships) in [
        ("tests/e2e/call.rs", false),
        ("kernel/wire/tests/vectors.rs", false),
        ("adapter/benches/list.rs", false),
        ("kernel/wire/src/tests.rs", true),
    ] {
        assert_eq!(Source::parse(path, "a();").shipped_lines().count() > 0, ships, "{path}");
    }
}

#[test]
fn groups_in_use_items_are_spelt_out() {
    let source =
        Source::parse("a.rs", "use std::{\n  fs,\n  net::{TcpStream, UdpSocket as U},\n};\nuse a::b;");
    let expected = [(2, "std::fs"), (3, "std::net::TcpStream"), (3, "std::net::UdpSocket as U"), (5, "a::b")];
    assert_eq!(source.shipped_uses(), expected.map(|(line, path)| (line, path.to_owned())));
}

#[test]
fn use_items_of_tests_are_not_read() {
    assert!(Source::parse("a.rs", "#[cfg(test)]\nmod tests {\n  use std::fs;\n}").shipped_uses().is_empty());
}

#[test]
fn a_name_is_found_from_its_start() {
    assert!(names("tokio::net::TcpStream::connect(a)", "TcpStream::connect"));
    assert!(!names("MyTcpStream::connect(a)", "TcpStream::connect"));
    assert!(has_word("unsafe { a }", "unsafe"));
    assert!(!has_word("allow(unsafe_code)", "unsafe"));
}
