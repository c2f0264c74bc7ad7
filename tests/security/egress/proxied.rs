//! Through a proxy that the operator named: what can be judged without an address is not asked of it, and nothing goes around it.

use latchgate_tests::world::isolated;
use latchgate_tests::{Gate, policy};

use super::ground::{Case, GUARD, Ground, SPELLING};

/// Private, as such proxies are: it is the operator's word, not an agent's.
const PROXY: &str = "10.0.0.9";

fn ground() -> Ground {
    let ground = Ground::with("proxy = \"http://proxy.twin.test:8080\"", |gate| gate);
    ground.world.names.script("proxy.twin.test", &[&[PROXY]]);
    ground
}

#[test]
fn every_request_goes_through_it_and_names_are_its_own_to_resolve() {
    isolated(|| {
        let ground = ground();
        ground.world.names.script("www.twin.test", &[&["10.0.0.1"]]);
        for host in ["www.twin.test", "93.184.216.34"] {
            let (attempts, hits) = (ground.world.everywhere.attempts(), ground.world.everywhere.hits().len());
            ground.call("http_fetch", &format!("https://{host}/path")).expect(200);
            let seen: Vec<(String, String, String)> = ground
                .world
                .everywhere
                .hits()
                .split_off(hits)
                .into_iter()
                .map(|hit| (hit.at.to_string(), hit.request.unwrap()))
                .map(|(at, request)| (at, request.method, request.path))
                .collect();
            let proxy = format!("{PROXY}:8080");
            let expected = [
                (proxy.clone(), "CONNECT".to_owned(), format!("{host}:443")),
                (proxy, "GET".to_owned(), "/path".to_owned()),
            ];
            assert_eq!(seen, expected);
            assert_eq!(ground.world.everywhere.attempts() - attempts, 1);
        }
        assert_eq!(ground.world.names.asked("www.twin.test"), 0);
        ground.end();
    });
}

#[test]
fn what_can_be_judged_without_an_address_is_not_asked_of_it() {
    isolated(|| {
        let ground = ground();
        let judged = [
            "https://10.0.0.1/",
            // The proxy's own machine and the proxy itself are no targets either.
            "https://10.0.0.9/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest/meta-data/",
            "https://[::1]/",
            "https://[fd00::1]/",
            "https://[::ffff:a00:1]/",
            "https://[64:ff9b::a00:1]/",
            "https://localhost/",
            "https://metadata/",
            "https://metadata.google.internal/",
            "https://printer.local/",
            "https://router.lan/",
            "https://x.home.arpa/",
            "http://www.twin.test/",
        ];
        ground.refuses("http_fetch", &judged.map(|url| Case::new(url, GUARD)));
        let spelled = ["https://2130706433/", "https://localhost./", "https://www.twin.test@10.0.0.1/"];
        ground.refuses("http_fetch", &spelled.map(|url| Case::new(url, SPELLING)));
        assert_eq!(ground.world.names.asked_at_all(), 0);
        ground.call("http_fetch", "https://www.twin.test/").expect(200);
        ground.end();
    });
}

/// A password in its URL would be a secret in the configuration, and in whatever shows that.
#[test]
fn a_proxy_with_a_password_is_refused_at_the_start_without_a_word_of_it() {
    let start = |url: &str| {
        Gate::builder().policy(policy::ALLOW).config(&format!("[egress]\nproxy = \"{url}\"\n")).try_start()
    };
    let Err(refused) = start("http://user:hunter2@127.0.0.1:3128") else { panic!("the gate started") };
    assert!(refused.stderr.contains("proxy") && !refused.stderr.contains("hunter2"), "{refused:?}");
    assert!(start("http://127.0.0.1:3128").is_ok());
}
