//! Guests that look for what others left, or leave something for the next.

use super::super::support::{guest, host, run_on, scripted};
use super::{TICKS, innocent, limits};
use crate::Roots;

/// Fails if a word from `from` to the end of the memory is not zero, or an element of the table not null.
const LOOK: &str = "
    (drop (memory.grow (i32.const 64)))
    (local.set $i (i32.const 131072))
    (loop $l
        (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then (return (call $fail))))
        (local.set $i (i32.add (local.get $i) (i32.const 8)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 4456448))))
    (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (local.set $i (i32.const 0))
    (loop $l
        (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then (return (call $fail))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))";
const TABLE: &str = "(table $t 1 funcref) (func $f) (elem declare func $f)";

/// Instances come from a pool, and take over the memory of instances before them.
#[tokio::test]
async fn a_guest_finds_nothing_of_another_guest() {
    let host = host(Roots::none());
    let leave = guest(
        TABLE,
        "(drop (memory.grow (i32.const 64)))
        (memory.fill (i32.const 131072) (i32.const 0xaa) (i32.const 4325376))
        (drop (table.grow $t (ref.func $f) (i32.const 1000))) (call $ok)",
    );
    let look = guest(TABLE, &format!("{LOOK} (call $ok)"));
    for _ in 0..5 {
        innocent(&host, "leaving", &leave, limits()).await;
        innocent(&host, "looking", &look, limits()).await;
    }
    // That it would have seen it.
    for act in ["(i32.store8 (i32.const 200000) (i32.const 1))", "(table.set $t (i32.const 0) (ref.func $f))"]
    {
        let sees = guest(TABLE, &format!("{act} {LOOK} (call $ok)"));
        assert_eq!(run_on(&host, &sees, limits(), vec![]).await.output, Err("null".into()), "{act}");
    }
}

/// A guest that was stopped in the middle leaves no more than one that ended.
#[tokio::test]
async fn a_guest_finds_nothing_of_one_that_was_stopped() {
    let host = scripted(TICKS);
    let leave = guest(
        TABLE,
        "(drop (memory.grow (i32.const 64)))
        (memory.fill (i32.const 131072) (i32.const 0xaa) (i32.const 4325376)) (loop $l (br $l)) (call $ok)",
    );
    assert!(run_on(&host, &leave, limits(), vec![]).await.stopped.is_some());
    // A look takes many checks.
    let look = |from: u32| {
        guest(
            "",
            &format!(
                "(drop (memory.grow (i32.const 64))) (local.set $i (i32.const {from}))
                (if (i64.ne (i64.load (i32.const 131072)) (i64.const 0)) (then (return (call $fail))))
                (loop $l (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then (return (call $fail))))
                    (local.set $i (i32.add (local.get $i) (i32.const 65536)))
                    (br_if $l (i32.lt_u (local.get $i) (i32.const 4456448)))) (call $ok)"
            ),
        )
    };
    for from in [131_072, 135_168, 196_600] {
        innocent(&host, "looking", &look(from), limits()).await;
    }
}

#[tokio::test]
async fn a_guest_finds_nothing_of_itself() {
    let host = scripted(TICKS);
    let counts = |module: &str, count: &str| {
        let body = format!(
            "(if {count} (then (return (call $fail)))) (global.set $n (i32.const 1))
            (i32.store (i32.const 2048) (i32.const 1)) (table.set $t (i32.const 0) (ref.func $f)) (call $ok)"
        );
        guest(&format!("{TABLE} (global $n (mut i32) (i32.const 0)) {module}"), &body)
    };
    for count in [
        "(global.get $n)",
        "(i32.load (i32.const 2048))",
        "(i32.eqz (ref.is_null (table.get $t (i32.const 0))))",
    ] {
        let guest = counts("", count);
        for _ in 0..3 {
            innocent(&host, count, &guest, limits()).await;
        }
    }
    // That it would have seen it.
    let guest = counts("(func $s (global.set $n (i32.const 1))) (start $s)", "(global.get $n)");
    assert_eq!(run_on(&host, &guest, limits(), vec![]).await.output, Err("null".into()));
}
