//! A secret goes to its host and to no other, over TLS that was verified, and along with no redirect.

use latchgate_tests::Response;
use latchgate_tests::world::isolated;
use serde_json::json;

use super::ground::{HOST, PUBLIC, Sample, VALUE, assert_absent, call, ground, only, set};
use crate::egress::ground::{Case, SPELLING};
use crate::scene::shown;

#[test]
fn no_url_of_the_callers_takes_a_secret_elsewhere() {
    isolated(|| {
        let ground = ground(&[Sample::anywhere("anywhere")]);
        set(&ground.gate, "TOKEN", VALUE);
        let cases: Vec<Case> = [
            // The second host that the action may reach, and what makes the first look like it.
            "https://www.evil.test/",
            "https://www.evil.test/x@api.twin.test",
            "https://www.evil.test/?host=api.twin.test",
            "https://www.evil.test#@api.twin.test/",
            "https://api.twin.test@www.evil.test/",
            "https://www.evil.test@api.twin.test/",
            "https://api.twin.test:443@www.evil.test/",
            "https://www.evil.test\\@api.twin.test/",
            "https://api.twin.test.www.evil.test/",
            "https://api.twin.test./",
            "https://API.twin.test\t.evil.test/",
            "https://api.twin.test%2eevil.test/",
            // Where it could be read on the way.
            "http://api.twin.test/",
            "http://api.twin.test:443/",
            "https://api.twin.test:8443/",
            "ftp://api.twin.test/",
        ]
        .iter()
        .map(|url| Case::new(*url, SPELLING))
        .collect();
        ground.refuses("anywhere", &cases);

        let twin = ground.reaches("anywhere", "https://api.twin.test/x@www.evil.test", PUBLIC);
        let raw = String::from_utf8(twin.request.unwrap().raw).unwrap();
        assert!(raw.contains(&format!("\r\nhost: {HOST}\r\n")), "{raw}");
        assert!(raw.contains(&format!("\r\nauthorization: Bearer {VALUE}\r\n")), "{raw}");
        ground.end();
    });
}

#[test]
fn no_redirect_takes_a_secret_along() {
    isolated(|| {
        let ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        set(&ground.gate, "TOKEN", VALUE);
        for (n, location) in [
            "https://www.evil.test/",
            "http://api.twin.test/",
            "//www.evil.test/",
            "https://api.twin.test/next",
            "/next",
        ]
        .into_iter()
        .enumerate()
        {
            ground
                .world
                .everywhere
                .answer(move |_, _| Response::status(307, "").header("Location", location));
            let attempts = ground.world.everywhere.attempts();
            let (reply, hits) = call(&ground, "bearer", &json!({"n": n}));
            assert_eq!(reply.expect(200)["output"]["status"], 307, "{location}");
            assert!(only(&hits).starts_with("POST /bearer"), "{location}");
            assert_eq!(ground.world.everywhere.attempts() - attempts, 1, "{location}: connections");
        }
        ground.end();
    });
}

/// Whoever answers in the service's place, by whatever name, has no certificate that this gate takes.
#[test]
fn a_peer_that_is_not_verified_gets_no_secret() {
    isolated(|| {
        let other = json!("https://api.other.test/other");
        let ground = ground(&[
            Sample::new("bearer", &json!({"in": "bearer"})),
            Sample::new("other", &json!({"in": "bearer"}))
                .with("/template/url", other)
                .with("/secrets/0/host", json!("api.other.test"))
                .with("/egress/domains", json!(["api.other.test"]))
                .with("/examples/0/expect/url", json!("https://api.other.test/other?n=1")),
        ]);
        set(&ground.gate, "TOKEN", VALUE);
        // The world's certificate is not for that name.
        let (reply, hits) = call(&ground, "other", &json!({"n": 1}));
        assert_eq!(reply.outcome(), (502, "provider_failed".into()), "{}", shown(&reply));
        assert_eq!(reply.json()["effect"], "none");
        assert!(!hits.is_empty() && hits.iter().all(|hit| hit.request.is_none()), "{hits:#?}");
        assert_absent(VALUE, "the answer", &reply.body);

        let (reply, hits) = call(&ground, "bearer", &json!({"n": 1}));
        assert_eq!(reply.status, 200, "{}", shown(&reply));
        assert!(only(&hits).contains(VALUE));
        ground.end();
    });
}

/// The operator binds a secret to hosts of his own choice, whatever a manifest says.
#[test]
fn a_secret_that_the_operator_bound_elsewhere_is_not_sent() {
    isolated(|| {
        let ground = ground(&[Sample::new("bearer", &json!({"in": "bearer"}))]);
        for (host, status) in [("www.evil.test", 403), (HOST, 200)] {
            let file = ground.gate.base().join("value");
            std::fs::write(&file, VALUE).unwrap();
            let mut command = ground.gate.command(&["secrets", "set", "TOKEN", "--host", host]);
            latchgate_tests::Ran::of(command.stdin(std::fs::File::open(&file).unwrap())).exited(0);
            let (reply, hits) = call(&ground, "bearer", &json!({"n": 1}));
            assert_eq!(reply.status, status, "{host}: {}", shown(&reply));
            let carried = hits.iter().filter(|hit| hit.request.is_some()).count();
            assert_eq!(carried, usize::from(status == 200), "{host}");
        }
        ground.end();
    });
}
