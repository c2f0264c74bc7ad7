//! The hostile guests that are timed.

use latchgate_tests::guest::component;

/// Time of each, in ms.
pub const LIMIT_MS: u32 = 1000;

pub struct Hostile {
    pub name: &'static str,
    limits: &'static [&'static str],
    fields: &'static str,
    body: &'static str,
}

impl Hostile {
    /// The action's id.
    pub fn action(&self) -> String {
        self.name.to_lowercase().replace(' ', "_")
    }

    pub fn module(&self) -> Vec<u8> {
        component(self.fields, self.body)
    }

    pub fn limits(&self) -> Vec<String> {
        let time = format!("time_ms: {LIMIT_MS}");
        std::iter::once(time).chain(self.limits.iter().map(|line| (*line).to_owned())).collect()
    }
}

const LARGE: &[&str] = &["memory_mib: 512"];
const SMALL: &[&str] = &[];

pub const GUESTS: &[Hostile] = &[
    Hostile { name: "loop", limits: SMALL, fields: "", body: "(loop $l (br $l)) (call $ok)" },
    Hostile {
        name: "start function",
        limits: SMALL,
        fields: "(func $s (loop $l (br $l))) (start $s)",
        body: "(call $ok)",
    },
    Hostile {
        name: "fill 500 MiB",
        limits: LARGE,
        fields: "",
        body: "(drop (memory.grow (i32.const 8000)))
            (loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 524288000)) (br $l)) (call $ok)",
    },
    Hostile {
        name: "copy 500 MiB",
        limits: LARGE,
        fields: "",
        body: "(drop (memory.grow (i32.const 8000)))
            (loop $l (memory.copy (i32.const 0) (i32.const 8) (i32.const 524288000)) (br $l)) (call $ok)",
    },
    // Ends by itself, having made the gate provide and take back as much memory as there is.
    Hostile {
        name: "touch 500 MiB",
        limits: LARGE,
        fields: "",
        body: "(drop (memory.grow (i32.const 8000)))
            (loop $l (i32.store (local.get $i) (i32.const 1)) (local.set $i (i32.add (local.get $i) (i32.const 4096)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 524288000)))) unreachable",
    },
    Hostile {
        name: "fill a table",
        limits: SMALL,
        fields: "(table $t 20000 funcref)",
        body: "(loop $l (table.fill $t (i32.const 0) (ref.null func) (i32.const 20000)) (br $l)) (call $ok)",
    },
    Hostile {
        name: "recursion",
        limits: SMALL,
        fields: "(func $dive (param i32) (result i32) (i32.add (call $dive (local.get 0)) (i32.const 1)))",
        body: "(drop (call $dive (i32.const 0))) (call $ok)",
    },
    Hostile {
        name: "flood of calls",
        limits: &["host_calls: 1000"],
        fields: "",
        body: "(loop $l (call $fs (i32.const 7) (i32.const 1024)) (br $l)) (call $ok)",
    },
    // As large as an output may be, and of nearly as many values as it may hold: strings, to be parsed by the gate.
    Hostile {
        name: "output of 8 MiB",
        limits: SMALL,
        fields: "",
        body: "(drop (memory.grow (i32.const 130)))
            (memory.fill (i32.const 65536) (i32.const 0x61) (i32.const 8388608))
            (local.set $i (i32.const 65568))
            (loop $l (i32.store (local.get $i) (i32.const 0x61222c22)) (local.set $i (i32.add (local.get $i) (i32.const 33)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 8454100))))
            (i32.store16 (i32.const 65536) (i32.const 0x225b)) (i32.store16 (i32.const 8454142) (i32.const 0x5d22))
            (call $say (i32.const 65536) (i32.const 8388608))",
    },
];
