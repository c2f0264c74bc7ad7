//! What is admitted as a module.

use latchgate_monitor::manifest::{Import, Limits};
use latchgate_wire::digest::Digest;

use super::support::{FS, HTTP, guest, host, job};
use crate::{RegisterError, Roots};

fn register(component: &[u8], imports: &[Import]) -> Result<(), RegisterError> {
    host(Roots::none()).register("test", component, Digest::of(component), imports)
}

fn refusal(wat: &str) -> String {
    register(&wat::parse_str(wat).unwrap(), super::support::ALL).unwrap_err().to_string()
}

#[test]
fn a_module_with_another_digest_is_refused() {
    let component = guest("", "(call $ok)");
    let pinned = Digest::of(b"other");
    let error = host(Roots::none()).register("builtin:x", &component, pinned, &[]).unwrap_err();
    let expected =
        format!("module builtin:x has digest {}, the manifest pins {pinned}", Digest::of(&component));
    assert_eq!(error.to_string(), expected);
    assert_eq!(register(&component, &[]), Ok(()));
}

#[test]
fn an_undeclared_import_is_refused_by_name() {
    let component = guest(FS, "(call $fs (i32.const 0) (i32.const 1024)) (call $ok)");
    assert_eq!(register(&component, &[Import::Fs]), Ok(()));
    for imports in [&[][..], &[Import::Http, Import::Log]] {
        let error = register(&component, imports).unwrap_err().to_string();
        assert!(error.contains("imports latchgate:action/fs@1.0.0"), "{error}");
    }
}

#[test]
fn an_unknown_import_is_refused_by_name() {
    for name in ["evil:net/socket@1.0.0", "latchgate:action/exec@1.0.0", "latchgate:action/http@2.0.0"] {
        let error = refusal(&format!(r#"(component (import "{name}" (instance)))"#));
        assert!(error.contains(&format!("imports {name}, which the manifest does not declare")), "{error}");
    }
}

#[test]
fn files_and_sockets_of_wasi_are_refused() {
    for (name, word) in [
        ("wasi:filesystem/preopens@0.2.0", "files"),
        ("wasi:sockets/tcp@0.2.0", "sockets"),
        ("wasi:http/outgoing-handler@0.2.0", "only cli, clocks, io and random"),
    ] {
        let error = refusal(&format!(r#"(component (import "{name}" (instance)))"#));
        assert!(error.contains(name) && error.contains(word), "{error}");
    }
}

#[test]
fn a_component_without_run_is_refused() {
    assert!(refusal("(component)").contains("it exports no `run`"));
}

#[test]
fn a_run_of_another_type_is_refused() {
    let error = refusal(
        r#"(component
            (core module $m (func (export "run")))
            (core instance $i (instantiate $m))
            (func (export "run") (canon lift (core func $i "run"))))"#,
    );
    assert!(
        error.contains("does not export `run: func(invocation: string) -> result<string, string>`"),
        "{error}"
    );
}

#[test]
fn what_is_no_component_is_refused() {
    let module = wat::parse_str("(module)").unwrap();
    for bytes in [&b""[..], b"(component)", &module] {
        assert!(matches!(register(bytes, &[]), Err(RegisterError::Compile { .. })));
    }
}

#[test]
fn an_interface_of_another_type_is_refused() {
    let wrong = r#"(component
        (import "latchgate:action/log@1.0.0" (instance (export "write" (func (param "message" string)))))
        (core module $m (func (export "run") (param i32 i32) (result i32) unreachable) (memory (export "m") 1)
            (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable))
        (core instance $i (instantiate $m))
        (func (export "run") (param "invocation" string) (result (result string (error string)))
            (canon lift (core func $i "run") (memory (core memory $i "m")) (realloc (core func $i "r")))))"#;
    assert!(refusal(wrong).contains("cannot be linked"), "{}", refusal(wrong));
}

/// Registered for one set of imports, not for another.
#[tokio::test]
async fn a_module_is_found_under_its_own_imports_alone() {
    let component = guest(HTTP, "(call $http (i32.const 0) (i32.const 1024)) (call $ok)");
    let host = host(Roots::none());
    host.register("test", &component, Digest::of(&component), &[Import::Http]).unwrap();
    let mut other = job(&component, Limits::default(), vec![]);
    other.imports = vec![Import::Http, Import::Fs];
    let ran = host.run_job(other, "{}").await;
    assert!(ran.stopped.is_some_and(|stopped| stopped.message.contains("is not loaded")));
    let mut same = job(&component, Limits::default(), vec![]);
    same.imports = vec![Import::Http];
    assert_eq!(host.run_job(same, "{}").await.output, Ok("null".into()));
}
