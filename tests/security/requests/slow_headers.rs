//! Who speaks slowly waits for himself: half a request keeps no other caller, and no operator, from being served.

use latchgate_tests::{Connection, eventually};

use crate::scene::Scene;

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

/// More connections than the gate takes on the agents' socket: the operators' socket has its own.
#[test]
fn an_agent_that_holds_every_connection_does_not_keep_the_operator_out() {
    let scene = Scene::allowing();
    let socket = scene.gate.agent_socket();
    let mut held = Vec::new();
    for _ in 0..1500 {
        // A full backlog makes connect wait, which is the agent's own affair.
        let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        held.push(stream);
        if held.len() == 1024 + 64 {
            break;
        }
    }
    scene.operator().revoke(&serde_json::json!({ "all": "everything" }));
    drop(held);
    let reply = eventually("the agents' socket", || {
        let reply = scene.post(scene.number()).send();
        (reply.status != 503).then_some(reply)
    });
    assert_eq!(reply.outcome(), (401, "lease_revoked".into()));
}
