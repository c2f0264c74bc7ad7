//! Guests that do their harm before `run` is called, or after it returned.

use super::super::support::{component, core, guest};
use super::{FOREVER, check, repeat};

#[tokio::test]
async fn a_start_function_that_spins_is_stopped() {
    let start = |times: u32| {
        guest(&format!("(func $s (local $i i32) {}) (start $s)", repeat(times, "")), "(call $ok)")
    };
    check("a start function", &start(FOREVER), "limits.time_ms", &start(10)).await;
}

#[tokio::test]
async fn a_start_function_that_takes_memory_is_stopped() {
    let start = |pages: u32| {
        let module = core("(func $s (drop (memory.grow (i32.const PAGES)))) (start $s)", "(call $ok)");
        component(&module.replace("PAGES", &pages.to_string()), "")
    };
    check("a start function", &start(2000), "limits.memory_mib", &start(20)).await;
}

#[tokio::test]
async fn a_start_function_that_traps_stops_the_call_alone() {
    let start = |act: &str| guest(&format!("(func $s {act}) (start $s)"), "(call $ok)");
    check("a start function", &start("unreachable"), "unreachable", &start("nop")).await;
}

#[tokio::test]
async fn data_outside_the_memory_stops_the_call_alone() {
    let data = |at: u32| guest(&format!("(data (i32.const {at}) \"x\")"), "(call $ok)");
    check("data", &data(4 << 16), "the component failed", &data((4 << 16) - 1)).await;
    let element = |at: u32| {
        guest(
            &format!("(table $t 2 funcref) (func $f) (elem (table $t) (i32.const {at}) func $f)"),
            "(call $ok)",
        )
    };
    check("an element", &element(2), "the component failed", &element(1)).await;
}

#[tokio::test]
async fn a_guest_that_spins_after_its_return_is_stopped() {
    let after = |times: u32| {
        let function =
            format!(r#"(func (export "cabi_post_run") (param i32) (local $i i32) {})"#, repeat(times, ""));
        guest(&function, "(call $ok)")
    };
    check("after the return", &after(FOREVER), "limits.time_ms", &after(10)).await;
}

#[tokio::test]
async fn a_guest_that_traps_after_its_return_has_not_returned() {
    let after =
        |act: &str| guest(&format!(r#"(func (export "cabi_post_run") (param i32) {act})"#), "(call $ok)");
    check("after the return", &after("unreachable"), "unreachable", &after("nop")).await;
}

#[tokio::test]
async fn every_trap_stops_the_call_alone() {
    let table = "(type $t (func)) (type $other (func (param i32))) (table $f 2 funcref)
        (elem (table $f) (i32.const 0) func $work) (func $work)";
    for (hostile, word, twin) in [
        ("unreachable", "unreachable", "nop"),
        (
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
            "divide by zero",
            "(drop (i32.div_s (i32.const 1) (i32.const 1)))",
        ),
        (
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
            "overflow",
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const 1)))",
        ),
        ("(drop (i32.load (i32.const 262141)))", "out of bounds", "(drop (i32.load (i32.const 262140)))"),
        (
            "(i32.store8 (i32.const -1) (i32.const 0))",
            "out of bounds",
            "(i32.store8 (i32.const 262143) (i32.const 0))",
        ),
        (
            "(call_indirect $f (type $t) (i32.const 1))",
            "the component failed",
            "(call_indirect $f (type $t) (i32.const 0))",
        ),
        (
            "(call_indirect $f (type $t) (i32.const 2))",
            "the component failed",
            "(call_indirect $f (type $t) (i32.const 0))",
        ),
        (
            "(call_indirect $f (type $other) (i32.const 1) (i32.const 0))",
            "the component failed",
            "(call_indirect $f (type $t) (i32.const 0))",
        ),
        (
            "(drop (i32.trunc_f32_s (f32.const nan)))",
            "the component failed",
            "(drop (i32.trunc_f32_s (f32.const 1)))",
        ),
    ] {
        let guest = |act: &str| guest(table, &format!("{act} (call $ok)"));
        check(hostile, &guest(hostile), word, &guest(twin)).await;
    }
}
