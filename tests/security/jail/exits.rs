//! The proxy: hosts on the list, over TLS to their own name, at addresses that the guard admits; each attempt on record.

use std::fs;

use latchgate_tests::world::{World, isolated};
use latchgate_tests::{Gate, Ran};
use serde_json::Value;

use super::place::{Place, has_jails};

const LLM: &str = "llm.twin.test";
const PUBLIC: &str = "93.184.216.34";

struct Scene {
    world: World,
    gate: Gate,
    place: Place,
}

impl Scene {
    fn create() -> Option<Self> {
        if !has_jails("the proxy of a jail") {
            return None;
        }
        let world = World::create();
        for (name, address) in [(LLM, PUBLIC), ("other.evil.test", PUBLIC), ("inner.evil.test", "127.0.0.1")]
        {
            for _ in 0..8 {
                world.names.script(name, &[&[address]]);
            }
        }
        let place = Place::create();
        fs::copy(world.ca_file(), place.work().join("ca.pem")).unwrap();
        Some(Self { gate: Gate::builder().start(), world, place })
    }

    fn curl(&self, arguments: &[&str]) -> Ran {
        let hosts = ["--allow-host", LLM, "--allow-host", "inner.evil.test"];
        let mut command = self.place.sandbox(&hosts);
        command.args(["--", "curl", "-sS", "--max-time", "20", "--cacert", "ca.pem"]).args(arguments);
        Ran::of(command.env("LATCHGATE_HOME", self.gate.home()))
    }

    /// Why each attempt was refused, the last session's last.
    fn connections(&self) -> Vec<Value> {
        let entries = self.gate.entries_of("jail.connected").into_iter();
        entries.flat_map(|entry| entry["connections"].as_array().cloned().unwrap_or_default()).collect()
    }
}

#[test]
fn a_host_on_the_list_is_reached_and_stands_in_the_ledger() {
    isolated(|| {
        let Some(scene) = Scene::create() else { return };
        let url = format!("https://{LLM}/v1/messages");
        scene.curl(&[&url]).exited(0);
        assert!(scene.world.everywhere.hits().len() == 1, "one request arrives");
        let made = scene.connections();
        assert_eq!((made.len(), &made[0]["host"], &made[0]["refused"]), (1, &LLM.into(), &Value::Null));
        assert_eq!(scene.gate.verify().code, 0);
    });
}

#[test]
fn everything_else_is_refused_and_stands_in_the_ledger() {
    isolated(|| {
        let Some(scene) = Scene::create() else { return };
        let to = |host: &str| format!("https://{host}/");
        let cases: [(&str, Vec<String>, &str); 8] = [
            ("another host", vec![to("other.evil.test")], "not on the list"),
            ("another port", vec![format!("https://{LLM}:8443/")], "only 443"),
            ("an address", vec![to(PUBLIC)], "not on the list"),
            ("an IPv6 address", vec![to("[2606:4700::1]")], "not on the list"),
            ("loopback by name", vec![to("inner.evil.test")], "127.0.0.1"),
            ("a name with a dot behind", vec![to(&format!("{LLM}."))], "not on the list"),
            (
                "plain http",
                vec!["-x".into(), "http://127.0.0.1:3128".into(), format!("http://{LLM}/")],
                "only CONNECT",
            ),
            (
                "TLS for another host",
                vec!["--connect-to".into(), format!("other.evil.test:443:{LLM}:443"), to("other.evil.test")],
                "another host",
            ),
        ];
        for (what, arguments, reason) in cases {
            let before = scene.connections().len();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let ran = scene.curl(&arguments);
            assert!(ran.code != 0 || what == "plain http", "{what}: {ran:?}");
            let new = scene.connections().split_off(before);
            let refused =
                new.first().and_then(|made| made["refused"].as_str()).unwrap_or_default().to_owned();
            assert!(refused.contains(reason), "{what}: {new:?}");
        }
        let hits = scene.world.everywhere.hits();
        let requests = hits.iter().filter(|hit| hit.request.is_some());
        assert_eq!(requests.count(), 0, "nothing was said to anybody");
    });
}

#[test]
fn without_hosts_there_is_no_proxy() {
    if !has_jails("a jail without a network") {
        return;
    }
    let gate = Gate::builder().start();
    let place = Place::create();
    let mut command = place.sandbox(&["--no-network", "--", "curl", "-sS", "http://127.0.0.1:3128/"]);
    let ran = Ran::of(command.env("LATCHGATE_HOME", gate.home()));
    assert_eq!(ran.code, 7, "{ran:?}");
}
