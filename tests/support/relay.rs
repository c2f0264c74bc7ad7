//! Another user's way to a socket: a process of that uid passes bytes on, so that callers here are whom it is.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::patience::eventually;

/// Listens, and for each connection opens one of its own; closed there, closed here.
const SCRIPT: &str = "
import os, socket, sys, threading
def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1] + '.new')
listener.listen()
os.rename(sys.argv[1] + '.new', sys.argv[1])
while True:
    near, _ = listener.accept()
    far = socket.socket(socket.AF_UNIX)
    try:
        far.connect(sys.argv[2])
    except OSError as error:
        near.sendall(type(error).__name__.encode())
        near.close()
        continue
    threading.Thread(target=pump, args=(near, far), daemon=True).start()
    threading.Thread(target=pump, args=(far, near), daemon=True).start()
";

pub struct Relay {
    dir: TempDir,
    child: Child,
}

impl Relay {
    /// Passes on to `socket` as `uid` with `gid` and no other group. Only root can.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(socket: &Path, uid: u32, gid: u32) -> Self {
        let dir = tempfile::Builder::new().prefix("relay-").tempdir_in("/tmp").unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        chown(dir.path(), Some(uid), Some(gid)).unwrap();
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).arg(dir.path().join("s")).arg(socket);
        let child = command.uid(uid).gid(gid).current_dir("/").stdin(Stdio::null()).spawn().expect("python3");
        let relay = Self { dir, child };
        eventually("the relay", || relay.socket().exists().then_some(()));
        relay
    }

    /// Where to connect. Who cannot be passed on is told the name of the error.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
