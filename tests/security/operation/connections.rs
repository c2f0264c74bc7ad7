//! Connections are shared out: whoever holds many, breaks them or closes them halfway harms his own.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use latchgate_tests::{
    Gate, Reply, Response, Upstream, binary_for_others, closed_port, eventually, policy, raw, tick,
};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::authority::other_user::{OTHER, as_other};
use crate::scene::{LOOPBACK, Scene, counted};

/// More than one user may have, and than all may have together.
const IDLE: usize = 2_500;

#[test]
fn thousands_of_idle_connections_keep_out_neither_operator_nor_another_agent() {
    let Some((_dir, binary)) = binary_for_others() else { return };
    let limits = getrlimit(Resource::Nofile);
    if limits.maximum.is_some_and(|maximum| maximum < 2 * IDLE as u64) {
        return eprintln!("LEFT OUT: {IDLE} connections take more descriptors than this system grants");
    }
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).unwrap();
    // The gate is the hostile agent's own user here, who alone is let in beside root.
    let builder = Gate::builder().uid(OTHER).binary(&binary);
    let builder = builder.policy(policy::ALLOW).config(LOOPBACK).manifest("tick.yaml", &tick::manifest());
    let scene = Scene::on_with(builder.prepare(), Upstream::start());
    let socket = scene.gate.agent_socket();
    // The twin: a few are welcome.
    as_other(|| assert_eq!(Reply::all(&raw(&socket, HEALTH))[0].status, 200));
    let idle: Vec<UnixStream> =
        as_other(|| (0..IDLE).map(|_| UnixStream::connect(&socket).unwrap()).collect());
    for _ in 0..20 {
        scene.post(scene.number()).send().expect(200);
    }
    assert_eq!(scene.operator().status()["status"], "ready");
    let told = eventually("the refusal of one more", || {
        let replies = Reply::all(&as_other(|| raw(&socket, HEALTH)));
        replies.into_iter().find(|reply| reply.status != 200)
    });
    assert_eq!(told.outcome(), (503, "unavailable".into()));
    assert_eq!((&told.json()["effect"], &told.json()["retryable"]), (&json!("none"), &json!(true)));
    drop(idle);
    eventually("room again", || {
        let replies = Reply::all(&as_other(|| raw(&socket, HEALTH)));
        replies.first().is_some_and(|reply| reply.status == 200).then_some(())
    });
    assert_eq!(scene.effects(), 20);
    scene.gate.assert_sound();
}

/// A reset tells the gate that nobody waits for the answer: the call is finished and recorded all the same.
#[test]
fn a_reset_in_the_middle_of_a_call_leaves_its_outcome() {
    let port = closed_port();
    let config = format!("[http]\nexpose = \"127.0.0.1:{port}\"\n{LOOPBACK}");
    let upstream = Upstream::answering(|_| Response::hang());
    let scene = Scene::with(Gate::builder().policy(policy::ALLOW).config(&config), upstream);
    let send = |number: u64| {
        let text = String::from_utf8(scene.post(number).bytes()).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let host = format!("Host: localhost:{port}\r\nConnection: close\r\n");
        stream.write_all(text.replacen("Host: localhost\r\n", &host, 1).as_bytes()).unwrap();
        stream
    };
    let number = scene.number();
    let reset = send(number);
    scene.upstream.await_requests(1);
    set_socket_linger(&reset, Some(Duration::ZERO)).unwrap();
    drop(reset);
    scene.operator().status();
    scene.upstream.release();
    let outcome = scene.gate.await_entry("the outcome", |entry| entry["kind"] == "call.outcome");
    assert_eq!(outcome["effects"][0]["status"], "done");
    // Nothing was delivered: who asks again gets that answer, and nothing happens twice.
    assert_eq!(scene.post(number).send().expect(200)["receipt_id"], outcome["receipt_id"]);
    assert_eq!(scene.effects(), 1);
    // The twin stays.
    let mut answer = Vec::new();
    send(scene.number()).read_to_end(&mut answer).unwrap();
    Reply::all(&answer)[0].expect(200);
    assert_eq!(scene.effects(), 2);
    scene.end();
}

/// Half-closed is hung up: the call is finished and recorded, and its answer is kept for whoever asks again.
#[test]
fn a_connection_that_is_closed_halfway_leaves_an_outcome() {
    let upstream = Upstream::answering(|_| Response::hang());
    let scene = Scene::with(Gate::builder().policy(policy::ALLOW).config(LOOPBACK), upstream);
    let number = scene.number();
    let mut half = UnixStream::connect(scene.gate.agent_socket()).unwrap();
    half.write_all(&scene.post(number).bytes()).unwrap();
    scene.upstream.await_requests(1);
    half.shutdown(Shutdown::Write).unwrap();
    let mut whole = scene.post(scene.number()).begin();
    scene.upstream.await_requests(2);
    scene.upstream.release();
    whole.reply().expect(200);
    eventually("two outcomes", || (scene.gate.entries_of("call.outcome").len() == 2).then_some(()));
    scene.post(number).send().expect(200);
    assert_eq!(scene.effects(), 2, "nothing happened twice");
    scene.end();
}

#[test]
fn calls_sent_without_waiting_are_made_once_each_in_their_order() {
    let scene = Scene::allowing();
    let mut requests = Vec::new();
    for _ in 0..20 {
        requests.extend(scene.post(scene.number()).bytes());
    }
    let last = scene.post(scene.number()).header("Connection", "close").bytes();
    requests.extend(last);
    let replies = Reply::all(&raw(&scene.gate.agent_socket(), &requests));
    let indices: Vec<u64> =
        replies.iter().map(|reply| reply.expect(200)["log_index"].as_u64().unwrap()).collect();
    assert_eq!(indices.len(), 21);
    assert!(indices.is_sorted_by(|a, b| a < b), "{indices:?}");
    let sent: Vec<u64> =
        scene.upstream.seen().iter().map(|seen| seen.json()["number"].as_u64().unwrap()).collect();
    assert_eq!(sent, (1..=21).collect::<Vec<_>>());
    scene.end();
}

/// The same call twice without waiting is two calls: the first answer was written before the second was read.
#[test]
fn a_proof_sent_twice_without_waiting_works_once() {
    let scene = Scene::allowing();
    let once = scene.post(scene.number()).bytes();
    let close = scene.post(scene.number()).header("Connection", "close").bytes();
    let replies = Reply::all(&raw(&scene.gate.agent_socket(), &[once.clone(), once, close].concat()));
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 401, 200]);
    assert_eq!(replies[1].outcome().1, "replay_detected");
    scene.also_counted("replay_detected", 1);
    assert_eq!(scene.effects(), 2);
    scene.end();
}

/// Beside the operators' socket: whoever hangs up at once, thousands of times, leaves nothing behind.
#[test]
fn connections_that_end_at_once_leave_nothing_behind() {
    let scene = Scene::allowing();
    let socket = scene.gate.agent_socket();
    let before = descriptors(&scene.gate);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..1_000).for_each(|_| drop(UnixStream::connect(&socket).unwrap())));
        }
    });
    scene.post(scene.number()).send().expect(200);
    eventually("every descriptor back", || (descriptors(&scene.gate) <= before + 8).then_some(()));
    scene.refuses(
        "a broken request",
        counted(401, "missing_auth_header"),
        scene.post(scene.number()).authorization(&[]),
    );
    assert_eq!(scene.effects(), 1);
}

fn descriptors(gate: &Gate) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gate.pid())).map_or(0, Iterator::count)
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
