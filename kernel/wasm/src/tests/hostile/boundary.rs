//! Guests that lie at the border: strings, results and allocations that are not what they are said to be.

use super::super::support::{HTTP, LOG, component, core, guest};
use super::{FOREVER, check, limits, repeat};
use crate::tests::support::{get, run_on, scripted, server, stopped};

/// `run` returns what `$say` says of this text.
fn says(tag: u32, at: u32, bytes: u32, data: &str) -> Vec<u8> {
    let body = format!("(call $say (i32.const {tag}) (i32.const {at}) (i32.const {bytes}))");
    guest(&format!("(data (i32.const 100) \"{data}\")"), &body)
}

#[tokio::test]
async fn a_string_outside_the_memory_is_none() {
    let twin = says(0, 100, 4, "null");
    for (at, bytes) in
        [(4 << 16, 1), ((4 << 16) - 3, 4), (u32::MAX, 1), (100, u32::MAX), (u32::MAX, u32::MAX)]
    {
        check(&format!("{bytes} bytes at {at}"), &says(0, at, bytes, "null"), "the component failed", &twin)
            .await;
    }
}

#[tokio::test]
async fn a_string_that_is_no_utf_8_is_none() {
    let twin = says(0, 100, 4, "null");
    for data in ["\\ff\\fe\\fd\\fc", "nul\\c3", "\\ed\\a0\\80x", "\\c0\\80xx", "\\f4\\90\\80\\80"] {
        check(data, &says(0, 100, 4, data), "the component failed", &twin).await;
    }
}

#[tokio::test]
async fn a_result_that_is_neither_is_none() {
    check("tag 2", &says(2, 100, 4, "null"), "the component failed", &says(0, 100, 4, "null")).await;
    check("tag 255", &says(255, 100, 4, "null"), "the component failed", &says(0, 100, 4, "null")).await;
}

#[tokio::test]
async fn a_result_that_lies_nowhere_is_none() {
    let result = |at: u32| guest("", &format!("(drop (call $ok)) (i32.const {at})"));
    for at in [1, 4 << 16, (4 << 16) - 4, u32::MAX - 3] {
        check(&format!("a result at {at}"), &result(at), "the component failed", &result(0)).await;
    }
}

const REALLOC: &str = r#"(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)"#;

/// A guest whose allocator does `act` first.
fn allocating(imports: &str, act: &str) -> Vec<u8> {
    let core = core(imports, "(call $ok)");
    assert!(core.contains(REALLOC));
    component(&core.replace(REALLOC, &format!("{REALLOC} (local $i i32) {act}")), "")
}

#[tokio::test]
async fn an_allocator_that_lies_spins_or_traps_stops_the_call_alone() {
    let (twin, failed) = (allocating("", "nop"), "the component failed");
    check("outside", &allocating("", "(return (i32.const 0x7ffffff0))"), failed, &twin).await;
    check("at the end", &allocating("", "(return (i32.const 262143))"), failed, &twin).await;
    check("the highest address", &allocating("", "(return (i32.const -1))"), failed, &twin).await;
    check("a trap", &allocating("", "unreachable"), "unreachable", &twin).await;
    let spin = |times: u32| allocating("", &repeat(times, ""));
    check("a spin", &spin(FOREVER), "limits.time_ms", &spin(10)).await;
    let grow = |pages: u32| allocating("", &format!("(drop (memory.grow (i32.const {pages})))"));
    check("growth", &grow(2000), "limits.memory_mib", &grow(20)).await;
}

/// An import called while the host is in the middle of handing over the arguments.
#[tokio::test]
async fn an_allocator_that_calls_the_host_stops_the_call_alone() {
    let line = "(call $log (i32.const 1) (i32.const 16) (i32.const 4))";
    check("a line", &allocating(LOG, line), "the component failed", &allocating(LOG, "nop")).await;
    let request = "(call $http (i32.const 0) (i32.const 1024))";
    check("a request", &allocating(HTTP, request), "the component failed", &allocating(HTTP, "nop")).await;
}

/// What the host gives is written where the guest says: never outside its memory.
#[tokio::test]
async fn a_return_area_outside_the_memory_stops_the_call() {
    let url = server("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello").await;
    let perform = |at: u32| guest(HTTP, &format!("(call $http (i32.const 0) (i32.const {at})) (call $ok)"));
    let host = scripted(super::TICKS);
    for at in [4 << 16, (4 << 16) - 4, 1025, u32::MAX] {
        let ran = run_on(&host, &perform(at), limits(), vec![get(&url)]).await;
        assert!(stopped(&ran).message.contains("the component failed"), "{at}: {:?}", ran.stopped);
    }
    let ran = run_on(&host, &perform(1024), limits(), vec![get(&url)]).await;
    assert_eq!(ran.output, Ok("null".into()), "{:?}", ran.stopped);
}

/// What a guest hands to the host is read like a result: within its memory, as UTF-8, with a level that there is.
#[tokio::test]
async fn arguments_that_lie_stop_the_call() {
    let line = |level: u32, at: u32, bytes: u32| {
        let act = format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {bytes}))");
        guest(&format!("{LOG} (data (i32.const 100) \"\\ff\\ff\")"), &format!("{act} (call $ok)"))
    };
    let twin = line(3, 16, 4);
    for (level, at, bytes) in [(4, 16, 4), (u32::MAX, 16, 4), (3, 100, 2), (3, 4 << 16, 1), (3, 16, u32::MAX)]
    {
        check(&format!("{level} {at} {bytes}"), &line(level, at, bytes), "the component failed", &twin).await;
    }
}
