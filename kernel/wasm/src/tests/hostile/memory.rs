//! Guests that take memory, tables and stack.

use latchgate_monitor::manifest::Limits;
use latchgate_wire::digest::Digest;

use super::super::support::{ALL, component, core, guest, host, run_on};
use super::{FOREVER, TICKS, check, check_within, innocent, limits, repeat};
use crate::pace::Pace;
use crate::{RegisterError, Roots};

#[tokio::test]
async fn memory_that_grows_page_by_page_is_stopped_at_the_limit() {
    let limits = Limits { memory_mib: 2, ..limits() };
    let grow = |times: u32| {
        guest("", &format!("{} (call $ok)", repeat(times, "(drop (memory.grow (i32.const 1)))")))
    };
    check_within("growth in a loop", limits, &grow(FOREVER), "limits.memory_mib", &grow(28)).await;
}

#[tokio::test]
async fn memory_that_grows_at_once_is_stopped_at_the_limit() {
    let grow = |pages: u32| guest("", &format!("(drop (memory.grow (i32.const {pages}))) (call $ok)"));
    check("growth at once", &grow(65_532), "limits.memory_mib", &grow(1020)).await;
}

#[tokio::test]
async fn memory_that_is_there_from_the_start_counts() {
    let pages = |pages: u32| {
        component(
            &core("", "(call $ok)").replace("(export \"memory\") 4", &format!("(export \"memory\") {pages}")),
            "",
        )
    };
    check("a large first memory", &pages(1025), "limits.memory_mib", &pages(1024)).await;
}

#[tokio::test]
async fn a_table_that_grows_is_stopped_at_its_bound() {
    let grow = |elements: u32| {
        let act = format!("(drop (table.grow $t (ref.null func) (i32.const {elements}))) (call $ok)");
        guest("(table $t 1 funcref)", &act)
    };
    check("a table", &grow(20_000), "a table of more than 20000", &grow(19_999)).await;
    let slowly = |times: u32| {
        let act = repeat(times, "(drop (table.grow $t (ref.null func) (i32.const 1000)))");
        guest("(table $t 1 funcref)", &format!("{act} (call $ok)"))
    };
    check("a table, slowly", &slowly(FOREVER), "a table of more than 20000", &slowly(19)).await;
}

#[tokio::test]
async fn recursion_ends_with_the_stack() {
    let dive = |depth: u32| {
        let function = "(func $dive (param i32) (result i32) (if (result i32) (local.get 0)
            (then (i32.add (call $dive (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))";
        guest(function, &format!("(drop (call $dive (i32.const {depth}))) (call $ok)"))
    };
    let host =
        crate::Host::paced(super::super::support::config(Roots::none()), Pace::Checks(u64::MAX)).unwrap();
    let ran = run_on(&host, &dive(100_000_000), limits(), vec![]).await;
    let message = &super::stopped(&ran).message;
    assert!(message.contains("nested too deeply"), "{message}");
    innocent(&host, "recursion", &dive(1000), limits()).await;
}

/// Instances, memories and tables of one component are counted when it is admitted, before any runs.
#[test]
fn a_component_of_too_many_parts_is_not_admitted() {
    let of = |count: usize, part: &str| {
        let module = format!("(core module $m {part}) {}", "(core instance (instantiate $m))".repeat(count));
        let own = core("", "(call $ok)").replacen("(module", "(core module $own", 1);
        let text = format!(
            r#"(component {module} {own} (core instance $i (instantiate $own))
            (func (export "run") (param "invocation" string) (result (result string (error string)))
            (canon lift (core func $i "run") (memory (core memory $i "memory"))
            (realloc (core func $i "cabi_realloc")))))"#
        );
        let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        host(Roots::none()).register("test", &bytes, Digest::of(&bytes), ALL)
    };
    // Its own instance has a memory and no table.
    for (part, most) in [("", 63), ("(memory 1)", 3), ("(table 1 funcref)", 16)] {
        assert_eq!(of(most, part), Ok(()), "{most} of {part}");
        let refused = of(most + 1, part);
        assert!(
            matches!(refused, Err(RegisterError::Compile { .. } | RegisterError::Link { .. })),
            "{part}: {refused:?}"
        );
    }
}

/// Every place is taken by a guest that never ends, and each of them is stopped; then there is room again.
#[tokio::test]
async fn guests_in_every_place_are_all_stopped() {
    let host = super::scripted(TICKS);
    let spins = guest("", &format!("{} (call $ok)", repeat(FOREVER, "")));
    host.register("test", &spins, Digest::of(&spins), ALL).unwrap();
    let mut calls = tokio::task::JoinSet::new();
    let host = std::sync::Arc::new(host);
    for _ in 0..crate::engine::GUESTS_MAX + 5 {
        let (host, job) =
            (std::sync::Arc::clone(&host), super::super::support::job(&spins, limits(), vec![]));
        calls.spawn(async move { host.run_job(job, "{}").await });
    }
    while let Some(ran) = calls.join_next().await {
        let message = super::stopped(&ran.unwrap()).message.clone();
        assert!(message.contains("limits.time_ms"), "{message}");
    }
    innocent(&host, "many guests", &guest("", "(call $ok)"), limits()).await;
}
