//! An MCP client of an operator: one line out, one line in.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use latchgate_tests::{Gate, mcp_binary};
use serde_json::{Value, json};

pub struct Session {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    last_id: u64,
}

/// `latchgate-mcp operator` as the gate's own operator, with nothing of the caller's environment.
pub fn command(gate: &Gate) -> Command {
    let mut command = Command::new(mcp_binary());
    command.arg("operator").env_clear().current_dir(gate.base());
    command.env("LATCHGATE_ADMIN_SOCKET", gate.admin_socket());
    command.env("LATCHGATE_OPERATOR_KEY", gate.keys().join("operator-local.pem"));
    command
}

impl Session {
    pub fn of(gate: &Gate) -> Self {
        Self::run(&mut command(gate))
    }

    pub fn run(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut session = Self { child, to, from, last_id: 0 };
        let hello = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = session.ask("initialize", &hello);
        assert!(answer["result"]["instructions"].as_str().unwrap().contains("untrusted"), "{answer:#}");
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        session
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.to.as_mut().unwrap(), "{message}").unwrap();
    }

    /// The whole answer, error or not.
    pub fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "the session ended");
            let message: Value = serde_json::from_str(&line).expect("a line of JSON");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// The result of a tool that succeeded: what is structured, and the text.
    #[track_caller]
    pub fn call(&mut self, tool: &str, arguments: &Value) -> (Value, String) {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let result = &answer["result"];
        assert_ne!(result["isError"], true, "{answer:#}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        (result["structuredContent"].clone(), text)
    }

    /// The text of a tool's error.
    #[track_caller]
    pub fn refused(&mut self, tool: &str, arguments: &Value) -> String {
        let answer = self.ask("tools/call", &json!({ "name": tool, "arguments": arguments }));
        assert_eq!(answer["result"]["isError"], true, "{answer:#}");
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub fn resource(&mut self, uri: &str) -> Value {
        let answer = self.ask("resources/read", &json!({ "uri": uri }));
        let contents = &answer["result"]["contents"][0];
        assert_eq!(contents["mimeType"], "application/json", "{answer:#}");
        serde_json::from_str(contents["text"].as_str().unwrap()).unwrap()
    }

    #[track_caller]
    pub fn prompt(&mut self, name: &str, arguments: &Value) -> String {
        let answer = self.ask("prompts/get", &json!({ "name": name, "arguments": arguments }));
        answer["result"]["messages"][0]["content"]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer:#}"))
            .to_owned()
    }

    /// Closes standard input; the exit code.
    pub fn end(mut self) -> i32 {
        drop(self.to.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
