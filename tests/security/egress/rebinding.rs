//! A name that changes its mind between one look-up and the next: each connection goes where its own look-up was checked.

use latchgate_tests::policy;
use latchgate_tests::world::{Everywhere, isolated};
use serde_json::json;

use super::ground::{Case, GUARD, Ground};
use crate::scene::shown;

const PUBLIC: &str = Everywhere::PUBLIC_V4;
const NAME: &str = "rebinds.evil.test";
const URL: &str = "https://rebinds.evil.test/";

/// Asked once a connection, between check and connect never again: what was checked is what is dialled, whatever the name
/// would be the next time.
#[test]
fn a_name_that_alternates_reaches_the_public_address_or_nothing() {
    isolated(|| {
        let ground = Ground::create();
        let answers: [&[&str]; 6] =
            [&["127.0.0.1"], &[PUBLIC], &["169.254.169.254"], &[PUBLIC], &[PUBLIC, "10.0.0.1"], &[PUBLIC]];
        ground.world.names.script(NAME, &answers);
        for (turn, answer) in (1..).zip(answers) {
            match answer {
                [PUBLIC] => drop(ground.reaches("http_fetch", URL, PUBLIC)),
                _ => ground.refuses("http_fetch", &[Case::new(URL, GUARD)]),
            }
            assert_eq!(ground.world.names.asked(NAME), turn);
        }
        assert_eq!(ground.world.everywhere.attempts(), 3);
        ground.end();
    });
}

#[test]
fn after_a_failed_handshake_nobody_is_asked_again() {
    isolated(|| {
        let ground = Ground::create();
        // No certificate of this world covers it.
        let name = "rebinds.uncertified.other.test";
        ground.world.names.script(name, &[&[PUBLIC], &["10.0.0.1"]]);
        let before = ground.world.everywhere.attempts();
        let reply = ground.call("http_fetch", &format!("https://{name}/"));
        assert_eq!(reply.outcome(), (502, "provider_failed".to_owned()), "{}", shown(&reply));
        assert_eq!(reply.json()["effect"], "none");
        assert_eq!((ground.world.everywhere.attempts() - before, ground.world.names.asked(name)), (1, 1));
        assert!(ground.world.everywhere.hits().iter().all(|hit| hit.at.ip().to_string() == PUBLIC));
        ground.end();
    });
}

/// Judged and held while the name was public, carried out when it is not any more.
#[test]
fn between_hold_and_approval() {
    isolated(|| {
        let ground = Ground::with("", |gate| gate.policy(policy::ASK));
        let hold = || {
            let held = ground.call("http_fetch", URL).expect(202);
            held["approval_id"].as_str().unwrap().to_owned()
        };
        ground.world.names.script(NAME, &[&[PUBLIC]]);
        let before = ground.world.everywhere.attempts();
        let id = hold();
        ground.world.names.script(NAME, &[&["10.0.0.1"]]);
        let decided = ground.gate.raw_operator().approve(&id);
        assert_eq!(
            (&decided["effect"], &decided["problem"]["error"]),
            (&json!("none"), &json!("egress_denied")),
            "{decided}"
        );
        assert_eq!(ground.world.everywhere.attempts(), before);

        // The twin: it is public still, or again.
        let id = hold();
        ground.world.names.script(NAME, &[&[PUBLIC]]);
        let decided = ground.gate.raw_operator().approve(&id);
        assert_eq!(decided["effect"], "done", "{decided}");
        assert_eq!(ground.world.everywhere.hits().len(), 1);
        ground.end();
    });
}
