//! A disk of a few megabytes that a test can fill: a tmpfs, or a file of blocks, on a directory, unmounted with the test.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::NamedTempFile;

use crate::binary::Ran;

pub struct Tmpfs {
    dir: PathBuf,
    /// The blocks, if they lie in a file.
    _blocks: Option<NamedTempFile>,
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
        Some(Self { dir: dir.to_owned(), _blocks: None })
    }

    /// As [`Self::mount`], with an ext4 on a loop device. Only root can, where there are loop devices: `None` otherwise, and that
    /// is said.
    ///
    /// # Panics
    /// If the blocks cannot be made.
    pub fn mount_blocks(dir: &Path, bytes: u64) -> Option<Self> {
        let left_out = |why: &str| eprintln!("LEFT OUT: a disk of blocks cannot be mounted: {why}");
        if !rustix::process::geteuid().is_root() {
            left_out("only root can");
            return None;
        }
        let blocks = NamedTempFile::new_in("/tmp").unwrap();
        blocks.as_file().set_len(bytes).unwrap();
        if Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(blocks.path()).status().is_err() {
            left_out("there is no mkfs.ext4");
            return None;
        }
        fs::create_dir_all(dir).unwrap();
        let ran = Ran::of(Command::new("mount").args(["-o", "loop"]).arg(blocks.path()).arg(dir));
        if ran.code != 0 {
            left_out(ran.stderr.trim());
            return None;
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).unwrap();
        Some(Self { dir: dir.to_owned(), _blocks: Some(blocks) })
    }

    /// Takes all the room that is left.
    ///
    /// # Panics
    /// If there is room in the end.
    pub fn fill(&self) {
        self.fill_but(0);
        assert!(self.room() < PAGE_BYTES as u64, "the disk is full");
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
