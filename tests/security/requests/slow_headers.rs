//! Who speaks slowly waits for himself: half a request keeps no other caller, and no operator, from being served.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::thread;

use latchgate_tests::{Connection, eventually};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::scene::{Scene, counted};

#[test]
fn half_a_head_and_half_a_body_block_nobody() {
    let scene = Scene::allowing();
    let (socket, number) = (scene.gate.agent_socket(), scene.number());
    let request = scene.post(number).bytes();
    let head = request.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let mut slow: Vec<(Connection, &[u8])> = [4, head / 2, head + 2, head + 8]
        .iter()
        .cycle()
        .take(100)
        .map(|cut| {
            let mut connection = Connection::open(&socket);
            connection.send(&request[..*cut]);
            (connection, &request[*cut..])
        })
        .collect();
    for _ in 0..3 {
        scene.post(scene.number()).send().expect(200);
    }
    assert_eq!(scene.operator().status()["status"], "ready");
    assert_eq!(scene.effects(), 3);
    // The twin: the slow one finishes his sentence and is served.
    let (connection, rest) = &mut slow[0];
    connection.send(rest);
    connection.reply().expect(200);
    assert_eq!(scene.effects(), 4);
}

/// However steadily it goes on: a head or a body that does not come to its end is given up, and nothing is done.
#[test]
fn a_head_and_a_body_that_drip_without_end_are_given_up() {
    let scene = Scene::allowing();
    let request = String::from_utf8(scene.post(scene.number()).bytes()).unwrap();
    let (head, _) = request.split_once("\r\n\r\n").unwrap();
    let length = head.lines().find(|line| line.starts_with("Content-Length")).unwrap();
    let beginnings = [
        format!("{head}\r\nX-Drip: "),
        format!("{}\r\n\r\n{{", head.replace(length, "Content-Length: 100000")),
    ];
    let before = scene.before();
    let socket = scene.gate.agent_socket();
    thread::scope(|scope| {
        for beginning in &beginnings {
            let mut slow = UnixStream::connect(&socket).unwrap();
            slow.write_all(beginning.as_bytes()).unwrap();
            scope.spawn(move || {
                eventually("the end of a slow connection", || slow.write_all(b" ").is_err().then_some(()));
            });
        }
    });
    before.assert_same(&scene);
    scene.post(scene.number()).send().expect(200);
}

/// More connections than the gate gives one user on the agents' socket, and than a process has descriptors by default: the operators'
/// socket has its own.
#[test]
fn an_agent_that_holds_every_connection_does_not_keep_the_operator_out() {
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS_BY_DEFAULT), ..limits }).unwrap();
    let scene = Scene::allowing();
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).unwrap();
    let socket = scene.gate.agent_socket();
    // Served once each, so that the gate holds them; of those behind some are sent away.
    let mut served: Vec<Connection> = (0..SERVED)
        .map(|_| {
            let mut connection = Connection::open(&socket);
            connection.send(HEALTH);
            connection.reply().expect(200);
            connection
        })
        .collect();
    let mut more: Vec<Connection> = (0..MORE).map(|_| Connection::open(&socket)).collect();
    for connection in &mut more[SHARE - SERVED..] {
        assert_eq!(connection.reply().outcome(), (503, "unavailable".into()));
    }
    scene.also_counted("unavailable", (SERVED + MORE - SHARE) as u64);
    scene.operator().revoke(&json!({ "all": "everything" }));
    // Not because they were given up meanwhile: the first of them is still held.
    served[0].send(HEALTH);
    assert!(
        served[0].try_reply().is_some(),
        "the operator was let in after the held connections had timed out"
    );
    drop((served, more));
    scene.refuses("afterwards", counted(401, "lease_revoked"), scene.post(scene.number()));
    scene.end();
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const DESCRIPTORS_BY_DEFAULT: u64 = 1024;
/// Fewer than the descriptors that are left, more than enough with those that wait.
const SERVED: usize = 900;
/// What one user may hold, of all there are.
const SHARE: usize = 1024;
/// Past that share.
const MORE: usize = 200;
