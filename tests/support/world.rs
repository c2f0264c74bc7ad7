//! A world of a test's own: every address there is belongs to it, names mean what the test says, no packet leaves.
//!
//! The test runs itself again below `unshare --net --mount`, gate included. There, one route makes the whole IPv4 and IPv6
//! address space local, so that a connection to any address ends at the tripwires of [`Everywhere`] on a port that they
//! watch, and is counted by the kernel on any other. `/etc` is a directory of three files: the resolver's.

mod authority;
mod everywhere;
mod name_server;
mod namespace;
mod netlink;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

pub use authority::Authority;
pub use everywhere::{Everywhere, Hit};
pub use name_server::NameServer;
pub use namespace::isolated;

/// Everything outside the gate.
pub struct World {
    pub everywhere: Everywhere,
    pub names: NameServer,
    /// False where the kernel has no IPv6: nothing can be reached by it then, and no twin either.
    pub has_ipv6: bool,
    dir: TempDir,
}

impl World {
    /// # Panics
    /// If it cannot be made: outside [`isolated`], or where the kernel refuses.
    pub fn create() -> Self {
        let has_ipv6 = netlink::make_everything_local().expect("routes in a namespace of our own");
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create();
        fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        Self {
            names: NameServer::start(),
            everywhere: Everywhere::start(&authority, has_ipv6),
            has_ipv6,
            dir,
        }
    }

    /// The certificate that services of this world are vouched for by.
    pub fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }
}
