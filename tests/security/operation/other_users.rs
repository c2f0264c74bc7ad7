//! What another user on the machine gets of a gate that runs under a user of its own: the agents' socket if he is let in,
//! and nothing of its files, its memory or its descriptors.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;

use latchgate_tests::world::isolated;
use latchgate_tests::{Gate, OTHER_UID, Ran, binary_for_others};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// The gate's user; the group whose members may call has the same number.
const GATE_UID: u32 = 4711;
const GROUP: u32 = GATE_UID;

/// Tries everything, and says of each what came of it: `ok` or the name of the error.
const PROBE: &str = r"
import ctypes, errno, json, os, socket, sys
pid, agent, admin, files = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
said = {}
def attempt(name, work):
    try:
        work()
        said[name] = 'ok'
    except OSError as error:
        said[name] = errno.errorcode[error.errno]
def connect(path):
    socket.socket(socket.AF_UNIX).connect(path)
def read(path):
    os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read(1)
def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, None, None) != 0:
        raise OSError(ctypes.get_errno(), 'ptrace')
    os.waitpid(pid, 0x40000000)
    libc.ptrace(17, pid, None, None)
attempt('agent', lambda: connect(agent))
attempt('admin', lambda: connect(admin))
for path in files:
    attempt(path, lambda: read(path))
for name in ['mem', 'environ', 'maps', 'fd', 'map_files', 'auxv']:
    attempt('proc ' + name, lambda: read(f'/proc/{pid}/{name}'))
for name in ['cwd', 'root', 'exe']:
    attempt('proc ' + name, lambda: os.readlink(f'/proc/{pid}/{name}'))
attempt('ptrace', trace)
attempt('signal', lambda: os.kill(pid, 0))
print(json.dumps(said))
";

type Said = BTreeMap<String, String>;

/// A service: others may pass through to the agents' socket, which belongs to a group, and to nothing else.
fn service() -> Option<(tempfile::TempDir, Gate)> {
    let (dir, binary) = binary_for_others()?;
    let gate = Gate::builder().uid(GATE_UID).binary(&binary).serves().start();
    gate.cli(&["call", "fs_list", "{}"]).exited(0);
    Some((dir, gate))
}

/// Everything below the home that is a file or a directory, but for the way to the agents' socket.
fn files(dir: &Path, found: &mut Vec<String>) {
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, found);
        }
        if (kind.is_dir() || kind.is_file()) && path.file_name().unwrap() != "run" {
            found.push(path.to_str().unwrap().to_owned());
        }
    }
}

fn probe(gate: &Gate, uid: u32, gid: u32) -> Said {
    let mut found = Vec::new();
    files(gate.home(), &mut found);
    let mut command = Command::new("python3");
    command.args(["-c", PROBE, &gate.pid().to_string()]);
    command.arg(gate.agent_socket()).arg(gate.admin_socket()).args(&found);
    if uid != 0 {
        // Without any other group: the standard library drops them with the uid.
        command.uid(uid).gid(gid);
    }
    serde_json::from_str(&Ran::of(&mut command).exited(0).stdout).unwrap()
}

fn of<'a>(said: &'a Said, names: &[&str]) -> Vec<&'a str> {
    names.iter().map(|name| said[*name].as_str()).collect()
}

const LIVING: &[&str] =
    &["proc mem", "proc environ", "proc maps", "proc fd", "proc cwd", "proc root", "proc exe", "ptrace"];

/// In a network of its own: whatever listens there is this gate's.
#[test]
fn another_user_gets_the_agents_socket_by_group_and_nothing_else() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("LEFT OUT: another uid can only be had by root");
    }
    isolated(|| {
        let Some((_dir, gate)) = service() else { return };
        for (gid, agent) in [(GROUP, "ok"), (OTHER_UID, "EACCES")] {
            let said = probe(&gate, OTHER_UID, gid);
            assert_eq!(of(&said, &["agent", "admin", "signal"]), [agent, "EACCES", "EPERM"]);
            let readable: Vec<_> =
                said.iter().filter(|(name, came)| *came == "ok" && *name != "agent").collect();
            assert!(readable.is_empty(), "{readable:?}");
            let count = said.keys().filter(|name| name.starts_with('/')).count();
            assert!(count > 15, "keys, ledger, policies and the rest were tried: {said:#?}");
        }
        assert_eq!(listening(), 0, "a service has no port");
        // The twins: the probe finds what is there to be found. Root reads and traces; the gate's own user reads its files, but
        // not its memory, environment or descriptors, since the gate is undumpable.
        let root = probe(&gate, 0, 0);
        assert!(root.iter().all(|(name, came)| came == "ok" || name == "proc mem"), "{root:#?}");
        let own = probe(&gate, GATE_UID, GATE_UID);
        assert_eq!(of(&own, &["agent", "admin", "signal"]), ["ok", "ok", "ok"]);
        assert!(own.iter().all(|(name, came)| !name.starts_with('/') || came == "ok"), "{own:#?}");
        assert!(of(&own, LIVING).iter().all(|came| *came != "ok"), "{own:#?}");
        let _port = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
        assert_eq!(listening(), 1, "and one would have been seen");
        gate.assert_sound();
    });
}

/// TCP sockets of this network that listen: state 0A in the kernel's tables (proc_net(5)).
fn listening() -> usize {
    let tables = ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .map(|path| fs::read_to_string(path).unwrap_or_default());
    let listens = |line: &&str| line.split_whitespace().nth(3) == Some("0A");
    tables.iter().map(|table| table.lines().filter(listens).count()).sum()
}

#[test]
fn a_gate_that_crashes_leaves_no_core() {
    let limits = getrlimit(Resource::Core);
    if limits.maximum.is_some() {
        return eprintln!("LEFT OUT: this system lets no process leave a core");
    }
    setrlimit(Resource::Core, Rlimit { current: None, ..limits }).unwrap();
    let mut gate = Gate::builder().start();
    gate.signal(Signal::ABORT);
    let status = gate.wait();
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
    gate.restart();
    gate.assert_sound();
    // The twin: a process that is not undumpable leaves one, if the system makes any.
    let mut other = Command::new("sleep").arg("600").current_dir(gate.base()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&other);
    rustix::process::kill_process(pid, Signal::ABORT).unwrap();
    if !other.wait().unwrap().core_dumped() {
        eprintln!("LEFT OUT: this system makes no cores, so that none was made shows little");
    }
}
