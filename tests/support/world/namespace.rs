//! Runs a test in a network and mount namespace of its own, by running it again there.

use std::fs;
use std::process::Command;

use rustix::mount::mount_bind;

/// Set in the process that runs inside.
const MARK: &str = "LATCHGATE_TEST_ISOLATED";
/// Printed there at the end: a run that found no such test would succeed as well.
const DONE: &str = "isolated: done";

/// Runs `body`, the whole body of a test and a closure in it, with no network but its own. Where that is not permitted it is
/// left out, with the reason.
///
/// # Panics
/// If `body` does, or does not run to its end.
pub fn isolated<F: FnOnce()>(body: F) {
    let name = test_name::<F>();
    if std::env::var_os(MARK).is_some() {
        let resolver = resolver_files();
        mount_bind(resolver.path(), "/etc").expect("a mount in a namespace of our own");
        body();
        println!("{DONE}");
        return;
    }
    let mut inside = match unshare() {
        Ok(unshare) => unshare,
        Err(obstacle) => {
            println!("LEFT OUT: {name}: {obstacle}");
            return;
        }
    };
    inside.arg(std::env::current_exe().unwrap()).args([name, "--exact", "--nocapture", "--test-threads=1"]);
    let output = inside.env(MARK, "1").output().expect("unshare starts");
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{said}");
    eprint!("{complained}");
    assert!(output.status.success(), "{name} failed in its namespace; see above");
    assert!(said.contains(DONE), "{name} did not run in its namespace");
}

/// The name libtest knows the caller by: the closure's path without crate and closure.
fn test_name<F>() -> &'static str {
    let closure = std::any::type_name::<F>();
    let path = closure.strip_suffix("::{{closure}}").expect("a closure");
    path.split_once("::").expect("a test in a module").1
}

/// Of util-linux, which every Linux system has: as root, or where users may have namespaces as root of one of those.
///
/// # Errors
/// Why neither is permitted.
fn unshare() -> Result<Command, String> {
    let mut obstacle = String::new();
    for user in [&[][..], &["--user", "--map-root-user"][..]] {
        let command = || {
            let mut command = Command::new("unshare");
            command.args(user).args(["--net", "--mount", "--"]);
            command
        };
        match command().arg("true").output() {
            Ok(output) if output.status.success() => return Ok(command()),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().clone_into(&mut obstacle),
            Err(error) => obstacle = format!("unshare does not start: {error}"),
        }
    }
    Err(obstacle)
}

/// What the C library's resolver reads: our name server, asked once, and one name in the hosts file.
fn resolver_files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("resolv.conf", "nameserver 127.0.0.1\noptions attempts:1\n"),
        ("nsswitch.conf", "hosts: files dns\n"),
        ("hosts", "127.0.0.1 localhost\n::1 localhost\n10.0.0.1 intranet.hosts.test\n"),
    ];
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}
