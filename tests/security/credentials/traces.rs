//! After calls of every kind no trace of a value is left: not in the ledger's directory, a log, an argument or an environment.

use std::fs;

use latchgate_tests::world::isolated;
use latchgate_tests::{Response, each_file};
use serde_json::json;

use super::ground::{Sample, VALUE, assert_absent, call, forms, ground, set};
use crate::scene::shown;

#[test]
fn no_trace_of_a_value_is_left_anywhere() {
    isolated(|| {
        let mut ground = ground(&[
            Sample::new("bearer", &json!({"in": "bearer"})),
            Sample::new("query", &json!({"in": "query", "name": "key"})),
            Sample::new("basic", &json!({"in": "basic", "user": "bob"})),
        ]);
        set(&ground.gate, "TOKEN", VALUE);
        // It says back everything it can, and breaks off now and then.
        let said: String = forms(VALUE).into_iter().map(|(_, form)| form + "\n").collect();
        let mut calls = 0;
        for action in ["bearer", "query", "basic"] {
            for is_whole in [true, false] {
                let said = said.clone();
                ground.world.everywhere.answer(move |_, _| match is_whole {
                    true => Response::ok(&said).header("X-Echo", VALUE),
                    false => Response::Cut(
                        format!("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{said}").into_bytes(),
                    ),
                });
                calls += 1;
                let (reply, hits) = call(&ground, action, &json!({"n": calls}));
                assert_eq!(reply.status, if is_whole { 200 } else { 502 }, "{action}: {}", shown(&reply));
                assert_eq!(hits.len(), 1, "{action}");
                assert_absent(VALUE, action, &reply.body);
            }
        }
        assert_eq!(ground.gate.entries_of("call.outcome").len(), calls);

        let mut processes = 0;
        for process in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let dir = process.path();
            // This process knows the value; what it runs must not.
            if process.file_name().to_string_lossy() == std::process::id().to_string() {
                continue;
            }
            // Whatever ends meanwhile has nothing to show.
            for file in ["cmdline", "environ"] {
                if let Ok(bytes) = fs::read(dir.join(file)) {
                    processes += 1;
                    assert_absent(VALUE, &dir.join(file).display().to_string(), &bytes);
                }
            }
        }
        assert!(processes > 1, "processes were looked at");
        assert!(ground.gate.terminate().success());
        assert_absent(VALUE, "standard error", ground.gate.log().as_bytes());
        assert_absent(VALUE, "standard output", ground.gate.said().as_bytes());
        let mut files = 0;
        each_file(ground.gate.base(), &mut |path, bytes| {
            files += 1;
            assert_absent(VALUE, &path.display().to_string(), bytes);
        });
        assert!(files > 10, "the home was looked into");
        ground.gate.assert_sound();
    });
}
