//! Guests that flood the host: with calls, with lines, with output.

use latchgate_monitor::manifest::Limits;

use super::super::support::{FS, HTTP, LOG, component, core, guest};
use super::{FOREVER, check, check_within, limits, repeat};

fn calls(import: &str, times: u32, act: &str) -> Vec<u8> {
    guest(import, &format!("{} (call $ok)", repeat(times, act)))
}

#[tokio::test]
async fn a_flood_of_requests_is_stopped() {
    let act = "(call $http (local.get $i) (i32.const 1024))";
    check("requests", &calls(HTTP, FOREVER, act), "limits.host_calls", &calls(HTTP, 16, act)).await;
}

#[tokio::test]
async fn a_flood_of_file_operations_is_stopped() {
    let act = "(call $fs (local.get $i) (i32.const 1024))";
    check("file operations", &calls(FS, FOREVER, act), "limits.host_calls", &calls(FS, 16, act)).await;
}

#[tokio::test]
async fn a_flood_of_lines_is_stopped() {
    let act = "(call $log (i32.const 3) (i32.const 16) (i32.const 4))";
    check("lines", &calls(LOG, FOREVER, act), "limits.time_ms", &calls(LOG, 20, act)).await;
}

#[tokio::test]
async fn a_line_of_many_megabytes_is_stopped() {
    let limits = Limits { memory_mib: 512, response_bytes: 1000, ..limits() };
    let line = |bytes: u32| {
        let act = format!("(call $log (i32.const 3) (i32.const 65536) (i32.const {bytes}))");
        guest(LOG, &format!("(drop (memory.grow (i32.const 8000))) {act} (call $ok)"))
    };
    check_within("a line", limits, &line(500 << 20), "limits.response_bytes", &line(10_000)).await;
}

#[tokio::test]
async fn output_of_a_gigabyte_is_stopped() {
    let limits = Limits { memory_mib: 512, response_bytes: 1000, ..limits() };
    let say = |bytes: u32| {
        let text = "(memory.fill (i32.const 65536) (i32.const 0x20) (i32.const 400)) (i32.store (i32.const 65536) (i32.const 0x6c6c756e))";
        let act = format!("(call $say (i32.const 0) (i32.const 65536) (i32.const {bytes}))");
        guest("", &format!("(drop (memory.grow (i32.const 8000))) {text} {act}"))
    };
    let twin = say(4);
    check_within("500 MiB", limits, &say(500 << 20), "limits.response_bytes", &twin).await;
    // More than there is memory.
    check_within("1 GiB", limits, &say(1 << 30), "the component failed", &twin).await;
    check_within("4 GiB", limits, &say(u32::MAX), "the component failed", &twin).await;
}

const RANDOM: &str = "
    package test:other;
    world other {
        import wasi:random/random@0.2.0;
        export run: func(invocation: string) -> result<string, string>;
    }
    package wasi:random@0.2.0 {
        interface random { get-random-bytes: func(len: u64) -> list<u8>; }
    }";

#[tokio::test]
async fn randomness_by_the_gigabyte_is_stopped() {
    let random = |bytes: u64| {
        let import =
            r#"(import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))"#;
        let body = format!("(call $random (i64.const {bytes}) (i32.const 1024)) (call $ok)");
        component(&core(import, &body), RANDOM)
    };
    check("randomness", &random(1 << 40), "failed in the sandbox", &random(1000)).await;
}
