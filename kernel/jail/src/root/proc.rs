//! `/proc` of the jail's own processes, which nobody inside can write to, without what tells of the machine's memory and keys.

use std::io;
use std::path::Path;

use rustix::mount::{MountFlags, mount};

use super::{bind, directory, empty_file};
use crate::plan::Fill;

/// Where the kernel has them. Most refuse a user without privileges anyway; a caller who is root outside is none to them.
const HIDDEN: [&str; 8] =
    ["kallsyms", "kcore", "keys", "key-users", "kmsg", "sysrq-trigger", "timer_list", "sched_debug"];

pub(super) fn mount_at(place: &Path) -> io::Result<()> {
    directory(place)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("proc", place, "proc", flags, None)?;
    let hidden = HIDDEN.iter().map(|name| place.join(name)).filter(|path| path.exists());
    hidden.into_iter().try_for_each(|path| bind::bind(&empty_file()?, &path, Fill::ReadOnly))
}
