//! Listing a directory: names, kinds and sizes, sorted, bounded.

use std::fmt::Write as _;

use latchgate_monitor::plan::FsPath;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::failure::{Failure, Kind, shown};
use super::temporary;
use super::walk::{Base, RESOLVE};

/// Entries in a listing at most.
const ENTRIES_MAX: usize = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Node {
    /// What is not UTF-8 in it is replaced by U+FFFD: such a file can be seen and not named.
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    /// 0 for anything but a file.
    pub(crate) size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NodeKind {
    File,
    Directory,
    Symlink,
    Other,
}

/// The entries of the directory. `bytes_max` bounds [`canonical`].
pub(super) fn list(base: &Base, path: &FsPath, bytes_max: u64) -> Result<Vec<Node>, Failure> {
    let failed = |error| Failure::from_errno(path, "list", error);
    let walked = base.directory(path)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let dir = rustix::fs::openat2(&walked, ".", flags, Mode::empty(), RESOLVE).map_err(failed)?;
    let mut nodes = Vec::new();
    let mut bytes = 0;
    for entry in Dir::read_from(&dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || temporary::is_kept(name.to_bytes()) {
            continue;
        }
        let stat = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT) {
            Ok(stat) => stat,
            // Removed meanwhile.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(failed(error)),
        };
        let kind = kind(FileType::from_raw_mode(stat.st_mode));
        let size = if kind == NodeKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
        let node = Node { name: name.to_string_lossy().into_owned(), kind, size };
        bytes += line(&node).len() as u64;
        nodes.push(node);
        if nodes.len() > ENTRIES_MAX || bytes > bytes_max {
            let limits = format!("at most {ENTRIES_MAX} entries in {bytes_max} bytes are listed");
            return Err(Failure::new(
                Kind::TooLarge,
                format!("{} has too many entries: {limits}", shown(path)),
            ));
        }
    }
    nodes.sort_unstable();
    Ok(nodes)
}

fn kind(kind: FileType) -> NodeKind {
    match kind {
        FileType::RegularFile => NodeKind::File,
        FileType::Directory => NodeKind::Directory,
        FileType::Symlink => NodeKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => NodeKind::Other,
    }
}

/// The listing as bytes, for size and digest in the receipt: a line `kind size name` and NUL for each entry.
pub(crate) fn canonical(nodes: &[Node]) -> Vec<u8> {
    nodes.iter().map(line).collect::<String>().into_bytes()
}

fn line(node: &Node) -> String {
    let kind = match node.kind {
        NodeKind::File => "file",
        NodeKind::Directory => "directory",
        NodeKind::Symlink => "symlink",
        NodeKind::Other => "other",
    };
    let mut line = String::with_capacity(node.name.len() + 24);
    let _infallible = write!(line, "{kind} {} {}\0", node.size, node.name);
    line
}
