//! Actions that call a service: what arrives there, and what is said when it does not answer as it should.

use latchgate_tests::manifest::typed_post;
use latchgate_tests::{Gate, GateBuilder, Response, Upstream, closed_port, policy};
use serde_json::json;

const LOOPBACK: &str = "[egress]\ndangerous_loopback = true\n";

fn builder() -> GateBuilder {
    let post = typed_post("post", &[]);
    Gate::builder().config(LOOPBACK).policy(policy::ALLOW).manifest("post.yaml", &post)
}

/// A post that gives up after half a second.
fn hasty_post() -> String {
    typed_post("hasty_post", &[("time_ms: 30000", "time_ms: 500")])
}

#[test]
fn a_fetched_page_comes_back_and_the_service_saw_one_plain_request() {
    let upstream = Upstream::answering(|_| Response::ok("a page"));
    let gate = builder().start();
    let (status, answer) =
        gate.raw_agent().execute("http_fetch", &json!({ "url": upstream.url("/a?b=c") }), |call| call);
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(answer["output"], json!({ "status": 200, "content_type": "text/plain", "text": "a page" }));
    let [seen] = &upstream.seen()[..] else { panic!("{:#?}", upstream.seen()) };
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/a?b=c"));
    assert_eq!(seen.header("host"), Some(format!("127.0.0.1:{}", upstream.port()).as_str()));
    for name in ["authorization", "dpop", "cookie", "x-latchgate-session-id"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    let outcome = &gate.entries_of("call.outcome")[0];
    assert_eq!(outcome["effects"][0]["http_status"], 200);
    gate.assert_sound();
}

#[test]
fn a_posted_body_arrives_as_planned() {
    let upstream = Upstream::start();
    let gate = builder().start();
    let args = json!({ "url": upstream.url("/hook"), "body": { "text": "done", "attempts": 2 } });
    let (status, answer) = gate.raw_agent().execute("post", &args, |call| call);
    assert_eq!(status, 200, "{answer:#}");
    let [seen] = &upstream.seen()[..] else { panic!("{:#?}", upstream.seen()) };
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/hook"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.body, br#"{"attempts":2,"text":"done"}"#);
}

#[test]
fn an_argument_that_policy_cannot_see_is_asked_for_even_where_all_is_allowed() {
    let upstream = Upstream::start();
    let gate = builder().start();
    let args = json!({ "url": upstream.url("/"), "body": { "anything": ["at", "all"] } });
    let (status, held) = gate.raw_agent().execute("http_post", &args, |call| call);
    assert_eq!(status, 202, "{held:#}");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn loopback_is_refused_without_the_setting_and_the_setting_is_named() {
    let upstream = Upstream::start();
    let gate = Gate::builder().policy(policy::ALLOW).start();
    let (status, problem) =
        gate.raw_agent().execute("http_fetch", &json!({ "url": upstream.url("/") }), |call| call);
    assert_eq!((status, &problem["error"]), (403, &json!("egress_denied")), "{problem:#}");
    assert_eq!(problem["effect"], "none");
    let told = format!("{} {}", problem["detail"], problem["remediation"]);
    assert!(told.contains("egress.dangerous_loopback"), "{told}");
    assert_eq!(upstream.count(), 0);
    gate.assert_sound();
}

#[test]
fn a_service_that_nobody_runs_is_a_failure_without_effect() {
    let gate = builder().start();
    let url = format!("http://127.0.0.1:{}/", closed_port());
    let (status, problem) = gate.raw_agent().execute("http_fetch", &json!({ "url": url }), |call| call);
    assert_eq!((status, &problem["error"]), (502, &json!("provider_failed")), "{problem:#}");
    assert_eq!(problem["effect"], "none");
    assert!(problem["remediation"].is_string(), "{problem:#}");
    let outcome = &gate.entries_of("call.outcome")[0];
    assert_eq!(problem["receipt_id"], outcome["receipt_id"]);
    assert_eq!(outcome["failure_class"], "provider_failed");
    gate.assert_sound();
}

#[test]
fn a_service_that_does_not_answer_in_time_may_have_acted() {
    let upstream = Upstream::answering(|_| Response::hang());
    let gate = builder().manifest("hasty.yaml", &hasty_post()).start();
    let args = json!({ "url": upstream.url("/"), "body": {} });
    let agent = gate.raw_agent();
    let (status, problem) = agent.execute("hasty_post", &args, |call| call);
    assert_eq!((status, &problem["error"]), (504, &json!("provider_timeout")), "{problem:#}");
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("unknown"), &json!(false)));

    // Asked again, the gate does not act again: it says what it knows.
    let (_, again) = agent.execute("hasty_post", &args, |call| call);
    assert_eq!((&again["effect"], &again["receipt_id"]), (&json!("unknown"), &problem["receipt_id"]));
    assert_eq!(upstream.count(), 1);
    gate.assert_sound();
}

#[test]
fn an_answer_cut_in_the_middle_may_have_acted() {
    let upstream = Upstream::answering(|_| Response::cut());
    let gate = builder().start();
    let args = json!({ "url": upstream.url("/"), "body": {} });
    let (status, problem) = gate.raw_agent().execute("post", &args, |call| call);
    assert_eq!((status, &problem["error"]), (502, &json!("provider_failed")), "{problem:#}");
    assert_eq!((&problem["effect"], &problem["retryable"]), (&json!("unknown"), &json!(false)));
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_refusal_by_the_service_is_a_result() {
    let upstream = Upstream::answering(|_| Response::status(404, "no such page"));
    let gate = builder().start();
    let (status, answer) =
        gate.raw_agent().execute("http_fetch", &json!({ "url": upstream.url("/gone") }), |call| call);
    assert_eq!(status, 200, "{answer:#}");
    assert_eq!(
        (&answer["output"]["status"], &answer["output"]["text"]),
        (&json!(404), &json!("no such page"))
    );
    assert_eq!(answer["verification"]["is_fully_successful"], false);
    assert_eq!(gate.entries_of("call.outcome")[0]["result"]["kind"], "provider_failure");
}

#[test]
fn a_redirect_is_a_result_and_is_not_followed() {
    let target = Upstream::start();
    let location = target.url("/secret");
    let upstream =
        Upstream::answering(move |_| Response::status(302, "elsewhere").header("Location", &location));
    let gate = builder().start();
    let (status, answer) =
        gate.raw_agent().execute("http_fetch", &json!({ "url": upstream.url("/") }), |call| call);
    assert_eq!((status, &answer["output"]["status"]), (200, &json!(302)), "{answer:#}");
    assert_eq!((upstream.count(), target.count()), (1, 0));
}

#[test]
fn the_standard_policy_asks_before_a_request_leaves() {
    let upstream = Upstream::start();
    let gate = Gate::builder().config(LOOPBACK).start();
    let agent = gate.raw_agent();
    let (status, held) = agent.execute("http_fetch", &json!({ "url": upstream.url("/x") }), |call| call);
    assert_eq!(status, 202, "{held:#}");
    assert_eq!(upstream.count(), 0);
    let id = held["approval_id"].as_str().unwrap();
    let shown = gate.raw_operator().show(id);
    assert!(shown["plan"].to_string().contains(&upstream.url("/x")), "{shown:#}");
    let decided = gate.raw_operator().approve(id);
    assert_eq!(decided["output"]["status"], 200, "{decided:#}");
    assert_eq!(upstream.count(), 1);
}

#[test]
fn one_slow_service_does_not_hold_up_other_calls() {
    let slow = Upstream::answering(|_| Response::hang());
    let gate = builder().root_file("a", "x").start();
    let agent = gate.raw_agent();
    let mut waiting: Vec<_> = (0..20)
        .map(|i| agent.call("http_fetch", &json!({ "url": slow.url(&format!("/{i}")) })).begin())
        .collect();
    slow.await_requests(20);
    let (status, answer) = agent.execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!((status, &answer["output"]["text"]), (200, &json!("x")));
    slow.release();
    assert!(waiting.iter_mut().all(|connection| connection.reply().status == 200));
}
