//! A disk of a few megabytes that a test can fill: a tmpfs on a directory, unmounted with the test.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::binary::Ran;

pub struct Tmpfs {
    dir: PathBuf,
}

impl Tmpfs {
    /// Mounts one of this size on a directory, which is made if it is not there. Only root can: `None` otherwise, and that
    /// is said.
    ///
    /// # Panics
    /// If root cannot either.
    pub fn mount(dir: &Path, bytes: u64) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("LEFT OUT: a disk to be filled can only be mounted by root");
            return None;
        }
        fs::create_dir_all(dir).unwrap();
        let options = format!("size={bytes},mode=0700");
        Ran::of(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir)).exited(0);
        Some(Self { dir: dir.to_owned() })
    }

    /// Takes all the room that is left.
    ///
    /// # Panics
    /// If there is room in the end.
    pub fn fill(&self) {
        self.fill_but(0);
        assert_eq!(self.room(), 0, "the disk is full");
    }

    /// Takes the room that is left, but for so many bytes.
    ///
    /// # Panics
    /// If the disk fails in another way than by being full.
    pub fn fill_but(&self, bytes: u64) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.filler()).unwrap();
        let page = [0; PAGE_BYTES];
        while self.room() > bytes {
            match file.write(&page) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return,
                Err(error) => panic!("{}: {error}", self.filler().display()),
            }
        }
    }

    /// Gives back what was taken.
    ///
    /// # Panics
    /// If nothing was taken.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    /// Changes how it is mounted: `ro`, `rw`.
    ///
    /// # Panics
    /// If it cannot be changed.
    pub fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        Ran::of(Command::new("mount").args(["-o", &options]).arg(&self.dir)).exited(0);
    }

    /// Bytes that are left.
    ///
    /// # Panics
    /// If the disk does not say.
    pub fn room(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.dir).unwrap();
        found.f_bavail * found.f_frsize
    }

    fn filler(&self) -> PathBuf {
        self.dir.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily: a gate that failed its test may still hold files on it.
        let _unmounted = Command::new("umount").arg("-l").arg(&self.dir).status();
    }
}

const PAGE_BYTES: usize = 4096;
