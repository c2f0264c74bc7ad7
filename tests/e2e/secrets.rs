//! Secrets: typed, piped, kept encrypted, changed under a gate that runs, and shown to nobody who did not ask on the spot.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latchgate_tests::{
    Gate, OTHER_UID, Ran, Terminal, assert_nowhere, binary_for_others, eventually, holds, workspace,
};
use serde_json::{Value, json};

const VALUE: &str = "ghp_first-value-0123456789";
const OTHER: &str = "ghp_other-value-9876543210";
const PASSPHRASE: &str = "four unrelated words here";

/// A home on which no gate has ever run.
fn home() -> Gate {
    Gate::builder().prepare()
}

fn started() -> Gate {
    Gate::builder().root_file("a", "x").start()
}

fn store(gate: &Gate) -> PathBuf {
    gate.home().join("state/secrets.age")
}

fn identity(gate: &Gate) -> PathBuf {
    gate.keys().join("secrets.identity")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn private(gate: &Gate, name: &str, text: &str) -> PathBuf {
    let path = gate.base().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// The command with this on its standard input.
fn piped(gate: &Gate, args: &[&str], input: &str) -> Ran {
    let stdin = private(gate, "stdin", input);
    let mut command = gate.command(args);
    let ran = Ran::of(command.stdin(File::open(&stdin).unwrap()));
    fs::remove_file(stdin).unwrap();
    ran
}

fn set(gate: &Gate, name: &str, value: &str) -> Ran {
    piped(gate, &["secrets", "set", name], value).exited(0)
}

fn listed(gate: &Gate) -> Value {
    gate.cli(&["secrets", "list", "--json"]).exited(0).json()
}

fn names(gate: &Gate) -> Vec<String> {
    let list = listed(gate);
    let names = list["secrets"].as_array().unwrap().iter();
    names.map(|info| info["name"].as_str().unwrap().to_owned()).collect()
}

fn revealed(gate: &Gate, name: &str) -> String {
    gate.cli(&["secrets", "get", name, "--reveal"]).exited(0).stdout
}

#[test]
fn a_value_from_stdin_is_kept_encrypted_and_shown_only_when_asked_for() {
    let gate = home();
    let ran = set(&gate, "github_token", &format!("{VALUE}\n"));
    assert!(ran.stderr.contains("line break at the end of stdin is not part"), "{}", ran.stderr);
    assert_eq!((mode(&store(&gate)), mode(&identity(&gate))), (0o600, 0o600));
    assert_nowhere(gate.base(), VALUE);

    let list = gate.cli(&["secrets", "list"]).exited(0);
    let json = listed(&gate);
    let get = gate.cli(&["secrets", "get", "github_token"]).exited(0);
    for ran in [&list, &get] {
        assert!(ran.stdout.contains("github_token") && !ran.stdout.contains("ghp_"), "{ran:#?}");
    }
    let fingerprint = json["secrets"][0]["fingerprint"].as_str().unwrap().to_owned();
    assert!(get.stdout.contains(&fingerprint));
    // The twin of every search here: what was kept is there, to the byte.
    assert_eq!(revealed(&gate, "github_token"), VALUE);

    set(&gate, "github_token", OTHER);
    assert_eq!(revealed(&gate, "github_token"), OTHER);
    assert_ne!(listed(&gate)["secrets"][0]["fingerprint"], fingerprint);
    gate.cli(&["secrets", "remove", "github_token"]).exited(0);
    assert!(names(&gate).is_empty());
    gate.cli(&["secrets", "remove", "github_token"]).exited(2);
    gate.cli(&["secrets", "get", "github_token"]).exited(2);
}

#[test]
fn what_the_age_tools_would_read_is_what_lies_there() {
    let gate = home();
    set(&gate, "a", VALUE);
    let store = fs::read(store(&gate)).unwrap();
    assert!(store.starts_with(b"age-encryption.org/v1\n-> X25519 "));
    assert!(fs::read_to_string(identity(&gate)).unwrap().starts_with("AGE-SECRET-KEY-1"));
}

#[test]
fn a_value_on_the_command_line_is_refused_with_the_remedy_and_not_repeated() {
    let gate = home();
    for args in [
        &["secrets", "set", "github_token", VALUE][..],
        &["secrets", "set", "github_token", "more", VALUE],
        &["secrets", "set", "github_token", "--value", VALUE],
        &["secrets", "set", &format!("github_token={VALUE}")],
        &["secrets", "set", &format!("{VALUE} with space")],
    ] {
        let ran = piped(&gate, args, OTHER).exited(2);
        assert!(!ran.stderr.contains(VALUE) && !ran.stdout.contains(VALUE), "{ran:#?}");
    }
    let ran = piped(&gate, &["secrets", "set", "github_token", VALUE, "--json"], OTHER).exited(2);
    assert!(ran.json()["remediation"].as_str().unwrap().contains("latchgate secrets set github_token"));
    assert!(!store(&gate).exists(), "nothing was taken");
    set(&gate, "github_token", OTHER);
}

#[test]
fn a_short_value_is_taken_only_when_that_is_said() {
    let gate = home();
    let refused = piped(&gate, &["secrets", "set", "pin", "--json"], "12345678901").exited(2);
    assert!(
        !refused.stdout.contains("1234567") && refused.stdout.contains("--dangerous-short"),
        "{refused:#?}"
    );
    piped(&gate, &["secrets", "set", "pin", "--dangerous-short"], "12345678901").exited(0);
    assert_eq!(listed(&gate)["secrets"][0]["dangerous_short"], true);
    set(&gate, "pin", "123456789012");
}

#[test]
fn no_process_has_a_value_in_its_arguments_or_environment_while_it_is_set() {
    let gate = started();
    let mut command = gate.command(&["secrets", "set", "github_token"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(VALUE.as_bytes()).unwrap();
    // It has the value, and waits for the rest: now every process is looked at.
    let mut seen = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        for file in ["cmdline", "environ"] {
            let Ok(bytes) = fs::read(process.path().join(file)) else { continue };
            seen += 1;
            assert!(!holds(&bytes, VALUE), "{}/{file}", process.path().display());
        }
    }
    assert!(seen > 2);
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(revealed(&gate, "github_token"), VALUE);
}

#[test]
fn a_running_gate_takes_a_change_at_once_and_the_ledger_learns_its_name() {
    let mut gate = started();
    let pid = gate.pid();
    let ran = set(&gate, "github_token", VALUE);
    assert!(ran.stderr.contains("from its next request on"), "{}", ran.stderr);
    set(&gate, "slack", OTHER);
    set(&gate, "github_token", OTHER);
    gate.cli(&["secrets", "remove", "slack"]).exited(0);
    assert_eq!(names(&gate), ["github_token"]);
    assert_eq!(revealed(&gate, "github_token"), OTHER);
    assert_eq!(gate.pid(), pid);

    let entries = gate.entries_of("secrets.changed");
    let told: Vec<Value> = entries.iter().map(|entry| json!([entry["set"], entry["removed"]])).collect();
    let plain = |revision: u64| json!({ "kind": "plain", "revision": revision });
    assert_eq!(
        told,
        [
            json!([{ "github_token": plain(1) }, null]),
            json!([{ "slack": plain(2) }, null]),
            json!([{ "github_token": plain(3) }, null]),
            json!([null, ["slack"]]),
        ]
    );
    for entry in &entries {
        assert_eq!(entry["operator"], "local");
        assert!(entry["proof"]["jti"].is_string() && entry["signed"].is_null(), "{entry:#}");
    }
    gate.assert_sound();
    // A restart finds nothing to record.
    gate.restart();
    assert_eq!(gate.entries_of("secrets.changed").len(), 4);
    assert!(gate.terminate().success());
    gate.assert_sound();
    for value in [VALUE, OTHER] {
        assert_nowhere(gate.base(), value);
    }
}

#[test]
fn what_was_changed_without_a_gate_is_recorded_by_the_next_start() {
    let mut gate = started();
    set(&gate, "kept", VALUE);
    set(&gate, "gone", VALUE);
    gate.kill9();
    // The socket is still there, and nobody listens.
    let ran = set(&gate, "new", OTHER);
    assert!(ran.stderr.contains("the next start"), "{}", ran.stderr);
    gate.cli(&["secrets", "remove", "gone"]).exited(0);
    gate.restart();
    let entries = gate.entries_of("secrets.changed");
    let [.., set, removed] = entries.as_slice() else { panic!("{entries:#?}") };
    assert_eq!(set["set"], json!({ "new": { "kind": "plain", "revision": 3 } }));
    assert_eq!(removed["removed"], json!(["gone"]));
    assert!(set["operator"].is_null() && removed["operator"].is_null());
    assert_eq!(names(&gate), ["kept", "new"]);
    gate.assert_sound();
}

#[test]
fn a_gate_that_is_named_and_gone_is_not_replaced_by_the_home() {
    let gate = home();
    let nowhere = gate.base().join("nowhere");
    piped(&gate, &["--socket", nowhere.to_str().unwrap(), "secrets", "set", "a"], VALUE).exited(5);
    assert!(!store(&gate).exists());
    set(&gate, "a", VALUE);
}

#[test]
fn a_store_that_cannot_be_read_stops_the_start_and_is_never_an_empty_one() {
    let mut gate = started();
    set(&gate, "a", VALUE);
    gate.terminate();
    let (store, identity) = (store(&gate), identity(&gate));
    let (whole, key) = (fs::read(&store).unwrap(), fs::read(&identity).unwrap());
    let other = home();
    set(&other, "a", VALUE);
    let others = fs::read(self::identity(&other)).unwrap();
    for (what, file, bytes) in [
        ("torn", &store, &whole[..whole.len() - 7]),
        ("empty", &store, b"".as_slice()),
        ("of another identity", &identity, others.as_slice()),
    ] {
        fs::write(file, bytes).unwrap();
        let refused = gate.start().expect_err(what);
        assert!(refused.stderr.contains("restore both from the same backup"), "{what}: {}", refused.stderr);
        gate.cli(&["secrets", "list"]).exited(1);
        piped(&gate, &["secrets", "set", "b"], OTHER).exited(1);
        let doctor = gate.cli(&["doctor"]);
        assert!(doctor.code != 0 && doctor.stdout.contains("secrets.age"), "{what}: {doctor:#?}");
        fs::write(&store, &whole).unwrap();
        fs::write(&identity, &key).unwrap();
    }
    fs::remove_file(&identity).unwrap();
    assert!(gate.start().unwrap_err().stderr.contains("secrets.identity"));
    fs::write(&identity, &key).unwrap();
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(gate.start().unwrap_err().stderr.contains("chmod 0600"));
    fs::set_permissions(&identity, fs::Permissions::from_mode(0o600)).unwrap();
    gate.restart();
    assert_eq!(names(&gate), ["a"]);
}

#[test]
fn another_user_reads_neither_store_nor_identity() {
    let Some((_dir, copy)) = binary_for_others() else { return };
    let gate = started();
    set(&gate, "a", VALUE);
    // Even where the directories let everyone through, the files do not.
    for path in [gate.base(), gate.home(), &gate.home().join("state"), &gate.keys()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let as_other = |program: &Path, args: &[&str]| {
        let own = gate.command(args);
        let mut command = Command::new(program);
        command.args(args).env_clear().envs(own.get_envs().filter_map(|(n, v)| Some((n, v?))));
        Ran::of(command.uid(OTHER_UID).gid(OTHER_UID))
    };
    for path in [store(&gate), identity(&gate)] {
        let ran = as_other(Path::new("cat"), &[path.to_str().unwrap()]);
        assert!(ran.code != 0 && ran.stdout.is_empty(), "{ran:#?}");
        assert_eq!(Ran::of(Command::new("cat").arg(&path)).code, 0);
    }
    for args in [&["secrets", "list"][..], &["secrets", "get", "a", "--reveal"], &["secrets", "remove", "a"]]
    {
        let ran = as_other(&copy, args);
        assert!(ran.code != 0 && !ran.stdout.contains(VALUE), "{args:?}: {ran:#?}");
    }
    assert_eq!(revealed(&gate, "a"), VALUE);
}

#[test]
fn a_value_is_typed_on_a_terminal_and_not_shown_and_revealed_there_after_a_question() {
    let gate = home();
    let mut terminal = Terminal::run(gate.command(&["secrets", "set", "github_token"]), 24, 100);
    terminal.shows(&["value of github_token (not shown): "]);
    terminal.press(&format!("{VALUE}\n"));
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains(VALUE), "{shown}");
    assert_eq!(revealed(&gate, "github_token"), VALUE);
    for (answer, is_shown) in [("n", false), ("y", true)] {
        let reveal = gate.command(&["secrets", "get", "github_token", "--reveal"]);
        let mut terminal = Terminal::run(reveal, 24, 100);
        terminal.shows(&["show the value of github_token on this terminal?"]);
        terminal.press(&format!("{answer}\n"));
        let (code, shown) = terminal.finish();
        assert_eq!((code == 0, shown.contains(VALUE)), (is_shown, is_shown), "{shown}");
    }
}

#[test]
fn a_passphrase_is_asked_for_at_the_start_and_comes_from_a_private_file_elsewhere() {
    let mut gate = started();
    set(&gate, "a", VALUE);
    gate.terminate();
    let file = private(&gate, "passphrase", PASSPHRASE);
    let wrong = private(&gate, "wrong", "four unrelated words there");
    let protect = ["secrets", "init", "--passphrase", "--passphrase-file", file.to_str().unwrap()];
    gate.cli(&["secrets", "init"]).exited(2);
    gate.cli(&protect).exited(0);
    assert!(fs::read(identity(&gate)).unwrap().starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert_eq!(mode(&identity(&gate)), 0o600);

    // Nobody to ask: the answer says how to give it.
    let refused = gate.start().unwrap_err();
    assert!(refused.stderr.contains("secrets.passphrase_file"), "{}", refused.stderr);
    gate.cli(&["secrets", "list"]).exited(2);
    let with = |file: &Path, args: &[&str]| {
        Ran::of(gate.command(args).env("LATCHGATE_SECRETS_PASSPHRASE_FILE", file).stdin(Stdio::null()))
    };
    with(&wrong, &["secrets", "list"]).exited(1);
    with(&file, &["secrets", "list"]).exited(0);
    fs::set_permissions(&wrong, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(with(&wrong, &["secrets", "list"]).exited(1).stderr.contains("chmod 0600"));

    // On a terminal it is typed, once for the gate, which then needs it no more.
    let mut up = gate.command(&["up"]);
    up.arg("--root").arg(gate.root());
    let mut terminal = Terminal::run(up, 24, 120);
    terminal.shows(&["passphrase for "]);
    terminal.press(&format!("{PASSPHRASE}\n"));
    eventually("a gate", || (gate.cli(&["status"]).code == 0).then_some(()));
    assert_eq!(names(&gate), ["a"]);
    set(&gate, "b", OTHER);
    gate.cli(&["down"]).exited(0);
    let (code, shown) = terminal.finish();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("unrelated"), "{shown}");

    let config = gate.home().join("latchgate.toml");
    let text = fs::read_to_string(&config).unwrap();
    let setting = format!("\n[secrets]\npassphrase_file = \"{}\"\n", file.display());
    fs::write(&config, without_table(&text, "secrets") + &setting).unwrap();
    gate.restart();
    assert_eq!(names(&gate), ["a", "b"]);
    gate.assert_sound();
}

/// A new home's file describes every setting in comments under its table.
fn without_table(text: &str, table: &str) -> String {
    text.replace(&format!("[{table}]\n"), "")
}

#[test]
fn a_backup_holds_the_store_and_an_uninstall_lists_it() {
    let mut gate = started();
    set(&gate, "a", VALUE);
    let to = gate.base().join("backups");
    fs::create_dir(&to).unwrap();
    fs::set_permissions(&to, fs::Permissions::from_mode(0o700)).unwrap();
    let backup = |args: &[&str]| {
        let all = [&["backup", "--json", "--to", to.to_str().unwrap()], args].concat();
        PathBuf::from(gate.cli(&all).exited(0).json()["path"].as_str().unwrap())
    };
    let (whole, without) = (backup(&[]), backup(&["--without-keys"]));
    assert_eq!(fs::read(whole.join("secrets.age")).unwrap(), fs::read(store(&gate)).unwrap());
    assert!(whole.join("keys/secrets.identity").is_file());
    assert!(!without.join("secrets.age").exists(), "without what opens it, it could only be guessed at");
    assert!(gate.cli(&["doctor"]).stdout.contains("1 secrets can be read"));

    gate.terminate();
    let listed = gate.cli(&["uninstall"]).exited(2).stderr;
    assert!(listed.contains(store(&gate).to_str().unwrap()), "{listed}");
    gate.cli(&["uninstall", "--yes"]).exited(0);
    assert!(!store(&gate).exists() && !identity(&gate).exists());
}

fn fixture(name: &str) -> PathBuf {
    workspace().join("kernel/daemon/src/secrets/import/fixtures").join(name)
}

#[test]
fn secrets_are_imported_from_each_form_all_of_them_or_none() {
    let gate = started();
    let identity = private(&gate, "identity", &fs::read_to_string(fixture("identity.txt")).unwrap());
    let identity = identity.to_str().unwrap();
    let import = |args: &[&str]| {
        Ran::of(
            gate.command(&[&["secrets", "import"], args].concat())
                .env("FROM_ENV", VALUE)
                .stdin(Stdio::null()),
        )
    };
    import(&["--from-env", "github=FROM_ENV", "FROM_ENV"]).exited(0);
    let variables = private(&gate, "env", &format!("A='{OTHER}'\nexport B={OTHER}\n"));
    import(&["--env-file", variables.to_str().unwrap(), "--only", "A"]).exited(0);
    fs::remove_file(&variables).unwrap();
    let (yaml, json, whole) = (fixture("sops.yaml"), fixture("sops.json"), fixture("whole.yaml.age"));
    // One of the values has four bytes: none is imported.
    let refused = import(&["--sops", yaml.to_str().unwrap(), "--identity", identity]).exited(2);
    assert!(
        refused.stderr.contains("secret enabled") && refused.stderr.contains("--only"),
        "{}",
        refused.stderr
    );
    assert_eq!(names(&gate), ["A", "FROM_ENV", "github"]);
    let only = ["--only", "github.token", "--only", "keys.1"];
    for (flag, file) in [("--sops", &yaml), ("--sops", &json)] {
        let args = [&[flag, file.to_str().unwrap(), "--identity", identity][..], &only].concat();
        let ran = import(&args).exited(0);
        assert!(!ran.stdout.contains("ghp_") && ran.stdout.contains("github.token"), "{ran:#?}");
    }
    assert_eq!(revealed(&gate, "github.token"), "ghp_from-sops-0123456789");
    assert_eq!(revealed(&gate, "keys.1"), "second-of-the-list");
    import(&["--age", whole.to_str().unwrap(), "--identity", identity, "--dry-run"]).exited(0);
    assert_eq!(revealed(&gate, "github.token"), "ghp_from-sops-0123456789");
    import(&["--age", whole.to_str().unwrap(), "--identity", identity]).exited(0);
    assert_eq!(revealed(&gate, "github.token"), "ghp_from-age-0123456789");
    assert_eq!(revealed(&gate, "A"), OTHER);
    assert_eq!(names(&gate), ["A", "FROM_ENV", "github", "github.token", "keys.1", "slack"]);

    let altered = fs::read_to_string(&yaml).unwrap().replace("as it is", "altered");
    let altered = private(&gate, "altered.yaml", &altered);
    let ran = import(&[&["--sops", altered.to_str().unwrap(), "--identity", identity][..], &only].concat());
    assert!(ran.exited(2).stderr.contains("MAC"));
    // A value where a variable's name belongs is not repeated.
    let ran = import(&["--from-env", &format!("github={OTHER}")]).exited(2);
    assert!(!ran.stderr.contains(OTHER), "{}", ran.stderr);
    fs::set_permissions(identity, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = import(&["--age", whole.to_str().unwrap(), "--identity", identity]).exited(1);
    assert!(ran.stderr.contains("chmod 0600"), "{}", ran.stderr);
    gate.assert_sound();
}

#[test]
fn what_a_token_is_fetched_with_is_set_and_listed_without_it() {
    let gate = home();
    let args = ["secrets", "set", "crm", "--oauth2", "client-credentials", "--client-id", "gate"];
    let url = "https://id.example/oauth/token";
    piped(&gate, &args, VALUE).exited(2);
    piped(&gate, &[&args[..], &["--token-url", "http://u:p@id.example/"]].concat(), VALUE).exited(2);
    piped(&gate, &[&args[..], &["--token-url", url, "--host", "api.example"]].concat(), VALUE).exited(0);
    let info = &listed(&gate)["secrets"][0];
    assert_eq!(info["kind"], "oauth2_client_credentials");
    assert_eq!((&info["token_url"], &info["hosts"]), (&json!(url), &json!(["api.example"])));
    assert_nowhere(gate.base(), VALUE);
}
