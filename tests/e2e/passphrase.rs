//! A passphrase on an operator's key: asked for on a terminal and not shown, read from a private file elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use latchgate_tests::{Gate, Ran, mode};

const PASSPHRASE: &str = "four unrelated words here";

fn gate() -> Gate {
    Gate::builder().root_file("a.txt", "text\n").start()
}

/// A command whose operator's key takes a passphrase.
fn with_passphrase(gate: &Gate, args: &[&str], file: &Path) -> Ran {
    let mut command: Command = gate.command(args);
    Ran::of(command.env("LATCHGATE_OPERATOR_PASSPHRASE_FILE", file))
}

#[test]
fn a_protected_key_takes_its_passphrase() {
    let gate = gate();
    let file = gate.private_file("passphrase", PASSPHRASE);
    let wrong = gate.private_file("wrong", "four unrelated words there");
    let name = file.to_str().unwrap();
    gate.cli(&["operator", "protect", "--passphrase-file", name]).exited(0);
    let key = gate.keys().join("operator-local.pem");
    assert_eq!(mode(&key), 0o600);
    assert!(fs::read_to_string(&key).unwrap().starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));

    // Without a terminal there is nobody to ask: the answer says how to give it.
    let ran = gate.cli(&["approvals", "list"]).exited(2);
    assert!(ran.stderr.contains("LATCHGATE_OPERATOR_PASSPHRASE_FILE"), "{}", ran.stderr);
    with_passphrase(&gate, &["approvals", "list"], &file).exited(0);
    let ran = with_passphrase(&gate, &["approvals", "list"], &wrong).exited(1);
    assert!(!ran.stderr.contains("four unrelated"), "{}", ran.stderr);
    let doctor = gate.cli(&["doctor"]);
    assert!(doctor.stdout.contains("takes a passphrase"), "{}{}", doctor.stdout, doctor.stderr);
    // A new key is under the same passphrase.
    with_passphrase(&gate, &["operator", "rotate"], &file).exited(0);
    with_passphrase(&gate, &["approvals", "list"], &file).exited(0);
    gate.cli(&["approvals", "list"]).exited(2);

    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = with_passphrase(&gate, &["approvals", "list"], &file).exited(1);
    assert!(ran.stderr.contains("chmod 0600"), "{}", ran.stderr);
}

/// A terminal whose other side types each answer after its prompt, and prints what the terminal showed.
const TERMINAL: &str = "
import os, pty, select, sys
pid, side = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:sys.argv.index('--')])
answers = sys.argv[sys.argv.index('--') + 1:]
shown = b''
while select.select([side], [], [], 120)[0]:
    try:
        shown += os.read(side, 4096)
    except OSError:
        break
    if answers and shown.endswith(b': '):
        os.write(side, answers.pop(0).encode() + b'\\n')
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

/// `latchgate` on a terminal where somebody types these lines when asked.
fn typed(gate: &Gate, args: &[&str], answers: &[&str]) -> Ran {
    let own = gate.command(args);
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL]).arg(own.get_program()).args(args).arg("--").args(answers);
    command.env_clear().envs(own.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ran::of(&mut command)
}

#[test]
fn a_passphrase_is_asked_for_on_a_terminal_and_not_shown() {
    let gate = gate();
    let differs = typed(&gate, &["operator", "protect"], &[PASSPHRASE, "another four words"]).exited(2);
    assert!(differs.stdout.contains("not the same"), "{}", differs.stdout);
    gate.cli(&["operator", "list"]).exited(0);
    typed(&gate, &["operator", "protect"], &["too short"; 2]).exited(2);
    let done = typed(&gate, &["operator", "protect"], &[PASSPHRASE; 2]).exited(0);
    let listed = typed(&gate, &["operator", "list"], &[PASSPHRASE]).exited(0);
    let wrong = typed(&gate, &["operator", "list"], &["a wrong one"]).exited(1);
    assert!(listed.stdout.contains("local"), "{}", listed.stdout);
    for ran in [differs, done, listed, wrong] {
        assert!(!ran.stdout.contains("words") && !ran.stdout.contains("wrong one"), "shown: {}", ran.stdout);
    }
}
