//! A client of the MCP adapter that controls every line: the built `latchgate-mcp serve` behind pipes.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use serde_json::{Value, json};

use crate::binary::mcp_binary;
use crate::gate::Gate;
use crate::mcp_schema::McpSchema;
use crate::patience::{PATIENCE, eventually};

/// The revision without a handshake.
pub const STATELESS: &str = "2026-07-28";

/// The adapter as a client has it. Every line it writes is checked against the revision's schema.
pub struct McpClient {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Vec<u8>>,
    /// Read, and not asked for yet.
    waiting: Vec<Value>,
    version: String,
    capabilities: Value,
    last_id: u64,
}

impl McpClient {
    /// Starts the adapter for this gate, which need not run. Nothing is said yet.
    ///
    /// # Panics
    /// If the binary is missing.
    pub fn start(gate: &Gate, args: &[&str]) -> Self {
        let mut command = Command::new(mcp_binary());
        command.arg("serve").args(args).env_clear().env("LATCHGATE_HOME", gate.home());
        command.env("HOME", gate.base()).current_dir("/");
        Self::of(&mut command)
    }

    /// # Panics
    /// If it cannot be started.
    pub fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the adapter starts");
        let stdin = child.stdin.take();
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            loop {
                let mut line = Vec::new();
                match stdout.read_until(b'\n', &mut line) {
                    Ok(1..) if sender.send(line).is_ok() => {}
                    _ => return,
                }
            }
        });
        let (version, capabilities) = (STATELESS.to_owned(), json!({}));
        Self { child, stdin, lines, waiting: Vec::new(), version, capabilities, last_id: 0 }
    }

    /// What its lines are checked by from here on.
    #[must_use]
    pub fn speaking(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// Starts it and begins a session of this revision, with a handshake where it has one.
    ///
    /// # Panics
    /// If the adapter agrees on another revision.
    pub fn session(gate: &Gate, version: &str, capabilities: Value, args: &[&str]) -> Self {
        let mut client = Self::start(gate, args);
        client.begin_session(version, capabilities);
        client
    }

    /// # Panics
    /// If the adapter agrees on another revision.
    pub fn begin_session(&mut self, version: &str, capabilities: Value) -> Value {
        self.version = version.to_owned();
        self.capabilities = capabilities;
        if version == STATELESS {
            return self.request("server/discover", json!({}));
        }
        let info = json!({ "name": "test", "version": "1" });
        let params =
            json!({ "protocolVersion": version, "capabilities": self.capabilities, "clientInfo": info });
        let answer = self.request("initialize", params);
        assert_eq!(answer["result"]["protocolVersion"], version, "{answer:#}");
        self.notify("notifications/initialized", json!({}));
        answer
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params);
        self.answer(&id)
    }

    /// The result of a request.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.request(method, params);
        assert!(answer["error"].is_null(), "{answer:#}");
        answer["result"].take()
    }

    /// The result of a tool.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.result("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Asks and does not wait; the id.
    pub fn begin(&mut self, method: &str, mut params: Value) -> Value {
        self.last_id += 1;
        let id = json!(self.last_id);
        if self.version == STATELESS {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": self.version,
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
            });
            for (name, value) in meta.as_object().unwrap() {
                params["_meta"][name] = value.clone();
            }
        }
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    /// Calls a tool and does not wait; the id.
    pub fn begin_call(&mut self, tool: &str, arguments: &Value) -> Value {
        self.begin("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Tells that a request's answer is no longer wanted.
    pub fn cancel(&mut self, id: &Value) {
        self.notify("notifications/cancelled", json!({ "requestId": id, "reason": "the test" }));
    }

    /// One message, whatever it is.
    pub fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes());
    }

    /// # Panics
    /// If the adapter has closed its side.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("an open standard input");
        stdin.write_all(bytes).expect("the adapter reads");
        stdin.flush().expect("the adapter reads");
    }

    /// The answer of a request.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn answer(&mut self, id: &Value) -> Value {
        self.message("an answer", |message| message["id"] == *id && message["method"].is_null())
    }

    /// A notification.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn notification(&mut self, method: &str) -> Value {
        self.message(method, |message| message["method"] == method)
    }

    /// The first message that `is` picks, of those that were not taken yet.
    ///
    /// # Panics
    /// If none comes.
    #[track_caller]
    pub fn message(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&is) {
            return self.waiting.remove(at);
        }
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let message = self.checked(&line);
                    if is(&message) {
                        return message;
                    }
                    self.waiting.push(message);
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what}: none came; others: {:#?}", self.waiting),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{what}: the adapter ended; others: {:#?}", self.waiting)
                }
            }
        }
    }

    /// What was read and not asked for.
    pub fn unasked(&mut self) -> Vec<Value> {
        while let Ok(line) = self.lines.try_recv() {
            let message = self.checked(&line);
            self.waiting.push(message);
        }
        std::mem::take(&mut self.waiting)
    }

    #[track_caller]
    fn checked(&self, line: &[u8]) -> Value {
        let message: Value = serde_json::from_slice(line)
            .unwrap_or_else(|error| panic!("{error} in the line {}", String::from_utf8_lossy(line)));
        if let Some(schema) = McpSchema::of(&self.version) {
            schema.check(&message);
        }
        message
    }

    /// Closes standard input and waits for the end.
    ///
    /// # Panics
    /// If it does not end.
    pub fn end(&mut self) -> ExitStatus {
        drop(self.stdin.take());
        let child = &mut self.child;
        eventually("the end of the adapter", || child.try_wait().unwrap())
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for McpClient {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
