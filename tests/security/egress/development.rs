//! The setting for development opens this machine's loopback by its own names, and no other way in.

use latchgate_tests::Response;
use latchgate_tests::world::isolated;

use super::ground::{Case, GUARD, Ground, SPELLING};

#[test]
fn dangerous_loopback_opens_loopback_and_nothing_else() {
    isolated(|| {
        let ground = Ground::with("dangerous_loopback = true", |gate| gate);
        ground.world.everywhere.answer(|_, _| Response::ok("here"));
        let inner: Vec<Case> = [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "[::]",
            "[::7f00:1]",
            "[::ffff:7f00:1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fd00::1]",
            "[fe80::1]",
        ]
        .iter()
        .flat_map(|host| [format!("http://{host}/"), format!("https://{host}/")])
        .map(|url| Case::new(url, GUARD))
        .collect();
        ground.refuses("http_fetch", &inner);
        let spelled: Vec<Case> = [
            "2130706433",
            "0x7f000001",
            "127.1",
            "0177.0.0.1",
            "127.0.0.1.",
            "localhost.",
            "[0:0:0:0:0:0:0:1]",
        ]
        .iter()
        .map(|host| Case::new(format!("http://{host}/"), SPELLING))
        .collect();
        ground.refuses("http_fetch", &spelled);

        for (url, at) in [
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://127.0.0.1:8080/", "127.0.0.1"),
            ("http://127.255.255.254/", "127.255.255.254"),
            ("http://localhost/", "127.0.0.1"),
            ("http://app.localhost/", "127.0.0.1"),
        ] {
            ground.reaches("http_fetch", url, at);
        }
        if ground.world.has_ipv6 {
            ground.reaches("http_fetch", "http://[::1]/", "::1");
        }
        ground.end();
    });
}
