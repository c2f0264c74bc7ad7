//! Whatever comes over standard input, and from whatever calls itself a gate: answered or left, and the session goes on.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use latchgate_tests::{Gate, McpClient, STATELESS, eventually, mcp_binary};
use serde_json::{Value, json};

fn assert_lives(client: &mut McpClient) {
    let list = client.result("tools/list", json!({}));
    assert!(list["tools"].is_array());
}

#[test]
fn malformed_lines_are_answered_or_left_and_the_session_goes_on() {
    let gate = Gate::builder().start();
    for version in ["2025-06-18", "2025-11-25", STATELESS] {
        let mut client = McpClient::session(&gate, version, json!({}), &[]);
        let deep = "[".repeat(100_000);
        let lines: [&[u8]; 20] = [
            b"",
            b"\r",
            b"{",
            b"nonsense",
            b"\xff\xfe\x00",
            b"null",
            b"7",
            b"\"text\"",
            b"[]",
            b"[1,2,3]",
            b"{}",
            b"{\"jsonrpc\":\"1.0\",\"id\":900,\"method\":\"ping\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":901,\"method\":7}",
            b"{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"ping\"}",
            b"{\"jsonrpc\":\"2.0\",\"id\":902,\"result\":{\"a\":1}}",
            b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":[]}}",
            deep.as_bytes(),
        ];
        for line in lines {
            client.send_bytes(&[line, b"\n"].concat());
            assert_lives(&mut client);
        }
    }
}

#[test]
fn parameters_of_other_shapes_are_refused_under_the_requests_id() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    for (method, params) in [
        ("tools/call", json!({ "name": 7 })),
        ("tools/call", json!([])),
        ("tools/call", json!({ "name": "fs_read", "arguments": "x" })),
        ("resources/read", json!({})),
        ("resources/read", json!({ "uri": null })),
    ] {
        client.send(&json!({ "jsonrpc": "2.0", "id": format!("{method}{params}"), "method": method, "params": params }));
        let answer = client.answer(&json!(format!("{method}{params}")));
        assert_eq!(answer["error"]["code"], -32602, "{method} {params}: {answer:#}");
    }
    assert_eq!(client.request("no/such", json!({}))["error"]["code"], -32601);
    assert_lives(&mut client);
}

#[test]
fn a_line_beyond_the_bound_is_skipped_without_being_kept() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    client.send_bytes(b"{\"jsonrpc\":\"2.0\",\"id\":1000,\"method\":\"ping\",\"params\":{\"x\":\"");
    let block = vec![b'a'; 1 << 20];
    for _ in 0..100 {
        client.send_bytes(&block);
    }
    client.send_bytes(b"\"}}\n");
    let refused = client.message("a refusal", |message| message["error"]["code"] == -32600);
    assert!(refused["id"].is_null());
    assert_lives(&mut client);
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 90_000, "{kib} KiB at its peak, of a line of 100 MiB");
}

#[test]
fn an_id_in_use_is_not_taken_twice() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let call = |content: &str| {
        let args = json!({ "path": "note.txt", "content": content });
        json!({ "jsonrpc": "2.0", "id": "same", "method": "tools/call", "params": { "name": "fs_write", "arguments": args } })
    };
    client.send(&call("one"));
    let id = gate.raw_operator().await_held(&[]);
    client.send(&call("two"));
    let refused = client.message("a refusal", |message| message["error"]["code"] == -32600);
    assert!(refused["id"].is_null(), "under that id it would be taken for the first one's answer");
    gate.raw_operator().approve(&id);
    assert_eq!(client.answer(&json!("same"))["result"]["isError"], false);
    assert_eq!(std::fs::read_to_string(gate.root().join("note.txt")).unwrap(), "one");
}

#[test]
fn batches_belong_to_the_revision_that_has_them() {
    let gate = Gate::builder().root_file("a.txt", "hello").start();
    let ping = |id: &str| json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
    let read = json!({
        "jsonrpc": "2.0", "id": "r", "method": "tools/call",
        "params": { "name": "fs_read", "arguments": { "path": "a.txt" } }
    });
    let batch = json!([ping("a"), read, { "jsonrpc": "2.0", "method": "notifications/none" }, 7]);
    let mut client = McpClient::session(&gate, "2025-03-26", json!({}), &[]);
    client.send(&batch);
    let answers = client.message("a batch", Value::is_array);
    let ids: std::collections::BTreeSet<&str> =
        answers.as_array().unwrap().iter().filter_map(|answer| answer["id"].as_str()).collect();
    assert_eq!(ids, ["a", "r"].into(), "{answers:#}");
    assert_lives(&mut client);

    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    client.send(&batch);
    client.message("a refusal", |message| message["error"]["code"] == -32600);
    assert_lives(&mut client);
}

#[test]
fn a_flood_of_requests_is_answered_one_by_one() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let ids: Vec<Value> = (0..3000).map(|_| client.begin("ping", json!({}))).collect();
    for id in ids {
        client.answer(&id);
    }
    assert_lives(&mut client);
}

/// Bytes that must not bring it down, drawn from a fixed seed.
#[test]
fn mutated_messages_do_not_end_the_session() {
    let gate = Gate::builder().start();
    let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
    let message = json!({
        "jsonrpc": "2.0", "id": "m", "method": "tools/call",
        "params": { "name": "fs_read", "arguments": { "path": "a.txt" }, "_meta": { "progressToken": 1 } }
    });
    let message = message.to_string().into_bytes();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for _ in 0..2000 {
        let mut bytes = message.clone();
        for _ in 0..=draw(4) {
            let at = draw(bytes.len());
            match draw(3) {
                0 => bytes[at] = u8::try_from(draw(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"{}[],:\"\\0n"[draw(10)]),
            }
        }
        client.send_bytes(&[&bytes[..], b"\n"].concat());
    }
    assert_lives(&mut client);
}

/// Not a gate: each answer is one that no gate gives.
#[test]
fn a_hostile_gate_is_told_of_and_survived() {
    for answer in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nnot json!",
        b"SSH-2.0-OpenSSH\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{\"lease_jwt\":\"\\u0000\\r\\nX: y\"  }",
    ] {
        let gate = Gate::builder().prepare();
        let run = gate.home().join("run");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
        let listener = UnixListener::bind(run.join("gate.sock")).unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _asked = stream.read(&mut [0; 4096]);
                let _told = stream.write_all(answer);
            }
        });
        let mut client = McpClient::session(&gate, "2025-11-25", json!({}), &[]);
        let result = client.call("fs_read", &json!({ "path": "a.txt" }));
        assert_eq!(result["isError"], true, "{result:#}");
        assert_lives(&mut client);
        assert!(client.end().success());
    }
}

#[test]
fn from_a_client_that_reads_nothing_nothing_more_is_taken() {
    let gate = Gate::builder().start();
    let mut command = Command::new(mcp_binary());
    command.arg("serve").env_clear().env("LATCHGATE_HOME", gate.home());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Nobody reads the answers. Once the pipe is full, nothing more is taken: what was written stays in the other pipe.
    let written = Arc::new(AtomicUsize::new(0));
    let writing = thread::spawn({
        let written = Arc::clone(&written);
        move || {
            while written.load(Ordering::SeqCst) < LINES && stdin.write_all(b"nonsense\n").is_ok() {
                written.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    eventually("lines that are taken", || (written.load(Ordering::SeqCst) > 5_000).then_some(()));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    writing.join().unwrap();
    assert!(kib < 60_000, "{kib} KiB");
    assert!(written.load(Ordering::SeqCst) < LINES, "it takes without end");
}

/// More than pipes and bounds hold between them.
const LINES: usize = 100_000;
