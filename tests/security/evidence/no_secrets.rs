//! What proves nothing by being there is not there: no lease, proof, key or argument in ledger, logs, arguments or errors.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use latchgate_tests::{Gate, Proof, Response, Upstream, each_file, policy};
use serde_json::json;

use crate::scene::{LOOPBACK, Scene};

const ARGUMENT: &str = "argument-that-must-not-show";
const RESULT: &str = "result-that-must-not-show";
const CONTENT: &str = "content-that-must-not-show";

/// Texts and bytes to be looked for.
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: impl AsRef<[u8]>) {
        self.0.push((name.to_owned(), secret.as_ref().to_vec()));
    }

    #[track_caller]
    fn assert_absent(&self, place: &str, bytes: &[u8]) {
        for (name, secret) in &self.0 {
            let is_there = bytes.windows(secret.len()).any(|window| window == secret.as_slice());
            assert!(!is_there, "{name} is in {place}");
        }
    }
}

/// The gate's own secrets, as they lie in files that nothing else may repeat.
fn keys(scene: &Scene, secrets: &mut Secrets) {
    for name in ["entry.key", "lease.key", "operator-local.pem"] {
        let pem = fs::read_to_string(scene.gate.keys().join(name)).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        secrets.add(name, &der);
        // PKCS#8 begins alike for every key: what tells them apart is the end.
        let der = STANDARD.decode(der).unwrap();
        secrets.add(&format!("{name}, raw"), &der[der.len().saturating_sub(32)..]);
    }
    for name in ["payload.key", "request.key"] {
        let key = fs::read(scene.gate.keys().join(name)).unwrap();
        secrets.add(name, &key);
        secrets.add(&format!("{name}, base64"), STANDARD.encode(&key));
    }
}

#[test]
fn nothing_secret_is_written_shown_or_passed_along() {
    let upstream = Upstream::answering(|_| Response::ok(RESULT));
    let builder = Gate::builder().policy(policy::ALLOW).config(LOOPBACK).root_file("a", CONTENT);
    let scene = Scene::with(builder, upstream);
    let mut secrets = Secrets(Vec::new());
    keys(&scene, &mut secrets);
    let agent = &scene.agent;
    secrets.add("the lease", &agent.lease);
    secrets.add("the lease's signature", agent.lease.rsplit('.').next().unwrap());
    secrets.add("the agent's key", agent.key.private_jwk()["d"].as_str().unwrap());

    let mut errors = Vec::new();
    let mut proofs = Vec::new();
    let url = scene.upstream.url(&format!("/{ARGUMENT}?q={ARGUMENT}"));
    let calls = [
        ("http_fetch", json!({ "url": url })),
        ("http_post", json!({ "url": url, "body": { ARGUMENT: ARGUMENT } })),
        ("fs_write", json!({ "path": ARGUMENT, "content": ARGUMENT })),
        ("fs_read", json!({ "path": "a" })),
        ("tick", json!({ "url": url, "number": ARGUMENT })),
        ("tick", json!({ "url": format!("http://user:{ARGUMENT}@x/"), "number": 1 })),
        ("tick", json!({ "url": url, ARGUMENT: 1 })),
        ("unknown", json!({ "x": ARGUMENT })),
    ];
    for (action, args) in &calls {
        let path = format!("/v1/actions/{action}/execute");
        let proof = Proof::new(&agent.key, "POST", &format!("http://localhost{path}"))
            .lease(&agent.lease)
            .body(args.to_string().as_bytes())
            .sign();
        let reply = agent.post(&path, args).dpop(&[&proof]).send();
        let replay = agent.post(&path, args).dpop(&[&proof]).send();
        let broken = agent.post(&path, args).body(format!("{args}{ARGUMENT}")).send();
        errors.extend([reply, replay, broken].into_iter().filter(|reply| reply.status >= 400));
        secrets.add("a proof's signature", proof.rsplit('.').next().unwrap());
        proofs.push(proof);
    }
    assert!(errors.len() > 2 * calls.len(), "every call was to be refused in more than one way");

    // What the caller sent in arguments may come back to him; what proves who he is may not.
    for reply in &errors {
        secrets.assert_absent("an error", &reply.body);
    }
    secrets.add("an argument", ARGUMENT);
    secrets.add("an argument, base64", STANDARD.encode(ARGUMENT));
    secrets.add("an argument, base64url", URL_SAFE_NO_PAD.encode(ARGUMENT));
    secrets.add("a result", RESULT);
    secrets.add("a file's content", CONTENT);

    let proc = Path::new("/proc").join(scene.gate.pid().to_string());
    secrets.assert_absent("argv", &fs::read(proc.join("cmdline")).unwrap());
    // The process is undumpable: only root may read its environment, and it must bear that.
    if let Ok(environ) = fs::read(proc.join("environ")) {
        secrets.assert_absent("the environment", &environ);
    }
    scene.operator().status();
    let mut scene = scene;
    assert!(scene.gate.terminate().success());
    secrets.assert_absent("standard error", scene.gate.log().as_bytes());
    secrets.assert_absent("standard output", scene.gate.said().as_bytes());
    let mut files = 0;
    each_file(scene.gate.home(), &mut |path, bytes| {
        if !path.starts_with(scene.gate.keys()) {
            files += 1;
            secrets.assert_absent(&path.display().to_string(), bytes);
        }
    });
    assert!(files > 5, "the home was looked into");
    // The twin: the search finds what is there.
    let entries = scene.gate.entries();
    assert!(entries.iter().any(|entry| entry.to_string().contains("fs:{path}")), "targets are templates");
    assert_eq!(fs::read_to_string(scene.gate.root().join(ARGUMENT)).unwrap(), ARGUMENT);
}
