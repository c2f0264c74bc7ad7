//! `/dev`: the devices that harm nobody, terminals of the jail's own, shared memory of the jail's own.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

use super::{OLD, bind, directory, in_memory};
use crate::plan::Fill;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

pub(super) fn mount_at(place: &Path) -> io::Result<()> {
    directory(place)?;
    in_memory(place, 0o755)?;
    for device in DEVICES {
        let target = place.join(device);
        fs::write(&target, "")?;
        // Without `restrict`: it would take the device away with the flag `nodev`.
        rustix::mount::mount_bind(Path::new(OLD).join("dev").join(device), &target)?;
    }
    let terminals = place.join("pts");
    directory(&terminals)?;
    let options = c"newinstance,ptmxmode=0666,mode=620";
    mount("devpts", &terminals, "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, options)?;
    let memory = place.join("shm");
    directory(&memory)?;
    in_memory(&memory, 0o1777)?;
    for (name, to) in LINKS {
        symlink(to, place.join(name))?;
    }
    bind::restrict_one(place, Fill::ReadOnly)
}
