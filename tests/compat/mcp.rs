//! The public clients of MCP, as they are on PyPI and npm, against the built adapter: list, call, denial, wait through an
//! approval, cancel, and a gate that restarts meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, NpmTools, Ran, binary, mcp_binary, workspace};
use serde_json::Value;

/// Scenarios that need nothing but the gate.
const SCENARIOS: [&str; 5] = ["lists", "calls", "denied", "approved", "cancelled"];

fn gate() -> Gate {
    let builder = Gate::builder().root_file("hello.txt", "hello, gate\n").root_file(".env", "TOKEN=1\n");
    (0..32).fold(builder, |builder, n| builder.root_file(&format!("many/{n}.txt"), n.to_string())).start()
}

/// Runs every scenario of a client against gates of their own.
fn run(client: impl Fn(&Gate, &str) -> Command) {
    for scenario in SCENARIOS {
        let gate = gate();
        Ran::of(&mut client(&gate, scenario)).exited(0);
        let is_written = gate.root().join("note.txt").exists();
        assert_eq!(is_written, scenario == "approved", "{scenario}");
        assert!(!gate.root().join("never.txt").exists(), "{scenario}");
        gate.assert_sound();
    }
    reconnects(client);
}

/// The gate restarts between two calls of one session.
fn reconnects(client: impl Fn(&Gate, &str) -> Command) {
    let mut gate = gate();
    let mut command = client(&gate, "reconnects");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "restart\n");
    gate.restart();
    child.stdin.take().unwrap().write_all(b"restarted\n").unwrap();
    assert!(child.wait().unwrap().success());
}

fn in_this_home(mut command: Command, gate: &Gate) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LATCHGATE_HOME", gate.home()).env("HOME", gate.base());
    command.env("LATCHGATE_BIN", binary()).env("ADAPTER", mcp_binary());
    command
}

fn python(major: u8, gate: &Gate, scenario: &str) -> Command {
    let named = std::env::var_os(format!("LATCHGATE_VENV_MCP_{major}")).map(PathBuf::from);
    let venv = named.unwrap_or_else(|| workspace().join(format!("target/venv-mcp-{major}")));
    let python = venv.join("bin/python");
    assert!(python.is_file(), "{} is missing; run: cargo xtask test", python.display());
    let mut command = Command::new(python);
    command.arg("-B").arg(workspace().join("tests/compat/mcp/client.py")).arg(scenario);
    in_this_home(command, gate)
}

fn typescript(npm: &NpmTools, package: &str, gate: &Gate, scenario: &str) -> Command {
    let mut command = Command::new(&npm.node);
    command.arg(workspace().join("tests/compat/mcp/client.mjs")).args([package, scenario]);
    let mut command = in_this_home(command, gate);
    command.env("NPM_DIR", &npm.dir);
    command
}

#[test]
fn python_client_1_works() {
    run(|gate, scenario| python(1, gate, scenario));
}

#[test]
fn python_client_2_works() {
    run(|gate, scenario| python(2, gate, scenario));
}

#[test]
fn typescript_sdk_works() {
    let Some(npm) = NpmTools::find() else { return };
    run(|gate, scenario| typescript(&npm, "sdk", gate, scenario));
}

#[test]
fn typescript_client_works() {
    let Some(npm) = NpmTools::find() else { return };
    run(|gate, scenario| typescript(&npm, "client", gate, scenario));
}

fn inspector(npm: &NpmTools, gate: &Gate, args: &[&str]) -> Ran {
    let mut command = npm.node("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let home = format!("LATCHGATE_HOME={}", gate.home().display());
    command.arg("--cli").arg(mcp_binary()).args(["serve", "-e", &home]).args(args);
    Ran::of(command.env("HOME", gate.base()).current_dir(gate.base()))
}

#[test]
fn the_inspector_finds_no_error_in_any_tools_schema() {
    let Some(npm) = NpmTools::find() else { return };
    let gate = gate();
    for era in ["legacy", "modern"] {
        let args = ["--method", "tools/list", "--strict", "--protocol-era", era];
        let listed = inspector(&npm, &gate, &args).exited(0);
        let tools = listed.json()["tools"].as_array().unwrap().len();
        assert!(tools > 5, "{listed:#?}");
        assert!(listed.stderr.contains("0 errors"), "{listed:#?}");
    }
}

#[test]
fn the_inspector_calls_and_is_denied() {
    let Some(npm) = NpmTools::find() else { return };
    let gate = gate();
    let call = |path: &str| {
        let path = format!("path={path}");
        inspector(&npm, &gate, &["--method", "tools/call", "--tool-name", "fs_read", "--tool-arg", &path])
    };
    let read: Value = call("hello.txt").exited(0).json();
    assert_eq!(read["structuredContent"]["text"], "hello, gate\n");
    // Its exit code for a result that is an error.
    let denied = call(".env").exited(5).json();
    assert_eq!(denied["_meta"]["latchgate/error"], "policy_denied");
}
