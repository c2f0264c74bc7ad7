//! Ways out of a root, each beside the way that stays inside.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use latchgate_monitor::plan::{Before, Content, FsOperation, FsPath, FsStep};
use latchgate_monitor::ports::{Probe as _, ProbeError};
use latchgate_wire::digest::{Digest, Salt};
use latchgate_wire::receipt::{EffectStatus, PlanKind};
use rustix::fs::{CWD, FileType, Mode};

use super::{Failure, Kind, NodeKind, Output, Roots, TemporaryName};

fn path(text: &str) -> FsPath {
    FsPath::parse(text).unwrap()
}

fn step(operation: FsOperation, text: &str) -> FsStep {
    FsStep { operation, path: path(text), content: None, before: None, search: None, bytes_max: 1000 }
}

pub(super) fn perform(roots: &Roots, step: &FsStep) -> Result<Output, Failure> {
    roots.perform(step, &TemporaryName::of_call(&SALT))
}

const SALT: Salt = Salt([7; 32]);

fn read(roots: &Roots, text: &str) -> Result<Output, Failure> {
    perform(roots, &step(FsOperation::Read, text))
}

fn write(roots: &Roots, text: &str, before: Before) -> Result<Output, Failure> {
    let content = Some(Content::Text("new".into()));
    perform(roots, &FsStep { content, before: Some(before), ..step(FsOperation::Write, text) })
}

fn remove(roots: &Roots, text: &str, before: Before) -> Result<Output, Failure> {
    perform(roots, &FsStep { before: Some(before), ..step(FsOperation::Delete, text) })
}

fn file(content: &str) -> Before {
    Before::File { digest: Digest::of(content.as_bytes()), size: content.len() as u64 }
}

/// `a` with content "old", the directory `d` with `d/b`, and the root of it all.
fn tree() -> (tempfile::TempDir, Roots) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a"), "old").unwrap();
    std::fs::create_dir(dir.path().join("d")).unwrap();
    std::fs::write(dir.path().join("d/b"), "old").unwrap();
    let roots = Roots::open(dir.path(), &[]).unwrap();
    (dir, roots)
}

#[track_caller]
fn refused(result: Result<Output, Failure>, word: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.kind, failure.effect), (Kind::Refused, EffectStatus::None), "{failure:?}");
    assert!(failure.message.contains(word), "{failure:?}");
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn files_below_the_root_are_read() {
    let (_dir, roots) = tree();
    for text in ["a", "d/b"] {
        assert_eq!(read(&roots, text), Ok(Output::Content(b"old".into())));
    }
}

#[test]
fn a_symbolic_link_is_not_followed_wherever_it_stands() {
    let (dir, roots) = tree();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("b"), "secret").unwrap();
    symlink(outside.path(), dir.path().join("out")).unwrap();
    symlink(outside.path().join("b"), dir.path().join("link")).unwrap();
    symlink("d", dir.path().join("in")).unwrap();
    for text in ["out/b", "link", "in/b"] {
        refused(read(&roots, text), "symbolic link");
        refused(write(&roots, text, file("secret")), "symbolic link");
        refused(remove(&roots, text, file("secret")), "symbolic link");
    }
    refused(write(&roots, "out/new", Before::Absent), "symbolic link");
    assert_eq!(names(outside.path()), ["b"]);
    refused(perform(&roots, &step(FsOperation::List, "out")), "symbolic link");
}

#[test]
fn a_link_put_in_place_of_the_root_is_not_the_root() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a"), "inside").unwrap();
    let roots = Roots::open(&root, &[]).unwrap();
    std::fs::rename(&root, parent.path().join("moved")).unwrap();
    symlink("/etc", &root).unwrap();
    assert_eq!(read(&roots, "a"), Ok(Output::Content(b"inside".into())));
}

#[test]
fn a_root_that_appears_later_is_used_unless_it_is_a_link() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("root");
    let roots = Roots::open(&root, &[]).unwrap();
    let missing = read(&roots, "a").unwrap_err();
    assert_eq!(missing.kind, Kind::Root);
    assert_eq!(
        missing.remediation.unwrap(),
        "create it, or set fs.root in latchgate.toml, or start with `latchgate up --root DIR`"
    );
    symlink("/etc", &root).unwrap();
    assert_eq!(read(&roots, "passwd").unwrap_err().kind, Kind::Root);
    std::fs::remove_file(&root).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a"), "x").unwrap();
    assert_eq!(read(&roots, "a"), Ok(Output::Content(b"x".into())));
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting() {
    let (dir, roots) = tree();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    for (text, word) in [("fifo", "fifo"), ("socket", "socket"), ("d", "directory"), ("", "root")] {
        refused(read(&roots, text), word);
        refused(write(&roots, text, Before::Absent), word);
        refused(remove(&roots, text, file("")), word);
    }
    refused(perform(&roots, &step(FsOperation::List, "fifo")), "no directory");
}

/// Where the test may make device nodes; `/dev` itself is another mount nearly everywhere.
#[test]
fn devices_are_refused() {
    let (dir, roots) = tree();
    let null = rustix::fs::makedev(1, 3);
    let mode = Mode::from_raw_mode(0o600);
    if rustix::fs::mknodat(CWD, dir.path().join("null"), FileType::CharacterDevice, mode, null).is_ok() {
        refused(read(&roots, "null"), "device");
    }
    let everything = Roots::open(Path::new("/"), &[]).unwrap();
    assert_eq!(read(&everything, "dev/null").unwrap_err().kind, Kind::Refused);
}

#[test]
fn procfs_is_refused_as_root_and_below_it() {
    for text in ["/proc", "/proc/self"] {
        let error = Roots::open(Path::new(text), &[]).err().unwrap();
        assert!(error.message.contains("the kernel's own"), "{error}");
    }
    let everything = Roots::open(Path::new("/"), &[]).unwrap();
    refused(read(&everything, "proc/version"), "another mount");
}

#[test]
fn a_directory_of_the_gate_is_not_reached_from_any_root() {
    let (dir, _) = tree();
    let home = dir.path().join("home");
    std::fs::create_dir_all(home.join("keys")).unwrap();
    std::fs::write(home.join("keys/k"), "secret").unwrap();
    let forbidden = [home.clone()];
    let above = Roots::open(dir.path(), &forbidden).unwrap();
    refused(read(&above, "home/keys/k"), "directory of the gate");
    refused(perform(&above, &step(FsOperation::List, "home")), "directory of the gate");
    refused(write(&above, "home/x", Before::Absent), "directory of the gate");
    assert_eq!(read(&above, "d/b"), Ok(Output::Content(b"old".into())));
    for root in [home.clone(), home.join("keys")] {
        let error = Roots::open(&root, &forbidden).err().unwrap();
        assert!(error.message.contains("a directory of the gate"), "{error}");
    }
}

#[test]
fn a_directory_of_the_gate_is_known_after_it_was_renamed() {
    let (dir, _) = tree();
    std::fs::create_dir(dir.path().join("home")).unwrap();
    let roots = Roots::open(dir.path(), &[dir.path().join("home")]).unwrap();
    std::fs::rename(dir.path().join("home"), dir.path().join("d/other")).unwrap();
    std::fs::write(dir.path().join("d/other/k"), "secret").unwrap();
    refused(read(&roots, "d/other/k"), "directory of the gate");
}

#[test]
fn a_directory_of_the_gate_that_is_missing_stops_the_start() {
    let (dir, _) = tree();
    let error = Roots::open(dir.path(), &[dir.path().join("home")]).err().unwrap();
    assert!(error.message.contains("cannot be kept from file actions"), "{error}");
}

#[test]
fn a_file_over_its_limit_is_too_large() {
    let (dir, roots) = tree();
    std::fs::write(dir.path().join("a"), "x".repeat(1000)).unwrap();
    assert!(read(&roots, "a").is_ok());
    std::fs::write(dir.path().join("a"), "x".repeat(1001)).unwrap();
    let failure = read(&roots, "a").unwrap_err();
    assert_eq!(failure.kind, Kind::TooLarge);
    assert_eq!(failure.message, "`a` has 1001 bytes, at most 1000 are accepted");
}

#[test]
fn a_listing_is_sorted_and_bounded() {
    let (dir, roots) = tree();
    symlink("/etc", dir.path().join("l")).unwrap();
    let Ok(Output::Listing(nodes)) = perform(&roots, &step(FsOperation::List, "")) else { panic!() };
    let nodes: Vec<_> = nodes.into_iter().map(|n| (n.name, n.kind, n.size)).collect();
    let expected = [("a", NodeKind::File, 3), ("d", NodeKind::Directory, 0), ("l", NodeKind::Symlink, 0)];
    assert_eq!(nodes, expected.map(|(name, kind, size)| (name.to_owned(), kind, size)));
    // Three lines: "file 3 a", "directory 0 d" and "symlink 0 l", each with its NUL.
    let within = |bytes_max| perform(&roots, &FsStep { bytes_max, ..step(FsOperation::List, "") });
    assert!(within(9 + 14 + 12).is_ok());
    assert!(within(9 + 14 + 11).is_err_and(|failure| failure.kind == Kind::TooLarge));
}

#[test]
fn a_new_file_appears_whole() {
    let (dir, roots) = tree();
    assert_eq!(write(&roots, "d/new", Before::Absent), Ok(Output::Written { size: 3, is_new: true }));
    assert_eq!(std::fs::read(dir.path().join("d/new")).unwrap(), b"new");
    assert_eq!(names(&dir.path().join("d")), ["b", "new"]);
}

#[test]
fn a_replaced_file_keeps_its_mode() {
    let (dir, roots) = tree();
    let a = dir.path().join("a");
    std::fs::set_permissions(&a, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(write(&roots, "a", file("old")), Ok(Output::Written { size: 3, is_new: false }));
    assert_eq!(std::fs::read(&a).unwrap(), b"new");
    assert_eq!(std::fs::metadata(&a).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn what_changed_since_the_plan_is_left_alone() {
    let (dir, roots) = tree();
    let changed = |result: Result<Output, Failure>| {
        let failure = result.unwrap_err();
        assert_eq!((failure.kind, failure.effect), (Kind::Changed, EffectStatus::None), "{failure:?}");
    };
    changed(write(&roots, "a", file("older")));
    changed(write(&roots, "a", Before::Absent));
    changed(write(&roots, "new", file("old")));
    changed(remove(&roots, "a", file("older")));
    changed(remove(&roots, "new", file("old")));
    assert_eq!(names(dir.path()), ["a", "d"]);
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"old");
}

#[test]
fn a_write_and_a_delete_need_what_the_plan_saw() {
    let (_dir, roots) = tree();
    refused(perform(&roots, &step(FsOperation::Write, "a")), "no content");
    let content = Some(Content::Text("new".into()));
    refused(perform(&roots, &FsStep { content, ..step(FsOperation::Write, "a") }), "what is replaced");
    refused(perform(&roots, &step(FsOperation::Delete, "a")), "what is removed");
    refused(remove(&roots, "a", Before::Absent), "what is removed");
}

#[test]
fn a_file_with_other_names_is_not_replaced() {
    let (dir, roots) = tree();
    std::fs::hard_link(dir.path().join("a"), dir.path().join("other")).unwrap();
    refused(write(&roots, "a", file("old")), "hard links");
    assert_eq!(std::fs::read(dir.path().join("other")).unwrap(), b"old");
    std::fs::remove_file(dir.path().join("other")).unwrap();
    assert!(write(&roots, "a", file("old")).is_ok());
}

#[test]
fn directories_are_not_created() {
    let (dir, roots) = tree();
    let failure = write(&roots, "x/y", Before::Absent).unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound);
    assert_eq!(failure.message, "the directory of `x/y` does not exist; a write creates no directories");
    assert_eq!(names(dir.path()), ["a", "d"]);
}

#[test]
fn a_file_is_removed() {
    let (dir, roots) = tree();
    assert_eq!(remove(&roots, "d/b", file("old")), Ok(Output::Removed));
    assert_eq!(names(&dir.path().join("d")), Vec::<String>::new());
}

#[tokio::test]
async fn the_probe_says_what_is_there() {
    let (dir, roots) = tree();
    let large = "x".repeat(100_000);
    std::fs::write(dir.path().join("large"), &large).unwrap();
    for (operation, text, found) in [
        (FsOperation::Read, "a", None),
        (FsOperation::List, "", None),
        (FsOperation::List, "d", None),
        (FsOperation::Search, "", None),
        (FsOperation::Search, "d", None),
        (FsOperation::Write, "a", Some(file("old"))),
        (FsOperation::Write, "new", Some(Before::Absent)),
        (FsOperation::Write, "large", Some(file(&large))),
        (FsOperation::Delete, "a", Some(file("old"))),
    ] {
        assert_eq!(roots.look(operation, &path(text)).await, Ok(found), "{operation:?} {text}");
    }
}

#[tokio::test]
async fn the_probe_refuses_what_does_not_fit() {
    let (dir, roots) = tree();
    std::fs::hard_link(dir.path().join("a"), dir.path().join("other")).unwrap();
    for (operation, text, word) in [
        (FsOperation::Read, "x", "`x` does not exist"),
        (FsOperation::Read, "d", "a directory, not a regular file"),
        (FsOperation::List, "a", "no directory"),
        (FsOperation::Search, "a", "no directory"),
        (FsOperation::Search, "x", "`x` does not exist"),
        (FsOperation::Write, "x/y", "creates no directories"),
        (FsOperation::Write, "d", "a directory"),
        (FsOperation::Write, "other", "hard links"),
        (FsOperation::Delete, "x", "does not exist"),
        (FsOperation::Delete, "d", "a directory"),
    ] {
        match roots.look(operation, &path(text)).await {
            Err(ProbeError::Target { message }) => assert!(message.contains(word), "{message}"),
            other => panic!("{operation:?} {text}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_probe_gives_a_content_with_its_digest() {
    let (dir, roots) = tree();
    // Around the size from which on it is read elsewhere.
    for size in [0, 3, 64 * 1024, 64 * 1024 + 1] {
        let content = "x".repeat(size);
        std::fs::write(dir.path().join("a"), &content).unwrap();
        let found = roots.content(&path("a"), size as u64).await;
        assert_eq!(found, Ok((content.clone().into_bytes(), file(&content))));
        assert_eq!(roots.look(FsOperation::Write, &path("a")).await, Ok(Some(file(&content))));
    }
}

#[tokio::test]
async fn the_probe_gives_no_content_of_what_a_write_would_not_replace() {
    let (dir, roots) = tree();
    symlink("a", dir.path().join("link")).unwrap();
    std::fs::write(dir.path().join("d/large"), "x".repeat(11)).unwrap();
    std::fs::hard_link(dir.path().join("a"), dir.path().join("other")).unwrap();
    for (text, word) in [
        ("x", "`x` does not exist"),
        ("x/y", "creates no directories"),
        ("d", "a directory"),
        ("link", "symbolic link"),
        ("other", "hard links"),
        ("d/large", "has 11 bytes, at most 10 are accepted"),
    ] {
        match roots.content(&path(text), 10).await {
            Err(ProbeError::Target { message }) => assert!(message.contains(word), "{message}"),
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(Roots::none().content(&path("a"), 10).await, Err(ProbeError::Root { .. })));
}

#[tokio::test]
async fn the_probe_says_how_to_get_a_root() {
    let missing = Roots::open(Path::new("/nonexistent/root"), &[]).unwrap();
    for roots in [missing, Roots::none()] {
        match roots.look(FsOperation::Read, &path("a")).await {
            Err(ProbeError::Root { remediation, .. }) => assert!(remediation.contains("--root DIR")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn names_of_the_gates_own_are_not_seen_read_written_or_removed() {
    let (dir, roots) = tree();
    let kept = TemporaryName::of_call(&SALT).to_string();
    std::fs::write(dir.path().join(&kept), "left").unwrap();
    std::fs::create_dir(dir.path().join("d").join(&kept)).unwrap();
    std::fs::write(dir.path().join("d").join(&kept).join("in"), "left").unwrap();
    refused(read(&roots, &kept), "keeps to itself");
    refused(read(&roots, &format!("d/{kept}/in")), "keeps to itself");
    refused(write(&roots, &format!("d/{kept}"), Before::Absent), "keeps to itself");
    refused(remove(&roots, &kept, file("left")), "keeps to itself");
    refused(perform(&roots, &step(FsOperation::List, &format!("d/{kept}"))), "keeps to itself");
    let Ok(Output::Listing(nodes)) = perform(&roots, &step(FsOperation::List, "d")) else { panic!() };
    assert_eq!(nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_leftover_of_an_interrupted_write_is_removed_and_nothing_else() {
    use latchgate_monitor::plan::{Plan, Step};
    let (dir, roots) = tree();
    let write = FsStep { content: Some(Content::Text("x".into())), ..step(FsOperation::Write, "d/new") };
    let plan = Plan { kind: PlanKind::Exact, steps: vec![Step::Fs(write)] };
    let left = dir.path().join("d").join(TemporaryName::of_call(&SALT).as_str());
    let others = [
        dir.path().join("d").join(TemporaryName::of_call(&Salt([8; 32])).as_str()),
        dir.path().join(TemporaryName::of_call(&SALT).as_str()),
        dir.path().join("d/b"),
    ];
    others.iter().chain([&left]).for_each(|path| std::fs::write(path, "x").unwrap());
    assert_eq!(roots.remove_leftovers(&plan, &SALT).unwrap().len(), 1);
    assert!(!left.exists());
    assert!(others.iter().all(|path| path.exists()));
    assert!(roots.remove_leftovers(&plan, &SALT).unwrap().is_empty(), "there is nothing left");
    // What the gate cannot have made stays.
    symlink("b", &left).unwrap();
    assert!(roots.remove_leftovers(&plan, &SALT).unwrap().is_empty());
    assert!(left.is_symlink());
}
