//! What belongs to one principal is not there for another: receipts, approvals, pending calls, leases and keys.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use latchgate_tests::{RawAgent, policy};
use serde_json::json;

use super::other_user::{OTHER, as_other, is_root};
use crate::scene::{Refusal, Scene, counted};

const ABSENT: Refusal = counted(404, "not_found");

/// Lets others reach the agents' socket, as the service does with its group: behind the gate's back, once it runs.
fn open_to_others(scene: &Scene) {
    let run = scene.gate.home().join("run");
    for dir in [scene.gate.base(), scene.gate.home(), &run] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o711)).unwrap();
    }
    fs::set_permissions(scene.gate.agent_socket(), fs::Permissions::from_mode(0o666)).unwrap();
}

#[test]
fn another_user_reaches_neither_socket() {
    if !is_root() {
        return;
    }
    let scene = Scene::allowing();
    for socket in [scene.gate.agent_socket(), scene.gate.admin_socket()] {
        let error = as_other(|| UnixStream::connect(&socket)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{}", socket.display());
    }
    // Where the agents' socket is opened, the operators' stays closed.
    open_to_others(&scene);
    as_other(|| UnixStream::connect(scene.gate.agent_socket())).unwrap();
    let error = as_other(|| UnixStream::connect(scene.gate.admin_socket())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    scene.end();
}

#[test]
fn another_principals_receipts_and_approvals_are_not_there() {
    if !is_root() {
        return;
    }
    let scene =
        Scene::of(latchgate_tests::Gate::builder().config(crate::scene::LOOPBACK).root_file("a", "mine"));
    open_to_others(&scene);
    let read = scene.agent.call("fs_read", &json!({ "path": "a" })).send().expect(200);
    let receipt = format!("/v1/receipts/{}", read["receipt_id"].as_str().unwrap());
    let id = scene.hold();
    let (poll, list) = (format!("/v1/approvals/{id}/poll"), "/v1/approvals");

    let socket = scene.gate.agent_socket();
    let other = as_other(|| RawAgent::connect(&socket, &json!({})));
    assert_eq!(other.principal, format!("uid:{OTHER}"));
    let send = |path: &str| as_other(|| other.get(path).send());
    for path in [&receipt, &poll, &format!("{poll}?wait=1")] {
        let before = scene.before();
        let reply = send(path);
        scene.assert_refused(path, &before, &reply, ABSENT);
    }
    // The same answer as for what was never there.
    let never = send("/v1/receipts/rcpt_01ARZ3NDEKTSV4RRFFQ69G5FAV").json();
    assert_eq!(send(&receipt).json()["detail"], never["detail"]);
    scene.also_counted("not_found", 2);
    assert_eq!(send(list).expect(200)["approvals"], json!([]));

    // The twin: the owner, under a new key and lease.
    let owner = scene.gate.raw_agent();
    owner.get(&receipt).send().expect(200);
    assert_eq!(owner.get(&poll).send().expect(200)["status"], "pending");
    assert_eq!(owner.get(list).send().expect(200)["approvals"].as_array().unwrap().len(), 1);
    scene.end();
}

#[test]
fn a_stolen_lease_and_key_are_worth_nothing_to_another_user() {
    if !is_root() {
        return;
    }
    let scene = Scene::allowing();
    open_to_others(&scene);
    let number = scene.number();
    let before = scene.before();
    // `Attempt` stays on its thread: only its bytes cross over.
    let bytes = scene.post(number).bytes();
    let reply = as_other(|| latchgate_tests::exchange(&scene.gate.agent_socket(), &bytes));
    scene.assert_refused("stolen", &before, &reply, counted(401, "invalid_lease"));
    // The twin: the very same bytes from the user that the lease was issued to.
    latchgate_tests::exchange(&scene.gate.agent_socket(), &bytes).expect(200);
    scene.end();
}

#[test]
fn an_idempotency_key_and_a_call_of_another_principal_are_other_calls() {
    if !is_root() {
        return;
    }
    let scene =
        Scene::of(latchgate_tests::Gate::builder().policy(policy::ASK).config(crate::scene::LOOPBACK));
    open_to_others(&scene);
    let socket = scene.gate.agent_socket();
    let other = as_other(|| RawAgent::connect(&socket, &json!({})));
    let number = scene.number();
    for key in [None, Some("shared")] {
        let keyed = |agent: &RawAgent| {
            let call = scene.post_by(agent, number);
            key.map_or(call.header("X-Same", "1"), |key| scene.post_by(agent, number).idempotency_key(key))
                .bytes()
        };
        let (own, others) = (keyed(&scene.agent), keyed(&other));
        let own = latchgate_tests::exchange(&socket, &own).expect(202);
        let others = as_other(|| latchgate_tests::exchange(&socket, &others)).expect(202);
        assert_ne!(own["approval_id"], others["approval_id"]);
    }
    scene.end();
}
