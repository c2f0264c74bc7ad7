//! The gate as a service: what is written, what systemd says of it, and that removing it leaves the ledger.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use latchgate_tests::{Gate, Ran};

const UNIT: &str = "etc/systemd/system/latchgate.service";

/// A package's directory.
fn prefix(gate: &Gate) -> (PathBuf, String) {
    let dir = gate.base().join("p");
    let name = dir.to_str().unwrap().to_owned();
    (dir, name)
}

fn is_there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[test]
fn a_dry_run_shows_every_step_and_the_unit_and_does_nothing() {
    let gate = Gate::builder().prepare();
    let shown = gate.cli(&["service", "install", "--dry-run", "--json"]).exited(0).json();
    let unit = shown["unit"].as_str().unwrap();
    for line in [
        "Type=notify",
        "User=latchgate",
        "SupplementaryGroups=latchgate-agents",
        "Restart=on-failure",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "PrivateDevices=yes",
        "ProtectKernelTunables=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "RestrictNamespaces=yes",
        "LockPersonality=yes",
        "SystemCallFilter=@system-service",
        "CapabilityBoundingSet=",
        "UMask=0077",
        "LimitCORE=0",
        "RuntimeDirectory=latchgate",
        "RuntimeDirectoryMode=0755",
        "StateDirectory=latchgate",
        "ConfigurationDirectory=latchgate",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line} in {unit}");
    }
    assert!(!unit.lines().any(|line| line.starts_with("MemoryDenyWriteExecute")), "{unit}");
    assert!(unit.contains("# MemoryDenyWriteExecute: "), "it says why not");
    let exec = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    assert!(
        exec.starts_with('/') && exec.ends_with(" serve --config /etc/latchgate/latchgate.toml"),
        "{exec}"
    );
    let commands: Vec<&str> =
        shown["steps"].as_array().unwrap().iter().map(|step| step["command"].as_str().unwrap()).collect();
    for begins in [
        "groupadd --system latchgate-agents",
        "useradd --system ",
        "install -d -m 0700 -o latchgate /etc/latchgate",
    ] {
        assert!(commands.iter().any(|command| command.starts_with(begins)), "{begins} in {commands:#?}");
    }
    let named = gate.cli(&["service", "install", "--dry-run", "--user", "gate", "--group", "bots"]).exited(0);
    assert!(
        named.stdout.contains("User=gate\n") && named.stdout.contains("groupadd --system bots"),
        "{named:#?}"
    );
    for bad in ["root", "--system", "A", "a b"] {
        gate.cli(&["service", "install", "--dry-run", &format!("--user={bad}")]).exited(2);
    }
}

#[test]
fn a_package_holds_unit_and_configuration_and_no_key_and_can_be_undone() {
    let gate = Gate::builder().prepare();
    let (dir, name) = prefix(&gate);
    for _ in 0..2 {
        gate.cli(&["service", "install", "--prefix", &name]).exited(0);
    }
    let config = fs::read_to_string(dir.join("etc/latchgate/latchgate.toml")).unwrap();
    assert!(config.lines().any(|line| line.starts_with("group = \"latchgate-agents\"")), "{config}");
    assert!(dir.join("etc/latchgate/policies/standard.cedar").exists());
    assert!(!dir.join("var/lib/latchgate/keys").exists() && !dir.join("etc/latchgate/operators").exists());
    let mode = |path: &str| fs::metadata(dir.join(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(UNIT), mode("etc/latchgate"), mode("var/lib/latchgate")), (0o644, 0o700, 0o700));

    // A service that ran, in place of one that did.
    let ledger = dir.join("var/lib/latchgate/ledger/log");
    fs::create_dir_all(&ledger).unwrap();
    fs::write(ledger.join("00000000000000000000.jsonl"), "x").unwrap();
    let remove = ["service", "remove", "--prefix", &name];
    gate.cli(&remove).exited(2);
    gate.cli(&[&remove[..], &["--dry-run"]].concat()).exited(0);
    assert!(dir.join(UNIT).exists());
    gate.cli(&[&remove[..], &["--yes"]].concat()).exited(0);
    assert!(!dir.join(UNIT).exists() && !dir.join("etc/latchgate").exists());
    assert_eq!(fs::read_to_string(ledger.join("00000000000000000000.jsonl")).unwrap(), "x");
    gate.cli(&[&remove[..], &["--yes", "--ledger"]].concat()).exited(0);
    assert!(!dir.join("var/lib/latchgate").exists());
}

#[test]
fn systemd_takes_the_unit() {
    if !is_there("systemd-analyze") {
        eprintln!("LEFT OUT: systemd-analyze is not on this machine");
        return;
    }
    let gate = Gate::builder().prepare();
    let (dir, name) = prefix(&gate);
    gate.cli(&["service", "install", "--prefix", &name]).exited(0);
    let unit = dir.join(UNIT);
    let verified = Ran::of(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit));
    println!("systemd-analyze verify: {}{}", verified.stdout, verified.stderr);
    let about_us = verified.stderr.lines().filter(|line| line.contains("latchgate.service"));
    assert_eq!(about_us.collect::<Vec<_>>(), [""; 0], "{verified:#?}");
    let mut security = Command::new("systemd-analyze");
    let judged = Ran::of(security.args(["security", "--offline=true", "--no-pager"]).arg(&unit));
    println!("{}", judged.stdout.lines().last().unwrap_or_default());
    let overall = judged.stdout.lines().last().unwrap_or_default();
    let exposure: f32 = overall
        .split_whitespace()
        .find_map(|word| word.parse().ok())
        .unwrap_or_else(|| panic!("no exposure in {judged:#?}"));
    assert!(exposure < 3.0, "{}", judged.stdout);
}

/// A machine of its own: accounts, configuration, state and programs are copies, seen by one command alone.
fn on_a_machine_of_its_own(gate: &Gate, script: &str) -> Option<Ran> {
    let may = Command::new("unshare").args(["-m", "true"]).stderr(Stdio::null()).status();
    if !rustix::process::geteuid().is_root() || !may.is_ok_and(|status| status.success()) {
        eprintln!("LEFT OUT: accounts can only be made by root, in a mount namespace of its own");
        return None;
    }
    let binary = gate.command(&[]).get_program().to_str().unwrap().to_owned();
    let etc = gate.base().join("etc");
    let lay_out = format!(
        "set -e; cp -a /etc {etc}; mount --bind {etc} /etc; rm -rf /etc/latchgate; mount -t tmpfs -o mode=0755 tmpfs /var/lib; \
         mount -t tmpfs -o mode=0755 tmpfs /run; mount -t tmpfs -o mode=0755 tmpfs /usr/local/bin; \
         install -m 0755 {binary} /usr/local/bin/latchgate; sed -i '/^latchgate/d' /etc/passwd /etc/shadow /etc/group /etc/gshadow\n",
        etc = etc.display()
    );
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", &format!("{lay_out}{script}")]);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
    Some(Ran::of(&mut command))
}

#[test]
fn an_installation_makes_user_group_and_home_once_and_removes_them_again() {
    let gate = Gate::builder().prepare();
    let script = "\
        latchgate service install >/run/first 2>&1 || { cat /run/first; exit 1; }\n\
        id latchgate; stat -c '%U %a %n' /etc/latchgate /etc/latchgate/latchgate.toml /var/lib/latchgate \
          /var/lib/latchgate/keys/operator-local.pem /etc/latchgate/operators/local.toml /etc/systemd/system/latchgate.service\n\
        before=$(find /etc /var/lib -newer /run/first | sort; cat /etc/passwd /etc/group)\n\
        latchgate service install --json >/run/second\n\
        after=$(find /etc /var/lib -newer /run/first | sort; cat /etc/passwd /etc/group)\n\
        test \"$before\" = \"$after\" && echo unchanged\n\
        grep -o '\"skip\"' /run/second | wc -l\n\
        install -d -m 0755 -o latchgate /run/latchgate\n\
        export HOME=/var/lib/latchgate\n\
        runuser -u latchgate -- latchgate serve --config /etc/latchgate/latchgate.toml 2>/run/log & gate=$!\n\
        until runuser -u latchgate -- latchgate status >/run/status 2>&1; do kill -0 $gate || { cat /run/log; exit 1; }; done\n\
        grep -q 'boundary *service' /run/status && echo bounded\n\
        runuser -u latchgate -- latchgate doctor >/run/doctor 2>&1 || { cat /run/doctor; exit 1; }\n\
        useradd --system --groups latchgate-agents agent; useradd --system stranger\n\
        HOME=/nonexistent runuser -u agent -- latchgate actions list >/dev/null && echo member\n\
        HOME=/nonexistent runuser -u stranger -- latchgate actions list >/dev/null 2>&1 || echo stranger $?\n\
        latchgate service remove --yes >/run/refused 2>&1 || grep -q 'latchgate down' /run/refused && echo refused\n\
        test -e /etc/latchgate/latchgate.toml; kill $gate; wait $gate || true\n\
        latchgate service remove --yes >/run/third 2>&1 || { cat /run/third; exit 1; }\n\
        test ! -e /etc/latchgate && test ! -e /etc/systemd/system/latchgate.service && latchgate verify /var/lib/latchgate/ledger --key /var/lib/latchgate/keys/entry.pub >/dev/null && echo kept\n\
        id -u latchgate >/dev/null && echo still\n\
        userdel agent\n\
        latchgate service remove --ledger --yes >/run/fourth 2>&1 || { cat /run/fourth; exit 1; }\n\
        test ! -e /var/lib/latchgate && ! id latchgate 2>/dev/null && ! grep latchgate /etc/group && echo gone\n";
    let Some(ran) = on_a_machine_of_its_own(&gate, script) else { return };
    let ran = ran.exited(0);
    for line in [
        "latchgate 700 /etc/latchgate",
        "latchgate 600 /etc/latchgate/latchgate.toml",
        "latchgate 700 /var/lib/latchgate",
        "latchgate 600 /var/lib/latchgate/keys/operator-local.pem",
        "latchgate 600 /etc/latchgate/operators/local.toml",
        "root 644 /etc/systemd/system/latchgate.service",
        "unchanged",
        "bounded",
        "member",
        "stranger 5",
        "refused",
        "kept",
        "still",
        "gone",
    ] {
        assert!(ran.stdout.lines().any(|found| found == line), "{line} in {ran:#?}");
    }
    assert!(ran.stdout.contains("(latchgate-agents)"), "{ran:#?}");
}

#[test]
fn a_program_that_others_could_replace_is_no_service() {
    let gate = Gate::builder().prepare();
    let script = "\
        set +e; chmod 0757 /usr/local/bin/latchgate; latchgate service install; echo $?\n\
        chmod 0755 /usr/local/bin/latchgate; mkdir /tmp/t.$$; cp /usr/local/bin/latchgate /tmp/t.$$/; \
          /tmp/t.$$/latchgate service install; echo $?; rm -r /tmp/t.$$\n\
        test ! -e /etc/latchgate && ! id latchgate 2>/dev/null && echo nothing\n";
    let Some(ran) = on_a_machine_of_its_own(&gate, script) else { return };
    assert_eq!(ran.stdout, "1\n1\nnothing\n", "{ran:#?}");
    assert!(
        ran.stderr.contains("could replace the program") && ran.stderr.contains("does not see"),
        "{ran:#?}"
    );
}

#[test]
fn only_root_installs_and_looking_needs_nobody() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: whoever runs this may not install anyway");
        return;
    }
    let gate = Gate::builder().prepare();
    let (_, name) = prefix(&gate);
    let copy = Path::new(&name).join("latchgate");
    fs::create_dir_all(&name).unwrap();
    fs::copy(gate.command(&[]).get_program(), &copy).unwrap();
    for path in [gate.base(), Path::new(&name), &copy] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(fs::metadata(&copy).unwrap().uid(), 0);
    for (args, code) in [(&["service", "install"][..], 1), (&["service", "install", "--dry-run"], 0)] {
        let mut command = Command::new(&copy);
        command.args(args).env_clear().env("HOME", "/nonexistent");
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
        let ran = Ran::of(&mut command).exited(code);
        assert!(code == 0 || ran.stderr.contains("sudo"), "{ran:#?}");
    }
}
