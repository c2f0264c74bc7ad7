//! A gate that turns on its client: true until the call, then whatever a gate never does. Each call ends as a tool error, the
//! session goes on, and nothing grows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use latchgate_tests::{Gate, McpClient, Reply, Response, Seen, Upstream, eventually, exchange};
use serde_json::{Value, json};

const VERSION: &str = "2025-11-25";
const EXECUTE: &str = "/v1/actions/fs_read/execute";
/// Peak of a process that reads a body up to the bound, and little else.
const PEAK_KIB_MAX: u64 = 260_000;

/// In front of a real gate: what `turns` picks is answered as it says, everything else as the gate does.
struct Impostor {
    gate: Gate,
    front: Upstream,
}

impl Impostor {
    fn turning(turns: impl Fn(&Seen) -> Option<Response> + Send + Sync + 'static) -> Self {
        let gate = Gate::builder().root_file("a.txt", "hello").start();
        let socket = gate.agent_socket();
        let front = Upstream::answering(move |seen| turns(seen).unwrap_or_else(|| passed_on(&socket, seen)));
        Self { gate, front }
    }

    fn session(&self) -> McpClient {
        let url = self.front.url("");
        McpClient::session(&self.gate, VERSION, json!({}), &["--gate-url", &url])
    }
}

/// As the gate answers it.
fn passed_on(socket: &Path, seen: &Seen) -> Response {
    let Reply { status, headers, body } = truly(socket, seen);
    let headers = headers.into_iter().filter(|(name, _)| name != "content-length").collect();
    Response::Whole { status, headers, body }
}

fn truly(socket: &Path, seen: &Seen) -> Reply {
    let mut request = format!("{} {} HTTP/1.1\r\n", seen.method, seen.path);
    for (name, value) in &seen.headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    exchange(socket, &[request.as_bytes(), &seen.body].concat())
}

fn is_call(seen: &Seen) -> bool {
    seen.path == EXECUTE
}

/// Answers the call with these, one after another, and then truly.
fn answering(answers: Vec<Response>) -> Impostor {
    let next = AtomicUsize::new(0);
    Impostor::turning(move |seen| {
        is_call(seen).then(|| answers.get(next.fetch_add(1, Ordering::SeqCst)).cloned()).flatten()
    })
}

fn read(client: &mut McpClient) -> Value {
    client.call("fs_read", &json!({ "path": "a.txt" }))
}

fn whole(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Response {
    Response::Whole { status, headers: vec![("Content-Type".into(), kind.into())], body: body.into() }
}

fn kib(client: &McpClient, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", client.pid())).unwrap();
    let found = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    found.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn answers_that_are_none_end_the_call_and_not_the_session() {
    let json_kind = "application/json";
    let deep = "[".repeat(100_000);
    let answers = [
        ("another type", whole(200, "text/html", "<html>all is well</html>")),
        ("no type and no body", Response::Whole { status: 200, headers: vec![], body: vec![] }),
        ("half of JSON", whole(200, json_kind, "{\"receipt_id\":")),
        ("JSON of another shape", whole(200, json_kind, "[]")),
        ("a string", whole(200, json_kind, "\"done\"")),
        ("members twice", whole(200, json_kind, "{\"output\":1,\"output\":2}")),
        ("no UTF-8", whole(200, json_kind, b"{\"output\":\"\xff\"}".as_slice())),
        ("too deep", whole(200, json_kind, deep.clone())),
        (
            "a receipt that is none",
            whole(200, json_kind, "{\"receipt_id\":\"x\",\"output\":{},\"status\":\"completed\"}"),
        ),
        ("held without an approval", whole(202, json_kind, "{}")),
        ("held by another approval", whole(202, json_kind, "{\"approval_id\":\"appr_../../v1/leases\"}")),
        ("a status that is none", whole(299, json_kind, "{}")),
        ("a problem of another shape", whole(403, "application/problem+json", "{\"error\":7}")),
        ("a problem that is too deep", whole(500, "application/problem+json", deep)),
    ];
    let (names, responses): (Vec<&str>, Vec<Response>) = answers.into_iter().unzip();
    let impostor = answering(responses);
    let mut client = impostor.session();
    for name in names {
        let result = read(&mut client);
        assert_eq!(result["isError"], true, "{name}: {result:#}");
    }
    // The twin: the same session, the same call, a true answer.
    assert_eq!(read(&mut client)["isError"], false);
    assert!(client.end().success());
}

#[test]
fn a_redirect_is_an_answer_that_is_not_followed() {
    let elsewhere = Upstream::start();
    let place = elsewhere.url("/v1/actions/fs_read/execute");
    let redirects = [301, 302, 303, 307, 308];
    let answers = redirects.map(|status| Response::status(status, "gone").header("Location", &place));
    let impostor = answering(answers.to_vec());
    let mut client = impostor.session();
    for status in redirects {
        let result = read(&mut client);
        assert_eq!(result["isError"], true, "{status}: {result:#}");
    }
    assert_eq!(elsewhere.count(), 0, "lease and proof went somewhere else");
    assert_eq!(read(&mut client)["isError"], false);
}

/// Cut off, or without end: refused at the bound, without being kept.
#[test]
fn answers_without_an_end_are_given_up_at_the_bound() {
    let block = vec![b'a'; 1 << 20];
    let chunk = [format!("{:x}\r\n", block.len()).as_bytes(), &block, b"\r\n"].concat();
    let header = format!("X-More: {}\r\n", "a".repeat(8000)).into_bytes();
    let head =
        |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{rest}").into_bytes();
    let answers = [
        ("a body in chunks", Response::Endless(head("Transfer-Encoding: chunked\r\n\r\n"), chunk)),
        ("a body of any length", Response::Endless(head("\r\n"), block.clone())),
        ("a length that nobody has", Response::Endless(head("Content-Length: 99999999999\r\n\r\n"), block)),
        ("headers", Response::Endless(head(""), header)),
    ];
    for (name, response) in answers {
        // A lost answer is asked for once more.
        let impostor = answering(vec![response.clone(), response]);
        let mut client = impostor.session();
        let result = read(&mut client);
        assert_eq!(result["isError"], true, "{name}: {result:#}");
        let peak = kib(&client, "VmHWM:");
        assert!(peak < PEAK_KIB_MAX, "{name}: {peak} KiB");
        eventually(name, || (read(&mut client)["isError"] == false).then_some(()));
    }
}

#[test]
fn an_answer_that_is_true_and_huge_is_one_line_and_leaves_nothing_behind() {
    let impostor = {
        let gate = Gate::builder().root_file("a.txt", "hello").start();
        let (socket, first) = (gate.agent_socket(), AtomicUsize::new(0));
        let turns = move |seen: &Seen| -> Response {
            if !is_call(seen) || first.fetch_add(1, Ordering::SeqCst) > 0 {
                return passed_on(&socket, seen);
            }
            let mut answer = truly(&socket, seen).json();
            answer["output"]["text"] = json!("a".repeat(20 << 20));
            Response::json(&answer)
        };
        Impostor { gate, front: Upstream::answering(turns) }
    };
    let mut client = impostor.session();
    let result = read(&mut client);
    assert_eq!(result["structuredContent"]["text"].as_str().map(str::len), Some(20 << 20));
    assert!(kib(&client, "VmHWM:") < PEAK_KIB_MAX, "{} KiB", kib(&client, "VmHWM:"));
    assert_eq!(read(&mut client)["isError"], false);
}

#[test]
fn while_a_call_hangs_the_session_goes_on_and_its_end_ends_it() {
    let continues = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
    let hangs = [
        ("at once", Response::Stuck(Vec::new())),
        ("in the head", Response::Stuck(b"HTTP/1.1 200 OK\r\nContent-".to_vec())),
        ("in the body", Response::Stuck(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec())),
        (
            "drop by drop",
            Response::Dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".to_vec(), b" ".to_vec()),
        ),
        ("announcing more", Response::Dripping(continues.clone(), continues)),
    ];
    for (name, hang) in hangs {
        let impostor = answering(vec![hang.clone(), hang.clone(), hang]);
        let mut client = impostor.session();
        let (first, second) = (
            client.begin_call("fs_read", &json!({ "path": "a.txt" })),
            client.begin_call("fs_read", &json!({ "path": "a.txt", "max_bytes": 5 })),
        );
        eventually(name, || (impostor.front.count_of(EXECUTE) >= 2).then_some(()));
        assert!(client.result("ping", json!({})).is_object());
        assert!(client.result("tools/list", json!({}))["tools"].is_array(), "{name}");
        client.cancel(&first);
        assert!(client.result("ping", json!({})).is_object());
        // Let go, the answer that was hung ends as what it is: none.
        impostor.front.release();
        let answer = client.answer(&second);
        assert!(answer["result"]["isError"].is_boolean(), "{name}: {answer:#}");
        assert!(client.end().success(), "{name}");
    }
    // Nobody lets it go: the end of standard input is the end.
    let impostor = answering(vec![Response::Stuck(Vec::new())]);
    let mut client = impostor.session();
    client.begin_call("fs_read", &json!({ "path": "a.txt" }));
    eventually("the call", || (impostor.front.count_of(EXECUTE) == 1).then_some(()));
    assert!(client.end().success());
}

#[test]
fn a_gate_that_hangs_from_the_first_byte_holds_no_session_up() {
    let impostor = Impostor::turning(|_| Some(Response::Stuck(Vec::new())));
    let mut client = impostor.session();
    let call = client.begin_call("fs_read", &json!({ "path": "a.txt" }));
    assert!(client.result("ping", json!({})).is_object());
    assert_eq!(client.result("tools/list", json!({}))["tools"].as_array().map(Vec::len), Some(1), "its own");
    impostor.front.release();
    assert_eq!(client.answer(&call)["result"]["isError"], true);
    assert!(client.end().success());
}

#[test]
fn a_hundred_large_refusals_leave_no_more_than_ten() {
    let body = json!({ "error": "policy_denied", "detail": "a".repeat(1 << 20) }).to_string();
    let impostor = Impostor::turning(move |seen| {
        is_call(seen).then(|| whole(403, "application/problem+json", body.clone()))
    });
    let mut client = impostor.session();
    let refused = |times: usize, client: &mut McpClient| {
        for _ in 0..times {
            assert_eq!(read(client)["isError"], true);
        }
    };
    refused(10, &mut client);
    let before = kib(&client, "VmRSS:");
    refused(100, &mut client);
    let after = kib(&client, "VmRSS:");
    assert!(after < before + 30_000, "{before} KiB, then {after} KiB");
}

/// Each list is another one, and each comes at once: no more is said of them than was seen.
#[test]
fn lists_that_change_without_end_do_not_drown_the_client() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&asked);
    let impostor = Impostor::turning(move |seen| {
        (seen.path == "/v1/actions" && seen.method == "GET").then(|| {
            let number = counting.fetch_add(1, Ordering::SeqCst);
            Response::json(&json!({ "actions": [] })).header("ETag", &format!("\"{number}\""))
        })
    });
    let mut client = impostor.session();
    client.result("tools/list", json!({}));
    eventually("many looks", || (asked.load(Ordering::SeqCst) > 10).then_some(()));
    assert!(client.result("ping", json!({})).is_object());
    let told = client.unasked().len();
    assert!(told <= asked.load(Ordering::SeqCst), "{told} notifications");
    assert!(client.end().success());
}

/// Entries of which no tool can be made, beside one of which one can.
#[test]
fn a_list_of_nonsense_is_no_list_of_tools() {
    let schema = json!({ "type": "object" });
    let action = |id: &str, schema: &Value| {
        json!({
            "action_id": id, "version": "1", "title": "\u{202E}t", "description": "d\u{1B}[2J", "risk_level": "low", "class": "read",
            "tags": [], "request_schema": schema, "response_schema": schema, "egress": "none",
            "annotations": { "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true, "openWorldHint": false },
        })
    };
    for list in [
        json!({ "actions": 7 }),
        json!([]),
        json!({ "actions": [action("ok", &schema), { "action_id": "x" }] }),
        json!({ "actions": [action("", &schema), action("a b\n", &schema), action("../x", &json!(7)), action("same", &schema), action("same", &schema)] }),
        json!({ "actions": (0..5000).map(|i| action(&format!("a{i}"), &schema)).collect::<Vec<_>>() }),
    ] {
        let impostor = Impostor::turning(move |seen| {
            (seen.path == "/v1/actions").then(|| Response::json(&list).header("ETag", "\"1\""))
        });
        let mut client = impostor.session();
        // Every line is held to the schema of the revision.
        let listed = client.result("tools/list", json!({}));
        assert!(listed["tools"].is_array(), "{listed:#}");
        let answer = client.request("tools/call", json!({ "name": "no such\n", "arguments": {} }));
        assert!(answer["error"].is_object() || answer["result"]["isError"] == true, "{answer:#}");
        assert!(client.end().success());
    }
}
