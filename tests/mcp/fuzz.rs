//! Messages that a generator draws, of the protocol's own words put together wrongly: none ends the session, none is answered
//! twice, and nothing of them stays behind. `LATCHGATE_FUZZ_SEED` repeats a run, `LATCHGATE_FUZZ_MESSAGES` makes it longer.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, McpClient, Ran, STATELESS, mcp_binary};
use serde_json::{Value, json};

const METHODS: [&str; 14] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "prompts/list",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "tasks/cancel",
    "no/such/method",
];
const NAMES: [&str; 10] = [
    "name",
    "arguments",
    "uri",
    "cursor",
    "taskId",
    "_meta",
    "progressToken",
    "requestState",
    "inputResponses",
    "io.modelcontextprotocol/protocolVersion",
];
/// Resident memory that a fuzzed adapter may have at most.
const RSS_KIB_MAX: u64 = 60_000;

/// splitmix64: the same numbers on every machine.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn value(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 8 } else { 11 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(i64::MIN),
            3 => json!(1.0e308),
            4 => json!(""),
            5 => json!("\u{0}\u{1f}\u{2028}\u{10ffff}"),
            6 => json!("fs_read"),
            7 => json!("latchgate://actions"),
            8 => json!("x".repeat(self.below(20_000))),
            9 => (0..self.below(5)).map(|_| self.value(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let members =
            (0..self.below(6)).map(|_| (NAMES[self.below(NAMES.len())].to_owned(), self.value(depth)));
        Value::Object(members.collect())
    }

    /// A request under an id of its own, or something that is none.
    fn message(&mut self, id: usize) -> Value {
        let method = METHODS[self.below(METHODS.len())];
        let params = if self.below(4) == 0 { self.value(3) } else { self.object(3) };
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        match self.below(8) {
            0 => {}
            1 => message["id"] = self.value(1),
            2 => message["jsonrpc"] = self.value(0),
            _ => message["id"] = json!(format!("drawn-{id}")),
        }
        message
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn drawn_messages_end_no_session_and_are_answered_at_most_once() {
    let (seed, count) = (number("LATCHGATE_FUZZ_SEED", 20_261_120), number("LATCHGATE_FUZZ_MESSAGES", 1_500));
    println!("LATCHGATE_FUZZ_SEED={seed} LATCHGATE_FUZZ_MESSAGES={count}");
    let gate = Gate::builder().root_file("a.txt", "a").start();
    for version in ["2025-06-18", "2025-11-25", STATELESS] {
        let mut draw = Draw(seed);
        let mut client = McpClient::session(&gate, version, json!({}), &[]);
        for id in 0..count {
            let message = draw.message(usize::try_from(id).unwrap());
            client.send(&message);
            if id % 64 == 0 {
                // As a client does: it reads now and then. And the session lives.
                client.result("tools/list", json!({}));
            }
        }
        let read = client.call("fs_read", &json!({ "path": "a.txt" }));
        assert_eq!(read["structuredContent"]["text"], "a", "{read:#}");
        let mut answered: HashMap<String, usize> = HashMap::new();
        for message in client.unasked() {
            if message["method"].is_null() && !message["id"].is_null() {
                *answered.entry(message["id"].to_string()).or_default() += 1;
            }
        }
        let drawn = |id: &&String| id.starts_with("\"drawn-");
        assert!(answered.keys().filter(drawn).count() > usize::try_from(count).unwrap() / 2, "{version}");
        assert!(answered.iter().all(|(id, count)| !drawn(&id) || *count == 1), "{version}: {answered:?}");
        let status = fs::read_to_string(format!("/proc/{}/status", client.pid())).unwrap();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = rss.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < RSS_KIB_MAX, "{version}: {kib} KiB");
        assert!(client.end().success(), "{version}");
    }
    assert_eq!(gate.raw_operator().status()["panics_caught"], 0);
}

#[test]
fn a_stream_that_ends_anywhere_ends_the_adapter_in_order() {
    let gate = Gate::builder().start();
    let whole = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    let halves = ["", "{", "\n", &whole[..whole.len() / 2], &whole, "\u{feff}", "[", "\"\\ud800"];
    for half in halves.iter().map(|half| half.as_bytes()).chain([&b"\xff\xfe\xc0\x80"[..]]) {
        let input = gate.base().join("input");
        fs::write(&input, half).unwrap();
        let mut command = Command::new(mcp_binary());
        command.arg("serve").env_clear().env("LATCHGATE_HOME", gate.home());
        let ran = Ran::of(command.stdin(Stdio::from(fs::File::open(&input).unwrap())));
        let shown = String::from_utf8_lossy(half).into_owned();
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""), "{shown:?}");
    }
    // The twin: with its end, the line is answered.
    let input = gate.base().join("input");
    fs::write(&input, format!("{whole}\n")).unwrap();
    let mut command = Command::new(mcp_binary());
    command.arg("serve").env_clear().env("LATCHGATE_HOME", gate.home());
    let ran = Ran::of(command.stdin(Stdio::from(fs::File::open(&input).unwrap())));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("\"id\":1"), "{ran:#?}");
}
