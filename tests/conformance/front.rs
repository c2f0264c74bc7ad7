//! The handler that stdio has, behind a port: the example `http_front` of the adapter, which is never shipped.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use latchgate_tests::{Gate, mcp_binary};

/// Ends with its test.
pub struct Front {
    child: Child,
    pub url: String,
}

impl Front {
    /// # Panics
    /// If it is not built, or does not say where it listens.
    pub fn start(gate: &Gate, args: &[&str]) -> Self {
        let beside = mcp_binary().with_file_name("examples").join("http_front");
        let path = std::env::var_os("LATCHGATE_MCP_FRONT").map_or(beside, Into::into);
        assert!(
            path.is_file(),
            "{} is missing; run: cargo build -p latchgate-mcp --example http_front",
            path.display()
        );
        let mut command = Command::new(path);
        command.args(args).arg("--gate-socket").arg(gate.agent_socket()).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let url = url.trim_end().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "the front said: {url}");
        Self { child, url }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
