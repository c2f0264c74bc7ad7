//! Components that import WASI find nothing in it.

use std::task::Poll;

use latchgate_monitor::manifest::Limits;
use latchgate_wire::digest::Digest;

use super::support::{ALL, component, core, host, job, run, stopped};
use crate::Roots;
use crate::engine::GUESTS_MAX;

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

const SLEEP: &str = r#"
    (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))"#;

fn sleeper(ns: u64) -> Vec<u8> {
    component(&core(SLEEP, &format!("(call $block (call $after (i64.const {ns}))) (call $ok)")), WIT)
}

/// The epoch does not interrupt a host call, and this one has no deadline of its own.
#[tokio::test]
async fn a_guest_that_sleeps_is_stopped() {
    let limits = Limits { time_ms: 200, ..Limits::default() };
    assert_eq!(run(&sleeper(1000), limits, vec![]).await.output, Ok("null".into()));
    let ran = run(&sleeper(60_000_000_000), limits, vec![]).await;
    assert!(stopped(&ran).message.contains("limits.time_ms"), "{ran:?}");
    println!("sleeping: stopped after {} ms, the limit was 200 ms", ran.runtime.duration_ms);
    assert!(ran.runtime.duration_ms >= 200, "{:?}", ran.runtime);
}

#[tokio::test]
async fn calls_beyond_the_places_wait_for_one() {
    let (host, component) = (host(Roots::none()), sleeper(50_000_000));
    host.register("test", &component, Digest::of(&component), ALL).unwrap();
    let calls = (0..GUESTS_MAX + 20).map(|_| host.run_job(job(&component, Limits::default(), vec![]), "{}"));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let all = std::future::poll_fn(|cx| {
        let mut is_pending = false;
        calls.retain_mut(|call| match call.as_mut().poll(cx) {
            Poll::Ready(ran) => {
                assert_eq!(ran.output, Ok("null".into()), "{:?}", ran.stopped);
                false
            }
            Poll::Pending => {
                is_pending = true;
                true
            }
        });
        if is_pending { Poll::Pending } else { Poll::Ready(()) }
    });
    all.await;
}
