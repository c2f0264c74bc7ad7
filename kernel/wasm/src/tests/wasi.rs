//! Components that import WASI find nothing in it.

use latchgate_monitor::manifest::Limits;

use super::support::{component, core, run, stopped};

const WIT: &str = "
    package test:other;
    world other {
        import wasi:cli/environment@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0;
        export run: func(invocation: string) -> result<string, string>;
    }
    package wasi:cli@0.2.0 {
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
        }
    }
    package wasi:io@0.2.0 {
        interface poll { resource pollable { block: func(); } }
    }
    package wasi:clocks@0.2.0 {
        interface monotonic-clock {
            use wasi:io/poll@0.2.0.{pollable};
            subscribe-duration: func(when: u64) -> pollable;
        }
    }";

#[tokio::test]
async fn environment_and_arguments_are_empty() {
    let imports = r#"
        (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
        (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#;
    let body = "(call $environment (i32.const 1024)) (call $arguments (i32.const 1032))
        (if (i32.or (i32.load (i32.const 1028)) (i32.load (i32.const 1036))) (then (return (call $fail))))
        (call $ok)";
    let ran = run(&component(&core(imports, body), WIT), Limits::default(), vec![]).await;
    assert_eq!(ran.output, Ok("null".into()), "{:?}", ran.stopped);
}

/// The epoch does not interrupt a host call, and this one has no deadline of its own.
#[tokio::test]
async fn a_guest_that_sleeps_is_stopped() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;
    let sleep = |ns: u64| {
        component(&core(imports, &format!("(call $block (call $after (i64.const {ns}))) (call $ok)")), WIT)
    };
    let limits = Limits { time_ms: 200, ..Limits::default() };
    assert_eq!(run(&sleep(1000), limits, vec![]).await.output, Ok("null".into()));
    let ran = run(&sleep(60_000_000_000), limits, vec![]).await;
    assert!(stopped(&ran).message.contains("limits.time_ms"), "{ran:?}");
    println!("sleeping: stopped after {} ms, the limit was 200 ms", ran.runtime.duration_ms);
    assert!((200..5000).contains(&ran.runtime.duration_ms), "{:?}", ran.runtime);
}
