//! Neither the environment nor what lies in a project makes the gate, or a command, run a program or go by another policy.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use latchgate_tests::{Gate, GateBuilder, Response, Upstream, policy};
use serde_json::json;

const LOOPBACK: &str = "[egress]\ndangerous_loopback = true\n";

/// What tools of this kind look for where they are started.
const CONFIGURATIONS: &[&str] = &[
    "latchgate.toml",
    ".latchgate.toml",
    ".latchgate/latchgate.toml",
    "h/../latchgate.toml",
    ".env",
    ".envrc",
];

/// Programs that tools run for their users.
const PROGRAMS: &[&str] = &[
    "sh",
    "bash",
    "git",
    "less",
    "more",
    "vi",
    "nano",
    "xdg-open",
    "curl",
    "python3",
    "node",
    "systemctl",
    "ssh",
];

/// A project that would have everything allowed, and a program behind every name. Each program leaves a mark.
fn plant(dir: &Path) {
    for name in CONFIGURATIONS {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "[egress]\ndangerous_loopback = true\n[hooks]\nstart = \"bin/sh\"\n").unwrap();
    }
    for place in ["policies", ".latchgate/policies"] {
        fs::create_dir_all(dir.join(place)).unwrap();
        fs::write(dir.join(place).join("standard.cedar"), policy::ALLOW).unwrap();
    }
    fs::create_dir_all(dir.join("bin")).unwrap();
    for name in PROGRAMS {
        let path = dir.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\necho {name} >> {}\n", dir.join("ran").display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Every variable that names a program or a proxy to somebody, naming ours.
fn hostile(builder: GateBuilder, bin: &Path, proxy: u16) -> GateBuilder {
    let bin = bin.to_str().unwrap();
    let proxy = format!("http://127.0.0.1:{proxy}");
    let programs =
        ["EDITOR", "VISUAL", "PAGER", "BROWSER", "SHELL", "GIT_SSH_COMMAND", "GIT_PAGER", "MANPAGER"];
    let builder = programs
        .iter()
        .fold(builder.env("PATH", bin), |builder, name| builder.env(name, &format!("{bin}/sh")));
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let builder = proxies.iter().fold(builder, |builder, name| builder.env(name, &proxy));
    builder.env("ENV", &format!("{bin}/sh")).env("BASH_ENV", &format!("{bin}/sh"))
}

#[test]
fn a_project_and_the_environment_run_nothing_and_rule_nothing() {
    let place = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
    plant(place.path());
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let builder = Gate::builder().policy(policy::DENY).root_file("a", "x");
    let mut gate = hostile(builder, &place.path().join("bin"), proxy.local_addr().unwrap().port()).prepare();
    // Home and root lie where the gate is started, and so does the project.
    plant(gate.base());
    plant(gate.root());
    gate.start().unwrap();
    let agent = gate.raw_agent();
    let (status, answer) = agent.execute("fs_read", &json!({ "path": "a" }), |call| call);
    assert_eq!(
        (status, &answer["error"]),
        (403, &json!("policy_denied")),
        "the home's own policy is in force"
    );
    for args in [&["status"][..], &["approvals", "list"], &["audit"], &["actions", "list"], &["reload"]] {
        gate.cli(args).exited(0);
    }
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", gate.pid())).unwrap_or_default();
    assert_eq!(children.trim(), "", "the gate has no child");
    for dir in [place.path(), gate.base(), gate.root()] {
        assert!(!dir.join("ran").exists(), "{}", fs::read_to_string(dir.join("ran")).unwrap());
    }
    assert_eq!(gate.entries_of("call.intent").len(), 0);
    assert!(gate.terminate().success());
    gate.assert_sound();
}

/// The twin: the same words in the home are heeded, and a call goes to its service, past every proxy.
#[test]
fn the_home_rules_and_a_call_goes_past_every_proxy() {
    let place = tempfile::Builder::new().prefix("gate-").tempdir_in("/tmp").unwrap();
    plant(place.path());
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let upstream = Upstream::answering(|_| Response::ok("page"));
    let builder = Gate::builder().policy(policy::ALLOW).config(LOOPBACK);
    let gate = hostile(builder, &place.path().join("bin"), proxy.local_addr().unwrap().port()).start();
    let agent = gate.raw_agent();
    let (status, answer) = agent.execute("http_fetch", &json!({ "url": upstream.url("/") }), |call| call);
    assert_eq!((status, &answer["output"]["text"]), (200, &json!("page")), "{answer}");
    assert!(proxy.accept().is_err(), "nobody came to the proxy");
    assert!(!place.path().join("ran").exists());
    gate.assert_sound();
}
