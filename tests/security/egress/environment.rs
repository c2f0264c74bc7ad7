//! What the gate's environment says of proxies is not for the gate: no request goes where it points.

use latchgate_tests::world::{Everywhere, isolated};

use super::ground::{Case, GUARD, Ground};

/// Another public address, where a proxy would be reached if anybody asked for it.
const PROXY: &str = "93.184.216.99";

#[test]
fn proxies_in_the_environment_are_ignored() {
    isolated(|| {
        let ground = Ground::with("", |gate| {
            let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
            let proxied = names
                .iter()
                .fold(gate, |gate, name| gate.env(name, &format!("http://user:secret@{PROXY}:8080")));
            proxied.env("no_proxy", "").env("NO_PROXY", "").env("REQUEST_METHOD", "")
        });
        ground.world.names.script("www.twin.test", &[&[Everywhere::PUBLIC_V4]]);
        for action in ["http_fetch", "web_read"] {
            ground.reaches(action, "https://www.twin.test/", Everywhere::PUBLIC_V4);
            ground.reaches(action, "https://93.184.216.34/", Everywhere::PUBLIC_V4);
        }
        ground.refuses("http_fetch", &[Case::new("https://10.0.0.1/", GUARD)]);
        let hits = ground.world.everywhere.hits();
        assert!(hits.iter().all(|hit| hit.at.ip().to_string() == Everywhere::PUBLIC_V4), "{hits:#?}");
        assert_eq!(ground.world.everywhere.attempts(), 4);
        ground.end();
    });
}
