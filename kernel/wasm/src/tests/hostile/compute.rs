//! Guests that never end by themselves.

use latchgate_monitor::manifest::Limits;

use super::super::support::guest;
use super::{FOREVER, check, check_within, limits, repeat};

const TIME: &str = "limits.time_ms";

fn ending(act: &str) -> Vec<u8> {
    guest("", &format!("{act} (call $ok)"))
}

#[tokio::test]
async fn an_infinite_loop_is_stopped() {
    check("an infinite loop", &ending(&repeat(FOREVER, "")), TIME, &ending(&repeat(10, ""))).await;
}

#[tokio::test]
async fn a_jump_table_that_leads_back_is_stopped() {
    let jump = |to: u32| ending(&format!("(loop $l (block $out (br_table $out $l $l (i32.const {to}))))"));
    check("a jump table", &jump(1), TIME, &jump(0)).await;
    check("a jump table's default", &jump(99), TIME, &jump(0)).await;
}

#[tokio::test]
async fn two_functions_that_call_each_other_without_end_are_stopped() {
    let dive = |depth: u32| {
        let functions = "
            (func $ping (param i32) (if (local.get 0) (then (call $pong (i32.sub (local.get 0) (i32.const 1))))))
            (func $pong (param i32) (if (local.get 0) (then (call $ping (i32.sub (local.get 0) (i32.const 1))))))";
        guest(functions, &format!("(call $ping (i32.const {depth})) (call $ok)"))
    };
    // Whichever comes first: each call is a check, too.
    check("endless calls", &dive(FOREVER), TIME, &dive(10)).await;
}

#[tokio::test]
async fn calls_through_a_table_without_end_are_stopped() {
    let spin = |times: u32| {
        let functions =
            "(type $t (func)) (table $f 1 funcref) (elem (table $f) (i32.const 0) func $work) (func $work)";
        guest(
            functions,
            &format!("{} (call $ok)", repeat(times, "(call_indirect $f (type $t) (i32.const 0))")),
        )
    };
    check("indirect calls", &spin(FOREVER), TIME, &spin(10)).await;
}

#[tokio::test]
async fn bulk_memory_instructions_in_a_loop_are_stopped() {
    let mib: u32 = 1 << 20;
    for act in [
        "(memory.fill (i32.const 65536) (i32.const 1) SIZE)",
        "(memory.copy (i32.const 65536) (i32.const 65544) SIZE)",
    ] {
        let spin = |times: u32, bytes: u32| {
            let act = act.replace("SIZE", &format!("(i32.const {bytes})"));
            ending(&format!("(drop (memory.grow (i32.const 900))) {}", repeat(times, &act)))
        };
        check(act, &spin(FOREVER, 16), TIME, &spin(10, 16)).await;
        check(act, &spin(FOREVER, 56 * mib), TIME, &spin(10, mib)).await;
    }
}

#[tokio::test]
async fn one_giant_bulk_instruction_costs_fuel_for_each_byte_before_it_begins() {
    let limits = Limits { fuel: 1_000_000, ..limits() };
    let fill = |bytes: u32| {
        let act = format!("(memory.fill (i32.const 65536) (i32.const 1) (i32.const {bytes}))");
        ending(&format!("(drop (memory.grow (i32.const 900))) {act}"))
    };
    check_within("a giant fill", limits, &fill(56 << 20), "limits.fuel", &fill(500_000)).await;
    // Of a length that the compiler does not know.
    let copy = |pages: u32| {
        let length = format!("(i32.mul (memory.grow (i32.const {pages})) (i32.const 0))");
        let length =
            format!("(i32.add {length} (i32.shl (i32.sub (memory.size) (i32.const 4)) (i32.const 16)))");
        ending(&format!("(memory.copy (i32.const 65536) (i32.const 131072) {length})"))
    };
    check_within("a giant copy", limits, &copy(900), "limits.fuel", &copy(4)).await;
}

#[tokio::test]
async fn bulk_table_instructions_in_a_loop_are_stopped() {
    let table = "(table $t 20000 funcref)";
    for act in [
        "(table.fill $t (i32.const 0) (ref.null func) (i32.const 20000))",
        "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 19999))",
    ] {
        let spin = |times: u32| guest(table, &format!("{} (call $ok)", repeat(times, act)));
        check(act, &spin(FOREVER), TIME, &spin(1)).await;
    }
}

#[tokio::test]
async fn a_loop_over_initialised_data_is_stopped() {
    let spin = |times: u32| {
        let act = "(memory.init $d (i32.const 4096) (i32.const 0) (i32.const 8))";
        guest("(data $d \"01234567\")", &format!("{} (call $ok)", repeat(times, act)))
    };
    check("memory.init", &spin(FOREVER), TIME, &spin(10)).await;
}
