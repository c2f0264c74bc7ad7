//! Whoever is no operator gets no session: the process ends at once and says why.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Key, Ran};

use super::operator_session::{Session, command};

/// Standard input stays open: nothing but the refusal ends it.
fn ended(gate: &Gate, change: impl FnOnce(&mut Command) -> &mut Command) -> Ran {
    let mut command = command(gate);
    change(&mut command);
    let (reader, _writer) = std::io::pipe().unwrap();
    let ran = Ran::of(command.stdin(Stdio::from(reader)));
    assert_eq!(ran.stdout, "", "something was served");
    ran
}

#[test]
fn a_wrong_key_ends_it_naming_the_admin_socket_and_the_remedy() {
    let gate = Gate::builder().start();
    let pem = Key::generate().signing().to_pkcs8_pem().unwrap();
    let stranger = gate.private_file("stranger.pem", &pem);
    let ran = ended(&gate, |command| command.env("LATCHGATE_OPERATOR_KEY", &stranger)).exited(3);
    let socket = gate.admin_socket().display().to_string();
    assert!(ran.stderr.contains(&socket) && ran.stderr.contains("forbidden"), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains(pem.lines().nth(1).unwrap()), "the key was shown");
    Session::of(&gate).end();
}

#[test]
fn a_token_must_be_this_operators_and_is_never_shown() {
    let gate = Gate::builder().start();
    let printed = gate.cli(&["operator", "token", "--print"]).exited(0).stdout;
    let token = printed.trim();
    let file = gate.keys().join("operator-local.pem.token");
    let wrong = format!("lgop_{}", "A".repeat(43));
    let ran = ended(&gate, |command| command.env("LATCHGATE_OPERATOR_TOKEN", &wrong));
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stderr.contains("invalid_operator_token") && !ran.stderr.contains(&wrong), "{}", ran.stderr);
    assert!(ran.stderr.contains(&gate.admin_socket().display().to_string()), "{}", ran.stderr);
    let ran = ended(&gate, |command| command.env("LATCHGATE_OPERATOR_TOKEN", "hunter2")).exited(2);
    assert!(
        ran.stderr.contains("expected an operator token") && !ran.stderr.contains("hunter2"),
        "{}",
        ran.stderr
    );

    Session::run(command(&gate).env("LATCHGATE_OPERATOR_TOKEN", format!("@{}", file.display()))).end();
    Session::run(command(&gate).env("LATCHGATE_OPERATOR_TOKEN", token)).end();
    // A literal on the command line works, and is warned of.
    let mut literal = command(&gate);
    literal.args(["--operator-token", token]).stdin(Stdio::null());
    let ran = Ran::of(&mut literal).exited(0);
    assert!(ran.stderr.contains("warning: the operator token stands on the command line"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(token), "the token was shown");
    let help = Ran::of(command(&gate).env("LATCHGATE_OPERATOR_TOKEN", token).arg("--help")).exited(0);
    assert!(!help.stdout.contains(token), "the token was shown");
}

#[test]
fn a_key_that_others_could_read_is_not_used() {
    let gate = Gate::builder().start();
    let key = gate.keys().join("operator-local.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let ran = ended(&gate, |command| command).exited(2);
    assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    Session::of(&gate).end();
}

#[test]
fn a_key_with_a_passphrase_needs_the_file_that_holds_it() {
    let gate = Gate::builder().start();
    let words = gate.private_file("words", "correct horse battery\n");
    gate.cli(&["operator", "protect", "--passphrase-file", words.to_str().unwrap()]).exited(0);
    let ran = ended(&gate, |command| command).exited(2);
    assert!(ran.stderr.contains("LATCHGATE_OPERATOR_PASSPHRASE_FILE"), "{}", ran.stderr);
    Session::run(command(&gate).env("LATCHGATE_OPERATOR_PASSPHRASE_FILE", &words)).end();
}

#[test]
fn another_name_than_the_gates_ends_it() {
    let gate = Gate::builder().start();
    let ran = ended(&gate, |command| command.args(["--operator-id", "ana"])).exited(2);
    assert!(ran.stderr.contains("`local`") && ran.stderr.contains("`ana`"), "{}", ran.stderr);
    Session::run(command(&gate).args(["--operator-id", "local"])).end();
}

#[test]
fn without_a_gate_it_says_which_socket_it_tried() {
    let mut gate = Gate::builder().start();
    gate.terminate();
    let ran = ended(&gate, |command| command).exited(5);
    assert!(ran.stderr.contains(&gate.admin_socket().display().to_string()), "{}", ran.stderr);
    assert!(ran.stderr.contains("latchgate up"), "{}", ran.stderr);
}

/// Signed for one gate, a proof is worth nothing at another of the same operator.
#[test]
fn proofs_are_signed_for_the_url_that_is_named() {
    let gate = Gate::builder().config("[gate]\npublic_base_url = \"https://gate.example\"\n").start();
    let ran = ended(&gate, |command| command.args(["--public-base-url", "https://other.example"]));
    let ran = ran.exited(1);
    assert!(ran.stderr.contains("invalid_dpop"), "{}", ran.stderr);
    Session::run(command(&gate).args(["--public-base-url", "https://gate.example"])).end();
    Session::run(command(&gate).env("LATCHGATE_PUBLIC_URL", "")).end();
}
