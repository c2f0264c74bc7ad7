//! Answers that are odd and honest, the twins of the hostile ones; and one that lies in wait for the next question.

use latchgate_tests::{Gate, Response, Upstream, policy};
use serde_json::json;

use super::hostile_answers::{PATIENT_MS, RESPONSE_BYTES, call, hasty};
use crate::scene::{LOOPBACK, shown};

/// The twins: odd in the same places, and honest.
#[test]
fn an_odd_answer_of_one_meaning_is_taken() {
    let zeros = "0".repeat(RESPONSE_BYTES);
    let ninety: String = (0..90).map(|i| format!("X-{i}: y\r\n")).collect();
    let with = |lines: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n{body}");
    let chunked = |chunks: &str| with("Transfer-Encoding: chunked", chunks);
    let answers = [
        (with("Content-Length: 2\r\nContent-Encoding: identity", "ok"), "ok"),
        (with("Content-Length: 2\r\nContent-Length: 2", "ok"), "ok"),
        (with(&format!("{ninety}Content-Length: 2"), "ok"), "ok"),
        (with(&format!("X: {}\r\nContent-Length: 2", "y".repeat(32 << 10)), "ok"), "ok"),
        (with(&format!("Content-Length: {RESPONSE_BYTES}"), &zeros), &zeros),
        (chunked(&format!("{RESPONSE_BYTES:x}\r\n{zeros}\r\n0\r\n\r\n")), &zeros),
        (chunked("1;name=value\r\no\r\n1\r\nk\r\n0\r\n\r\n"), "ok"),
        (chunked("2\r\nok\r\n0\r\nX-Trailer: y\r\n\r\n"), "ok"),
        (with("X: y", "ok"), "ok"),
        ("HTTP/1.0 200 OK\r\n\r\nok".to_owned(), "ok"),
        (
            format!(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{}",
                chunked("2\r\nok\r\n0\r\n\r\n")
            ),
            "ok",
        ),
    ];
    let bytes: Vec<Vec<u8>> = answers.iter().map(|(bytes, _)| bytes.clone().into()).collect();
    let upstream = Upstream::answering(move |seen| {
        Response::Cut(bytes[seen.path[1..].parse::<usize>().unwrap()].clone())
    });
    let gate = patient_gate();
    let agent = gate.raw_agent();
    for (number, (bytes, text)) in answers.iter().enumerate() {
        let reply = call(&agent, &upstream, number).send();
        let head = bytes.split("\r\n\r\n").next().unwrap();
        assert_eq!(
            (reply.status, &reply.json()["output"]["text"]),
            (200, &json!(text)),
            "{head}: {}",
            shown(&reply)
        );
    }
    gate.assert_sound();
}

/// What an upstream says ahead of the next question answers none: its connection is given up.
#[test]
fn an_answer_said_in_advance_answers_no_call() {
    let honest = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let in_advance = format!("{honest}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    let upstream = Upstream::answering(move |seen| match seen.path.as_str() {
        "/0" => Response::Stuck(in_advance.clone().into()),
        _ => Response::ok("ok"),
    });
    let gate = patient_gate();
    let agent = gate.raw_agent();
    for number in 0..4 {
        let answer = call(&agent, &upstream, number).send().expect(200);
        assert_eq!(answer["output"]["text"], "ok", "{number}: {answer:#}");
    }
    assert_eq!(upstream.count(), 4);
    upstream.release();
    gate.assert_sound();
}

fn patient_gate() -> Gate {
    Gate::builder().policy(policy::ALLOW).config(LOOPBACK).manifest("hasty.yaml", &hasty(PATIENT_MS)).start()
}
