//! Names that come to mean something else while an operation is under way: never is anything outside the root reached.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use latchgate_monitor::plan::{Before, FsOperation, FsStep};
use latchgate_wire::digest::Digest;
use rustix::fs::{CWD, RenameFlags};

use super::failure::{Failure, Kind};
use super::tests::perform;
use super::{Output, Roots};
use crate::tests::support::{fs as step, text};

/// A root with a directory `d`, a place outside it, and the two exchanged again and again as `way` says: by a link to the
/// outside, or by moving the directory itself out and back.
struct Race {
    dir: tempfile::TempDir,
    roots: Roots,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Link,
    Move,
}

impl Race {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (place, content) in [("root/d", "inside"), ("outside", "outside")] {
            fs::create_dir_all(dir.path().join(place)).unwrap();
            fs::write(dir.path().join(place).join("file"), content).unwrap();
        }
        symlink("../outside", dir.path().join("root/link")).unwrap();
        let roots = Roots::open(&dir.path().join("root"), &[]).unwrap();
        Self { dir, roots }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Exchanges, while `act` is repeated until it was seen to succeed and to fail, each ten times.
    fn run(&self, way: Way, act: impl Fn() -> Result<(), Failure>) {
        let is_over = AtomicBool::new(false);
        let (d, other) = match way {
            Way::Link => (self.path("root/d"), self.path("root/link")),
            Way::Move => (self.path("root/d"), self.path("elsewhere")),
        };
        thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    exchange(way, &d, &other);
                    thread::yield_now();
                }
            });
            // Over at the end of a failed assertion, too.
            let _over = Over(&is_over);
            let mut seen = [0, 0];
            while seen.iter().any(|times| *times < 10) {
                seen[usize::from(act().is_err())] += 1;
            }
        });
    }
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn exchange(way: Way, d: &Path, other: &Path) {
    match way {
        Way::Link => rustix::fs::renameat_with(CWD, d, CWD, other, RenameFlags::EXCHANGE).unwrap(),
        Way::Move => {
            fs::rename(d, other).unwrap();
            thread::yield_now();
            fs::rename(other, d).unwrap();
        }
    }
}

/// A refusal of these kinds is what a name of the wrong meaning may give.
fn harmless(failure: &Failure) {
    assert!(matches!(failure.kind, Kind::Refused | Kind::NotFound | Kind::Changed), "{failure:?}");
}

#[test]
fn a_read_through_a_directory_that_turns_into_a_link_never_leaves_the_root() {
    for way in [Way::Link, Way::Move] {
        let race = Race::new();
        race.run(way, || {
            let read = perform(&race.roots, &step(FsOperation::Read, "d/file")).inspect_err(harmless)?;
            assert_eq!(read, Output::Content(b"inside".into()), "{way:?}");
            Ok(())
        });
    }
}

#[test]
fn a_listing_of_a_directory_that_turns_into_a_link_never_leaves_the_root() {
    let race = Race::new();
    fs::write(race.path("outside/secret"), "").unwrap();
    race.run(Way::Link, || {
        let listed = perform(&race.roots, &step(FsOperation::List, "d")).inspect_err(harmless)?;
        let Output::Listing(nodes) = listed else { panic!("{listed:?}") };
        assert!(nodes.iter().all(|node| node.name != "secret"), "{nodes:?}");
        Ok(())
    });
}

#[test]
fn a_write_through_a_directory_that_turns_into_a_link_never_leaves_the_root() {
    for way in [Way::Link, Way::Move] {
        let race = Race::new();
        race.run(way, || {
            let before = Some(Before::File { digest: Digest::of(b"inside"), size: 6 });
            let write = FsStep { content: text("inside"), before, ..step(FsOperation::Write, "d/file") };
            perform(&race.roots, &write).inspect_err(harmless).map(drop)
        });
        assert_eq!(fs::read(race.path("outside/file")).unwrap(), b"outside", "{way:?}");
        assert_eq!(fs::read_dir(race.path("outside")).unwrap().count(), 1, "{way:?}");
    }
}

#[test]
fn a_removal_through_a_directory_that_turns_into_a_link_never_leaves_the_root() {
    let race = Race::new();
    // The file that is to go is made anew each time, by a name that always means the directory.
    let held = fs::File::open(race.path("root/d")).unwrap();
    let inside = format!("/proc/self/fd/{}/file", std::os::fd::AsRawFd::as_raw_fd(&held));
    fs::write(race.path("outside/file"), "inside").unwrap();
    race.run(Way::Link, || {
        fs::write(&inside, "inside").unwrap();
        let before = Some(Before::File { digest: Digest::of(b"inside"), size: 6 });
        let removal = FsStep { before, ..step(FsOperation::Delete, "d/file") };
        perform(&race.roots, &removal).inspect_err(harmless).map(drop)
    });
    assert_eq!(fs::read(race.path("outside/file")).unwrap(), b"inside");
}
