//! Metrics: for operators alone, true, and of a size that no traffic changes.

use latchgate_tests::{Gate, Key};
use serde_json::json;

fn text(gate: &Gate) -> String {
    gate.cli(&["metrics"]).exited(0).stdout
}

/// Name and labels of every series.
fn series(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0))
        .collect()
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn calls_refusals_and_the_ledger_are_counted() {
    let gate = Gate::builder().root_file("a", "x").root_file(".env", "x").start();
    let agent = gate.raw_agent();
    let call = |action: &str, args| agent.execute(action, &args, |call| call).0;
    assert_eq!(call("fs_read", json!({ "path": "a" })), 200);
    assert_eq!(call("fs_read", json!({ "path": ".env" })), 403);
    assert_eq!(call("fs_write", json!({ "path": "b", "content": "x" })), 202);
    assert_eq!(call("no_such_action", json!({})), 404);
    assert_eq!(agent.get("/nowhere").send().status, 404);
    let text = text(&gate);
    for (series, expected) in [
        ("latchgate_calls_total{action=\"fs_read\",decision=\"executed\"}", 1.0),
        ("latchgate_calls_total{action=\"fs_read\",decision=\"denied\"}", 1.0),
        ("latchgate_calls_total{action=\"fs_write\",decision=\"held\"}", 1.0),
        ("latchgate_calls_total{action=\"none\",decision=\"denied\"}", 1.0),
        ("latchgate_outcomes_total{action=\"fs_read\",outcome=\"success\"}", 1.0),
        ("latchgate_call_duration_seconds_count{action=\"fs_read\"}", 1.0),
        ("latchgate_refusals_total{code=\"policy_denied\"}", 1.0),
        ("latchgate_refusals_total{code=\"action_not_found\"}", 1.0),
        ("latchgate_refusals_total{code=\"not_found\"}", 1.0),
        ("latchgate_leases_total{kind=\"issued\"}", 1.0),
        ("latchgate_approvals_pending", 1.0),
        ("latchgate_calls_open", 0.0),
        ("latchgate_panics_total", 0.0),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series} in\n{text}");
    }
    let entries = value(&text, "latchgate_ledger_entries").unwrap();
    assert!(entries >= 5.0 && value(&text, "latchgate_ledger_batches_total").unwrap() >= 1.0, "{text}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_thousand_names_that_callers_choose_add_no_series() {
    let gate = Gate::builder().start();
    let agent = gate.raw_agent();
    let before = text(&gate);
    let stranger = Key::generate();
    for i in 0..1000 {
        let path = match i % 4 {
            0 => format!("/v1/actions/action_{i}/execute"),
            1 => format!("/path/{i}"),
            2 => format!("/v1/receipts/rcpt_{i}"),
            _ => format!("/v1/approvals/{i}/poll"),
        };
        let attempt = latchgate_tests::Attempt::new(&gate.agent_socket(), &stranger, None, "POST", &path);
        let reply = attempt.dpop(&[]).send();
        assert!((400..500).contains(&reply.status), "{path}: {}", reply.status);
    }
    // A caller with a lease makes none either.
    for i in 0..20 {
        assert_eq!(agent.execute(&format!("action_{i}"), &json!({}), |call| call).0, 404);
    }
    let after = text(&gate);
    assert_eq!(series(&before), series(&after));
    assert_eq!(value(&after, "latchgate_refusals_total{code=\"action_not_found\"}"), Some(20.0));
}

#[test]
fn who_is_no_operator_sees_no_metrics() {
    let gate = Gate::builder().start();
    let stranger = latchgate_tests::RawOperator::new(&gate.admin_socket(), Key::generate());
    assert_eq!(stranger.get("/metrics").send().outcome(), (403, "forbidden".into()));
    assert_eq!(gate.raw_operator().get("/metrics").dpop(&[]).send().outcome().0, 401);
    assert_eq!(gate.raw_agent().get("/metrics").send().outcome(), (404, "not_found".into()));
    let reply = gate.raw_operator().get("/metrics").send();
    assert_eq!(reply.status, 200);
    assert!(reply.header("content-type").unwrap().starts_with("application/openmetrics-text"));
}
