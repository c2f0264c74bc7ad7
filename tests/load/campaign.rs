//! One gate, asked for everything that needs no lease, over its socket and its port, by quick clients and by slow ones.

use std::fs;

use latchgate_tests::{Gate, closed_port, policy};
use serde_json::json;

use crate::tools::{self, Counted};

/// How much is sent. `LATCHGATE_LOAD=long` for more.
struct Size {
    requests: u64,
    connections: u64,
    slow: u64,
    seconds: u64,
}

fn size() -> Size {
    if std::env::var_os("LATCHGATE_LOAD").is_some_and(|size| size == "long") {
        return Size { requests: 30_000, connections: 200, slow: 500, seconds: 40 };
    }
    Size { requests: 2_000, connections: 20, slow: 100, seconds: 3 }
}

#[test]
fn load_from_outside_ends_without_an_error() {
    if !tools::are_there() {
        return;
    }
    let (size, port) = (size(), closed_port());
    let config = format!("[http]\nexpose = \"127.0.0.1:{port}\"\n");
    let mut gate = Gate::builder().policy(policy::ALLOW).config(&config).root_file("a", "x").start();
    let body = gate.base().join("body");
    fs::write(&body, "{}").unwrap();
    let (socket, body) =
        (format!("unix:{}", gate.agent_socket().display()), body.to_str().unwrap().to_owned());
    let post = ["-d", &body, "-H", "content-type: application/json"];
    let mut refused = 0;
    for (path, args, status) in [
        ("/healthz", &[][..], 2),
        ("/readyz", &[], 2),
        ("/v1/actions", &[], 2),
        ("/v1/actions/fs_read/execute", &post, 4),
        ("/v1/no/such/route", &[], 4),
    ] {
        for (base, host) in [(Some(&socket), "localhost".to_owned()), (None, format!("127.0.0.1:{port}"))] {
            let url = format!("http://{host}{path}");
            println!("{path} over {}", if base.is_some() { "the socket" } else { "the port" });
            let base = base.map(|base| format!("--base-uri={base}"));
            let args: Vec<&str> = args.iter().copied().chain(base.as_deref()).chain([&*url]).collect();
            let counted = tools::many(size.requests, size.connections, &args);
            let mut statuses = [0; 4];
            statuses[status - 2] = size.requests;
            let all = Counted { done: size.requests, errored: 0, timed_out: 0, statuses };
            assert_eq!(counted, all, "{path}\n{}", gate.log());
            refused += if status == 4 { size.requests } else { 0 };
        }
    }
    for (manner, path) in [("-H", "/healthz"), ("-B", "/v1/leases"), ("-X", "/v1/actions")] {
        println!("{manner} {path}: {} slow clients", size.slow);
        let url = format!("http://127.0.0.1:{port}{path}");
        assert!(tools::slow(manner, size.slow, size.seconds, &url), "{}", gate.log());
    }
    let (status, answer) = gate.raw_agent().execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(gate.raw_operator().status()["panics_caught"], 0);
    assert!(gate.terminate().success());
    assert!(!gate.log().contains("panicked") && !gate.log().contains("ERROR"), "{}", gate.log());
    // Counted, and one entry a minute however many they were.
    let counted: Vec<_> = gate.entries_of("refusals.counted");
    let sum = |code: &str| counted.iter().filter_map(|entry| entry["counts"][code].as_u64()).sum::<u64>();
    assert_eq!(sum("missing_auth_header") + sum("not_found"), refused);
    assert!(gate.entries().len() < 100, "{} entries", gate.entries().len());
    gate.assert_sound();
}
