//! A service gives back what it was sent, in every form and place: the agent gets none of it.

use latchgate_tests::Response;
use latchgate_tests::world::isolated;
use serde_json::json;

use super::ground::{Sample, VALUE, assert_absent, call, forms, ground, only, set};
use crate::scene::shown;

#[test]
fn what_a_service_gives_back_of_a_secret_is_taken_out_in_every_form() {
    isolated(|| {
        let ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        set(&ground.gate, "TOKEN", VALUE);
        for (n, (name, form)) in forms(VALUE).into_iter().enumerate() {
            for status in [200, 401, 500] {
                let body = format!("you sent <{form}> to us");
                let header = form.clone();
                ground.world.everywhere.answer(move |_, _| {
                    Response::status(status, &body).header("X-Echo", &format!("<{header}>"))
                });
                let (reply, hits) = call(&ground, "bearer", &json!({"n": n}));
                let answer = reply.expect(200);
                assert!(only(&hits).contains(VALUE), "{name}");
                assert_eq!(answer["output"]["status"], status, "{name}");
                assert_eq!(answer["output"]["text"], "you sent <[secret TOKEN]> to us", "{name}");
                assert_absent(VALUE, name, &reply.body);
            }
        }
        // The twin: what is no secret comes as it was sent.
        ground.world.everywhere.answer(|_, _| Response::ok("you sent <%73%33> \\u0041 c2VjcmV0 to us"));
        let (reply, _) = call(&ground, "bearer", &json!({"n": 1000}));
        assert_eq!(reply.expect(200)["output"]["text"], "you sent <%73%33> \\u0041 c2VjcmV0 to us");
        ground.end();
    });
}

/// The header that a Basic credential makes is as good as the password.
#[test]
fn a_derived_credential_does_not_come_back_either() {
    isolated(|| {
        let ground = ground(&[Sample::new("basic", &json!({"in": "basic", "user": "bob"}))]);
        set(&ground.gate, "TOKEN", VALUE);
        ground.world.everywhere.answer(|_, seen| {
            let header = seen.header("authorization").unwrap_or_default();
            Response::ok(&format!("<{header}> <{}>", header.trim_start_matches("Basic ")))
        });
        let (reply, hits) = call(&ground, "basic", &json!({"n": 1}));
        assert_eq!(reply.expect(200)["output"]["text"], "<Basic [secret TOKEN]> <[secret TOKEN]>");
        assert!(only(&hits).contains("Ym9iOnMzY3IvdCt2YWwgdWU9IjQyIiZtb3Jl"));
        ground.end();
    });
}

/// Answers that end too soon or are no HTTP, and encodings that would hide what they hold.
#[test]
fn errors_repeat_nothing_of_what_a_service_says() {
    isolated(|| {
        let ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        set(&ground.gate, "TOKEN", VALUE);
        for (n, answer) in [
            format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{VALUE}"),
            format!("HTTP/1.1 200 OK\r\nX-{VALUE}: 1\r\nContent-Length: 0\r\n\r\n"),
            format!("{VALUE}\r\n\r\n"),
            format!("HTTP/1.1 200 {VALUE}\r\nContent-Length: 5\r\nContent-Encoding: {VALUE}\r\n\r\nhello"),
            format!("HTTP/1.1 200 {VALUE}\r\nTransfer-Encoding: {VALUE}\r\n\r\nhello"),
            format!("HTTP/1.1 999999 {VALUE}\r\n\r\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let bytes = answer.clone().into_bytes();
            ground.world.everywhere.answer(move |_, _| Response::Cut(bytes.clone()));
            let (reply, hits) = call(&ground, "bearer", &json!({"n": n}));
            assert!(only(&hits).contains(VALUE), "{answer}");
            assert_eq!(reply.status, 502, "{answer}: {}", shown(&reply));
            assert_eq!(reply.json()["effect"], "unknown", "{answer}");
            assert_absent(VALUE, &answer, &reply.body);
        }
        // The twin: a reason phrase is part of no answer.
        ground.world.everywhere.answer(|_, _| {
            Response::Cut(format!("HTTP/1.1 200 {VALUE}\r\nContent-Length: 2\r\n\r\nok").into_bytes())
        });
        let (reply, _) = call(&ground, "bearer", &json!({"n": 1000}));
        assert_eq!(reply.expect(200)["output"]["text"], "ok");
        assert_absent(VALUE, "the twin", &reply.body);
        ground.end();
    });
}
