//! What is built and started: made outside, read inside, changed by nobody on the way (a sealed memory file).

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use latchgate_wire::jail::Level;

/// Everything that the two stages need to know. It holds no secret: process 1 keeps it open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Below which nothing is started.
    pub level: Level,
    /// The process that the stages end with.
    pub warden: u32,
    pub hostname: String,
    /// The user inside, which is the caller outside; never 0.
    pub uid: u32,
    pub gid: u32,
    /// In the order in which they are made.
    pub mounts: Vec<Mount>,
    /// Where the command may write, for Landlock: mounts say the same.
    pub writable: Vec<PathBuf>,
    pub directory: PathBuf,
    /// The program and its arguments; the program is looked up on the `PATH` inside unless it is a path.
    pub command: Vec<OsString>,
    pub environment: Vec<(OsString, OsString)>,
    /// Ports on the jail's 127.0.0.1 that the warden listens on.
    pub ports: Vec<u16>,
    /// Which of the first three descriptors are the caller's terminal: the command gets another one in their place.
    pub terminal: [bool; 3],
    /// Rows and columns of the caller's.
    pub window: Option<(u16, u16)>,
}

/// One thing in the new root. Targets are absolute paths inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// A file or directory of the machine, with all that is mounted below it, as it is or not to be changed.
    Bind {
        source: PathBuf,
        target: PathBuf,
        access: Fill,
    },
    /// An empty directory in memory.
    Empty {
        target: PathBuf,
        mode: u32,
    },
    /// Something that was bound with its surroundings, and is not to be seen: an empty file or directory lies over it.
    Hidden {
        target: PathBuf,
    },
    /// A file made for the jail.
    File {
        target: PathBuf,
        text: String,
    },
    Symlink {
        target: PathBuf,
        to: PathBuf,
    },
    /// `/proc` of the jail's own processes.
    Proc,
    /// `/dev` with what every program expects and no more.
    Dev,
}

/// What may be done with a bound file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fill {
    ReadOnly,
    ReadWrite,
}
