//! Receivers of notifications that hang, fail and lie; a gate that dies in the middle: each event is told, in order, or is a dead
//! letter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use latchgate_tests::{Gate, RawAgent, Response, Seen, Upstream, eventually};
use serde_json::{Value, json};

/// As ntfy accepts.
fn accepted() -> Response {
    Response::json(&json!({ "id": "m1" }))
}

/// A gate with one receiver, tried twice.
fn gate(receiver: &Upstream) -> Gate {
    gate_with(receiver, "dangerous_private = true\nattempts = 2\n")
}

fn gate_with(receiver: &Upstream, members: &str) -> Gate {
    Gate::builder().config(&config(receiver, members)).start()
}

fn config(receiver: &Upstream, members: &str) -> String {
    format!("[[notify]]\nname = \"team\"\nkind = \"ntfy\"\nurl = \"{}\"\n{members}", receiver.url("/topic"))
}

/// Holds a write; the approval's id.
fn hold(agent: &RawAgent, name: &str) -> String {
    let args = json!({ "path": name, "content": "x" });
    let (status, held) = agent.execute("fs_write", &args, |call| call);
    assert_eq!(status, 202, "{held:#}");
    held["approval_id"].as_str().unwrap().to_owned()
}

/// What a message says under that name.
fn said(seen: &Seen, name: &str) -> Option<String> {
    let body = String::from_utf8(seen.body.clone()).unwrap();
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned);
    body.lines().find_map(value)
}

/// The approvals that messages name, in their order.
fn told(receiver: &Upstream) -> Vec<String> {
    receiver.seen().iter().filter_map(|seen| said(seen, "approval id")).collect()
}

fn once(mut ids: Vec<String>) -> Vec<String> {
    ids.dedup();
    ids
}

fn receiver_of(gate: &Gate) -> Value {
    gate.cli(&["notify", "list", "--json"]).exited(0).json()["receivers"][0].clone()
}

/// Waits until the ledger knows that everything up to its last news was told.
fn await_told(gate: &Gate, kind: &str) {
    let last = gate.entries_of(kind).pop().unwrap()["seq"].as_u64().unwrap();
    gate.await_entry("how far the receiver was told", |entry| {
        entry["kind"] == "notify.delivered" && entry["receivers"]["team"]["next"].as_u64() > Some(last)
    });
}

#[test]
fn each_event_is_told_once_and_in_the_order_of_the_log() {
    let receiver = Upstream::answering(|_| accepted());
    let gate = gate(&receiver);
    let agent = gate.raw_agent();
    let ids: Vec<_> = ["a", "b", "c"].iter().map(|name| hold(&agent, name)).collect();
    gate.raw_operator().approve(&ids[0]);
    gate.raw_operator().deny(&ids[1], "not now");
    agent.execute("fs_read", &json!({ "path": ".env" }), |call| call);
    gate.raw_operator().revoke(&json!({ "all": "everything" }));

    receiver.await_requests(7);
    await_told(&gate, "lease.revoked");
    let titles: Vec<_> =
        receiver.seen().iter().map(|seen| seen.header("title").unwrap().to_owned()).collect();
    let expected = [
        "A call waits for a decision",
        "A call waits for a decision",
        "A call waits for a decision",
        "A held call was approved",
        "A held call was denied",
        "A call was refused",
        "Leases were revoked",
    ];
    assert_eq!(titles[..7], expected.map(|title| format!("latchgate: {title}")));
    assert_eq!(told(&receiver)[..5], [&ids[0], &ids[1], &ids[2], &ids[0], &ids[1]].map(String::clone));
    let first = &receiver.seen()[0];
    assert_eq!(said(first, "action").as_deref(), Some("fs_write"));
    assert_eq!(said(first, "next"), Some(format!("latchgate approvals show {}", ids[0])));
    assert_eq!(said(&receiver.seen()[4], "reason").as_deref(), Some("not now"));
    let plan = gate.entries_of("call.held")[0]["call"]["plan"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(said(first, "plan digest"), Some(plan));
    gate.assert_sound();
}

#[test]
fn only_what_a_receiver_asked_for_is_told_and_nothing_that_was_before_it() {
    let receiver = Upstream::answering(|_| accepted());
    let mut gate = Gate::builder().start();
    hold(&gate.raw_agent(), "before");
    gate.terminate();
    let members = "dangerous_private = true\nevents = [\"decided\"]\n";
    std::fs::write(gate.home().join("latchgate.toml"), config(&receiver, members)).unwrap();
    gate.start().unwrap();
    let id = hold(&gate.raw_agent(), "after");
    gate.raw_operator().deny(&id, "no");
    receiver.await_requests(1);
    await_told(&gate, "approval.decided");
    assert_eq!((receiver.count(), told(&receiver)), (1, vec![id]));
    assert_eq!(gate.entries_of("notify.changed")[0]["receivers"], json!({ "team": ["decided"] }));
}

#[test]
fn a_receiver_that_hangs_delays_no_call() {
    let receiver = Upstream::answering(|_| accepted().held());
    let gate = gate(&receiver);
    let agent = gate.raw_agent();
    let first = hold(&agent, "a");
    receiver.await_requests(1);
    let mut ids = vec![first];
    ids.extend(["b", "c", "d"].iter().map(|name| hold(&agent, name)));
    gate.raw_operator().approve(&ids[1]);
    assert!(gate.root().join("b").exists(), "the approved call was executed while the receiver hangs");
    assert_eq!(receiver.count(), 1, "one message at a time");
    receiver.release();
    await_told(&gate, "approval.decided");
    assert_eq!(once(told(&receiver))[..4], ids[..]);
}

#[test]
fn a_receiver_that_fails_is_tried_again_before_anything_else_is_told() {
    for failure in [
        Response::status(500, "down"),
        Response::status(429, "slower").header("Retry-After", "1"),
        Response::cut(),
        // Not what ntfy answers: a page of somebody in between.
        Response::html("<html>log in</html>"),
    ] {
        let tries = AtomicUsize::new(0);
        let receiver = Upstream::answering(move |_| match tries.fetch_add(1, Ordering::Relaxed) {
            0 => failure.clone(),
            _ => accepted(),
        });
        let gate = gate(&receiver);
        let agent = gate.raw_agent();
        let ids = [hold(&agent, "a"), hold(&agent, "b")];
        receiver.await_requests(3);
        await_told(&gate, "call.held");
        assert_eq!(told(&receiver), [&ids[0], &ids[0], &ids[1]].map(String::clone));
        assert_eq!(gate.entries_of("notify.failed"), [] as [Value; 0]);
    }
}

#[test]
fn what_is_given_up_is_a_dead_letter_until_somebody_asks_for_it_again() {
    let is_down = Arc::new(Mutex::new(true));
    let down = Arc::clone(&is_down);
    let receiver = Upstream::answering(move |_| {
        if *down.lock().unwrap() { Response::status(500, "words of the receiver") } else { accepted() }
    });
    let mut gate = gate(&receiver);
    let agent = gate.raw_agent();
    let ids = [hold(&agent, "a"), hold(&agent, "b")];
    let failed = gate.await_entry("the second dead letter", |entry| {
        entry["kind"] == "notify.failed" && entry["first"] == gate.entries_of("call.held")[1]["seq"]
    });
    assert_eq!((&failed["attempts"], &failed["reason"]), (&json!(2), &json!("answered 500")));
    assert_eq!(told(&receiver), [&ids[0], &ids[0], &ids[1], &ids[1]].map(String::clone));
    let status = gate.cli(&["status"]).exited(0).stdout;
    assert!(status.contains("team: 2 dead letters"), "{status}");
    assert!(!gate.log().contains("words of the receiver"));

    // They are in the ledger, so a restart forgets none.
    gate.restart();
    assert_eq!(receiver_of(&gate)["dead_letters"].as_array().unwrap().len(), 2);
    *is_down.lock().unwrap() = false;
    gate.cli(&["notify", "retry", "team"]).exited(0);
    receiver.await_requests(6);
    gate.await_entry("that they arrived", |entry| {
        entry["kind"] == "notify.delivered" && entry["receivers"]["team"]["again"].as_array().is_some()
    });
    assert_eq!(told(&receiver)[4..], ids);
    eventually("an empty box", || {
        receiver_of(&gate)["dead_letters"].as_array().unwrap().is_empty().then_some(())
    });
    assert_eq!(gate.entries_of("notify.asked")[0]["signed"]["operator"], "local");
    gate.assert_sound();
}

#[test]
fn a_gate_that_dies_while_it_tells_tells_the_rest_and_nothing_is_lost() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let receiver = Upstream::answering(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => accepted(),
        // Taken, and the answer never comes: the gate cannot know.
        1 => accepted().held(),
        _ => accepted(),
    });
    let mut gate = gate(&receiver);
    let agent = gate.raw_agent();
    let ids: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| hold(&agent, name)).collect();
    receiver.await_requests(2);
    gate.kill9();
    gate.start().unwrap();
    gate.raw_operator().deny(&ids[3], "no");
    eventually("the last event", || {
        (told(&receiver).len() >= 6 && once(told(&receiver)).ends_with(&[ids[3].clone()])).then_some(())
    });
    await_told(&gate, "approval.decided");
    let mut all = once(told(&receiver));
    // The first may be told again: what was accepted had not been written down when the gate died.
    if all[..2] == ids[..2] && all[2] == ids[0] {
        all.drain(..2);
    }
    assert_eq!(all, ids, "each at least once, in order");
    gate.assert_sound();
}

#[test]
fn a_private_receiver_is_reached_only_where_the_operator_said_so() {
    let receiver = Upstream::answering(|_| accepted());
    for (members, reached) in [("attempts = 1\n", false), ("attempts = 1\ndangerous_private = true\n", true)]
    {
        let before = receiver.count();
        let gate = gate_with(&receiver, members);
        hold(&gate.raw_agent(), "a");
        if reached {
            receiver.await_requests(before + 1);
            assert!(gate.log().contains("notify.team.dangerous_private"), "it is said at the start");
        } else {
            let failed = gate.await_entry("the dead letter", |entry| entry["kind"] == "notify.failed");
            let why = failed["reason"].as_str().unwrap();
            assert!(why.contains("dangerous_private = true"), "{why}");
            assert_eq!(receiver.count(), before);
        }
    }
}

#[test]
fn a_redirect_is_followed_nowhere() {
    let elsewhere = Upstream::start();
    let to = elsewhere.url("/stolen");
    let receiver = Upstream::answering(move |_| Response::status(307, "").header("Location", &to));
    let gate = gate_with(&receiver, "dangerous_private = true\nattempts = 1\n");
    hold(&gate.raw_agent(), "a");
    let failed = gate.await_entry("the dead letter", |entry| entry["kind"] == "notify.failed");
    assert_eq!(failed["reason"], "answered 307, and redirects are not followed");
    assert_eq!((receiver.count(), elsewhere.count()), (1, 0));
}

#[test]
fn a_test_says_whether_messages_arrive() {
    let receiver = Upstream::answering(|_| accepted());
    let gate = gate(&receiver);
    let said = gate.cli(&["notify", "test", "team", "--wait", "60"]).exited(0).stdout;
    assert_eq!(said.trim(), "team: arrived");
    assert!(receiver.seen()[0].header("title").unwrap().contains("A test"));

    let deaf = Upstream::answering(|_| Response::status(500, ""));
    let gate = gate_with(&deaf, "dangerous_private = true\nattempts = 1\n");
    let said = gate.cli(&["notify", "test", "team", "--wait", "60"]).exited(1).stdout;
    assert_eq!(said.trim(), "team: dead letter: answered 500");
    gate.cli(&["notify", "test", "nobody"]).exited(2);
    gate.assert_sound();
}

#[test]
fn refusals_that_come_in_a_flood_are_told_together() {
    let receiver = Upstream::answering(|_| accepted().held());
    let gate = gate(&receiver);
    let agent = gate.raw_agent();
    hold(&agent, "a");
    receiver.await_requests(1);
    for n in 0..50 {
        agent.execute(&format!("none_{n}"), &json!({}), |call| call);
    }
    receiver.release();
    await_told(&gate, "call.denied");
    let last = receiver.seen().pop().unwrap();
    assert!(last.header("title").unwrap().contains("calls were refused"), "{:?}", last.header("title"));
    assert!(receiver.count() < 10, "{} messages for 51 events", receiver.count());
}
