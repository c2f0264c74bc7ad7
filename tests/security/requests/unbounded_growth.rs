//! What nobody stands behind leaves counts, not keepsakes: no entries, no labels of its own, no memory, no files.

use std::fs;
use std::path::Path;

use latchgate_tests::{Connection, Gate, Key, Proof, Token, of_kind, policy};
use serde_json::json;

use crate::scene::{LOOPBACK, Scene, shown};

/// Requests of each kind, enough for a growth by request to be seen.
const FLOOD: usize = 500;
/// Names of actions that do not exist begin so.
const MADE_UP: &str = "made_up_";
/// What a flood may leave behind in memory, pools and stacks of threads included.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

#[test]
fn a_flood_that_nobody_answers_for_is_counted_and_forgotten() {
    let scene = Scene::allowing();
    let (socket, key) = (scene.gate.agent_socket(), Key::generate());
    let lease = Token::read(&scene.agent.lease);
    scene.post(scene.number()).send().expect(200);
    let mut connection = Connection::open(&socket);
    // Each request with names, ids and tokens that never came before.
    let mut ask = |i: usize| {
        let unknown = format!("GET /v1/{i}/{i} HTTP/1.1\r\nHost: localhost\r\nX-{i}: {i}\r\n\r\n");
        assert_eq!(told(&mut connection, unknown.as_bytes()), (404, "not_found".to_owned()));
        let without = scene.agent.call(&format!("{MADE_UP}{i}"), &json!({})).authorization(&[]);
        assert_eq!(told(&mut connection, &without.bytes()), (401, "missing_auth_header".to_owned()));
        // A right proof, and a lease that says more than the gate signed.
        let forged =
            lease.clone().claim("jti", format!("lse_{i}")).claim("sub", format!("uid:{i}")).sign(&key);
        let header = format!("DPoP {forged}");
        let attempt = scene.agent.with_key(&key).call("tick", &json!({})).authorization(&[&header]);
        let attempt = attempt.proof(move |proof: Proof| proof.lease(&forged));
        assert_eq!(told(&mut connection, &attempt.bytes()), (401, "invalid_lease".to_owned()));
    };
    ask(0);
    let before = scene.before();
    let kept = Kept::by(&scene);
    (1..FLOOD).for_each(&mut ask);
    before.assert_same(&scene);
    let now = Kept::by(&scene);
    assert_eq!((now.files, now.series), (kept.files, kept.series), "files, and series of metrics");
    let grown = now.resident_kib.saturating_sub(kept.resident_kib);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for {} requests", 3 * FLOOD);

    // The twin: who can be told apart is served, and written about.
    scene.post(scene.number()).send().expect(200);
    for code in ["not_found", "missing_auth_header", "invalid_lease"] {
        scene.also_counted(code, FLOOD as u64);
    }
    scene.end();
}

/// Leases cost an entry each: whoever asks for too many is told when to ask again, and counted.
#[test]
fn leases_beyond_the_rate_are_refused_and_counted() {
    let config = format!("[limits]\nleases_per_s = 1\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(&config));
    let issued = |scene: &Scene| of_kind(&scene.gate.entries(), "lease.issued").len();
    let before = issued(&scene);
    let (socket, key) = (scene.gate.agent_socket(), Key::generate());
    let replies: Vec<_> =
        (0..60).map(|_| latchgate_tests::RawAgent::ask_for_lease(&socket, &key, &json!({})).send()).collect();
    let (given, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    for reply in &refused {
        assert_eq!(reply.outcome(), (429, "rate_limited".to_owned()), "{}", shown(reply));
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
    }
    assert!(!refused.is_empty() && !given.is_empty(), "{} given", given.len());
    assert_eq!(issued(&scene) - before, given.len());
    scene.also_counted("rate_limited", refused.len() as u64);
    scene.post(scene.number()).send().expect(200);
    scene.end();
}

/// Calls of a principal beyond its rate are refused before they cost an entry.
#[test]
fn calls_beyond_the_rate_are_refused_and_counted() {
    let config = format!("[limits]\ncalls_per_s = 1\n{LOOPBACK}");
    let scene = Scene::of(Gate::builder().policy(policy::ALLOW).config(&config));
    let replies: Vec<_> = (0..30).map(|_| scene.post(scene.number()).send()).collect();
    let refused = replies.iter().filter(|reply| reply.status == 429).count();
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.outcome(), (429, "rate_limited".to_owned()), "{}", shown(reply));
        assert_eq!(reply.json()["effect"], "none");
    }
    assert!(refused > 0 && refused < replies.len(), "{refused} refused");
    let intents = of_kind(&scene.gate.entries(), "call.intent").len();
    assert_eq!((scene.effects(), intents), (replies.len() - refused, replies.len() - refused));
    scene.also_counted("rate_limited", refused as u64);
    scene.end();
}

fn told(connection: &mut Connection, request: &[u8]) -> (u16, String) {
    connection.send(request);
    connection.reply().outcome()
}

/// What a gate holds on to.
struct Kept {
    resident_kib: u64,
    files: usize,
    series: usize,
}

impl Kept {
    fn by(scene: &Scene) -> Self {
        let metrics = scene.operator().get("/metrics").send();
        assert_eq!(metrics.status, 200, "{}", shown(&metrics));
        let metrics = String::from_utf8(metrics.body).unwrap();
        assert!(!metrics.contains(MADE_UP), "{metrics}");
        let status = fs::read_to_string(format!("/proc/{}/status", scene.gate.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            files: files_below(&scene.gate.home().join("state")),
            series: metrics.lines().count(),
        }
    }
}

fn files_below(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { 1 }).sum()
}
