//! The corpus of escapes: `probes.py`, run on the machine and inside.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use latchgate_tests::world::{World, isolated};
use latchgate_tests::{Ran, binary, workspace};
use serde_json::Value;

use super::place::{Place, has_jails, sandbox};

const PYTHON: &str = "/usr/bin/python3";
const SECRET: &str = "the secret of the host";
/// Where root is refused next to nothing; the corpus is larger.
const COUNTED_MIN: usize = 60;

/// What is to be reached, as long as it lives.
struct Stand {
    child: Child,
    at: String,
}

impl Stand {
    fn make(dir: &Path) -> Self {
        let mut command = Command::new(PYTHON);
        command.arg(probes()).arg("stand").arg(dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("python starts");
        let mut at = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut at).unwrap();
        assert!(at.starts_with('{'), "the stand-ins were not made");
        Self { child, at }
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _reaped = self.child.wait();
    }
}

fn probes() -> PathBuf {
    workspace().join("tests/security/jail/probes.py")
}

/// Runs every probe by this command, with two descriptors that it ought not to hand on.
fn run(command: Command, dir: &Path, at: &str) -> BTreeMap<String, (bool, String)> {
    // By the shell, under the numbers that the probes know.
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg("exec \"$@\" 8<../host/secret 9<../host").arg("sh").arg(command.get_program());
    shell.args(command.get_args()).args(["probes.py", "run", at]);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.env("LATCHGATE_PROBE_SECRET", SECRET).current_dir(dir.join("work"));
    let ran = Ran::of(&mut shell).exited(0);
    let line = |line: Value| {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (text("name"), (line["through"].as_bool().unwrap(), text("why")))
    };
    ran.json_lines().into_iter().map(line).collect()
}

#[test]
fn what_gets_through_on_the_machine_does_not_from_a_jail() {
    isolated(|| {
        if !has_jails("the escape corpus") {
            return;
        }
        let _world = World::create();
        let place = Place::create();
        let dir = place.path().join("d");
        let stand = Stand::make(&dir);
        fs::copy(probes(), dir.join("work/probes.py")).unwrap();
        let outside = run(Command::new(PYTHON), &dir, &stand.at);
        let arguments = ["--no-gate", "--no-network", "--", PYTHON];
        let mut jail = sandbox(Command::new(binary()), &dir.join("home"), &dir.join("work"), &arguments);
        jail.env("LATCHGATE_HOME", dir.join("gate"));
        let inside = run(jail, &dir, &stand.at);

        assert_eq!(outside.len(), inside.len(), "every probe ends, on the machine and inside");
        let (counted, refused): (Vec<_>, Vec<_>) = outside.iter().partition(|(_, (through, _))| *through);
        for (name, (_, why)) in refused {
            println!("not counted: {name}: this machine refuses it to anybody: {why}");
        }
        let escaped: Vec<_> =
            inside.iter().filter(|(_, (through, _))| *through).map(|(name, _)| name).collect();
        assert!(escaped.is_empty(), "got out: {escaped:?}");
        println!("{} probes get through on the machine, and none from inside", counted.len());
        if rustix::process::geteuid().is_root() {
            assert!(counted.len() >= COUNTED_MIN, "only {} probes get through on the machine", counted.len());
        }
    });
}
