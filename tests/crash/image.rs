//! What a power cut may leave of a disk: the recorded calls up to a moment, of which only what was synced is sure.
//!
//! Sure is a write, or a new length, that ended before a sync of its file began; and a name that was made, moved or taken away before
//! a sync of its directory began. Of everything else any part may be there: bytes of any of the writes, whole, by sectors or cut
//! anywhere; names up to any of those that were changed, since file systems keep their order within a directory.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use latchgate_tests::{Call, Chance, Event};

const SECTOR: u64 = 512;

/// Files and directories by number; the first is the top.
#[derive(Clone)]
pub struct Disk {
    nodes: Vec<Node>,
    /// What a program sees: every path below the top.
    live: BTreeMap<String, usize>,
    began: HashMap<u64, Began>,
}

#[derive(Clone)]
enum Node {
    File { bytes: Vec<u8>, pending: Vec<Change> },
    Dir { names: BTreeMap<String, usize>, pending: Vec<(String, Option<usize>)> },
}

#[derive(Clone)]
struct Change {
    id: u64,
    ended: bool,
    what: What,
}

#[derive(Clone)]
enum What {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate { len: u64 },
}

#[derive(Clone)]
struct Began {
    call: Call,
    node: Option<usize>,
    /// Of a sync: what it makes durable.
    covers: Covers,
}

#[derive(Clone)]
enum Covers {
    Changes(Vec<u64>),
    Names(usize),
}

/// How much of what was not synced is there.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    All,
    Nothing,
    Chance,
}

impl Disk {
    /// A disk with these directories on it, all of them synced. Below the top they have their whole paths for names.
    pub fn holding(dirs: &[PathBuf]) -> Self {
        let mut disk = Self { nodes: vec![Node::dir()], live: BTreeMap::new(), began: HashMap::new() };
        dirs.iter().for_each(|dir| disk.take_in(dir));
        disk
    }

    fn take_in(&mut self, path: &Path) {
        let node = if path.is_dir() {
            Node::dir()
        } else {
            Node::File { bytes: fs::read(path).unwrap(), pending: Vec::new() }
        };
        self.nodes.push(node);
        let (number, path_text) = (self.nodes.len() - 1, path.to_str().unwrap());
        self.live.insert(path_text.to_owned(), number);
        self.name(path_text, Some(number));
        let parent = self.parent(path_text).0;
        self.settle_names(parent, usize::MAX);
        if path.is_dir() {
            fs::read_dir(path).unwrap().for_each(|item| self.take_in(&item.unwrap().path()));
        }
    }

    pub fn follow(&mut self, event: &Event) {
        match event {
            Event::Began { id, call } => self.begin(*id, call.clone()),
            Event::Ended { id, result } => {
                let Some(began) = self.began.remove(id) else { return };
                self.end(*id, began, *result);
            }
        }
    }

    fn begin(&mut self, id: u64, call: Call) {
        let (path, what) = match &call {
            Call::Write { path, offset, bytes } => {
                (path, Some(What::Write { offset: *offset, bytes: bytes.clone() }))
            }
            Call::Truncate { path, len } => (path, Some(What::Truncate { len: *len })),
            Call::Sync { path } | Call::Open { path, .. } => (path, None),
            Call::Unlink { path } | Call::Mkdir { path } => (path, None),
            Call::Rename { from, .. } | Call::Link { from, .. } => (from, None),
        };
        let node = self.live.get(path).copied();
        let mut covers = Covers::Names(0);
        match node.map(|node| &mut self.nodes[node]) {
            Some(Node::File { pending, .. }) => {
                if let Some(what) = what {
                    pending.push(Change { id, ended: false, what });
                }
                let ended = pending.iter().filter(|change| change.ended);
                covers = Covers::Changes(ended.map(|change| change.id).collect());
            }
            Some(Node::Dir { pending, .. }) => covers = Covers::Names(pending.len()),
            None => {}
        }
        self.began.insert(id, Began { call, node, covers });
    }

    fn end(&mut self, id: u64, began: Began, result: i64) {
        let Began { call, node, covers } = began;
        if result < 0 {
            if let Some(Node::File { pending, .. }) = node.map(|node| &mut self.nodes[node]) {
                pending.retain(|change| change.id != id);
            }
            return;
        }
        match call {
            Call::Write { .. } | Call::Truncate { .. } => self.ended(node, id),
            Call::Sync { .. } => match (node, covers) {
                (Some(node), Covers::Changes(ids)) => self.settle_changes(node, &ids),
                (Some(node), Covers::Names(count)) => self.settle_names(node, count),
                (None, _) => {}
            },
            Call::Open { path, creates, empties } => self.opened(id, &path, creates, empties),
            Call::Mkdir { path } => self.make(&path, Node::dir()),
            Call::Link { to, .. } => {
                self.live.extend(node.map(|node| (to.clone(), node)));
                self.name(&to, node);
            }
            Call::Rename { from, to } => {
                self.live.remove(&from);
                self.live.extend(node.map(|node| (to.clone(), node)));
                // One step: what a reader of the directory finds is the old or the new.
                self.name(&to, node);
                self.name(&from, None);
            }
            Call::Unlink { path } => {
                self.live.remove(&path);
                self.name(&path, None);
            }
        }
    }

    fn opened(&mut self, id: u64, path: &str, creates: bool, empties: bool) {
        match self.live.get(path) {
            Some(node) if empties => {
                let change = Change { id, ended: true, what: What::Truncate { len: 0 } };
                if let Node::File { pending, .. } = &mut self.nodes[*node] {
                    pending.push(change);
                }
            }
            None if creates => self.make(path, Node::File { bytes: Vec::new(), pending: Vec::new() }),
            _ => {}
        }
    }

    fn make(&mut self, path: &str, node: Node) {
        self.nodes.push(node);
        let number = self.nodes.len() - 1;
        self.live.insert(path.to_owned(), number);
        self.name(path, Some(number));
    }

    fn ended(&mut self, node: Option<usize>, id: u64) {
        let Some(Node::File { pending, .. }) = node.map(|node| &mut self.nodes[node]) else { return };
        pending.iter_mut().filter(|change| change.id == id).for_each(|change| change.ended = true);
    }

    fn settle_changes(&mut self, node: usize, ids: &[u64]) {
        let Node::File { bytes, pending } = &mut self.nodes[node] else { return };
        pending.iter().filter(|change| ids.contains(&change.id)).for_each(|change| change.what.apply(bytes));
        pending.retain(|change| !ids.contains(&change.id));
    }

    fn settle_names(&mut self, node: usize, count: usize) {
        let Node::Dir { names, pending } = &mut self.nodes[node] else { return };
        pending.drain(..count.min(pending.len())).for_each(|change| rename(names, change));
    }

    /// The directory that a path lies in, the top if it lies nowhere, and its name in it.
    fn parent<'a>(&self, path: &'a str) -> (usize, &'a str) {
        let (dir, name) = path.rsplit_once('/').unwrap();
        self.live.get(dir).map_or((0, path), |dir| (*dir, name))
    }

    fn name(&mut self, path: &str, node: Option<usize>) {
        let (dir, name) = self.parent(path);
        if let Node::Dir { pending, .. } = &mut self.nodes[dir] {
            pending.push((name.to_owned(), node));
        }
    }

    /// Writes down what is left if the power goes now: each directory that was taken in, in its place.
    pub fn leave(&self, loss: Loss, chance: &mut Chance) {
        let Node::Dir { names, .. } = &self.nodes[0] else { return };
        for (path, node) in names {
            let path = Path::new(path);
            fs::remove_dir_all(path).unwrap();
            self.write(*node, path, loss, chance);
        }
    }

    fn write(&self, node: usize, path: &Path, loss: Loss, chance: &mut Chance) {
        match &self.nodes[node] {
            Node::File { bytes, pending } => {
                let mut bytes = bytes.clone();
                pending.iter().for_each(|change| change.what.survive(&mut bytes, loss, chance));
                fs::write(path, bytes).unwrap();
                fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
            }
            Node::Dir { names, pending } => {
                fs::DirBuilder::new().mode(0o700).create(path).unwrap();
                let kept = match loss {
                    Loss::All => 0,
                    Loss::Nothing => pending.len(),
                    Loss::Chance => usize::try_from(chance.below(pending.len() as u64 + 1)).unwrap(),
                };
                let mut names = names.clone();
                pending[..kept].iter().cloned().for_each(|change| rename(&mut names, change));
                for (name, node) in &names {
                    self.write(*node, &path.join(name), loss, chance);
                }
            }
        }
    }
}

impl Node {
    fn dir() -> Self {
        Self::Dir { names: BTreeMap::new(), pending: Vec::new() }
    }
}

fn rename(names: &mut BTreeMap<String, usize>, (name, node): (String, Option<usize>)) {
    match node {
        Some(node) => names.insert(name, node),
        None => names.remove(&name),
    };
}

impl What {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Truncate { len } => file.resize(usize::try_from(*len).unwrap(), 0),
            Self::Write { offset, bytes } => put(file, *offset, bytes),
        }
    }

    /// As much of it as chance leaves.
    fn survive(&self, file: &mut Vec<u8>, loss: Loss, chance: &mut Chance) {
        match (loss, self) {
            (Loss::All, _) => {}
            (Loss::Nothing, _) => self.apply(file),
            (Loss::Chance, Self::Truncate { .. }) => {
                if chance.percent(50) {
                    self.apply(file);
                }
            }
            (Loss::Chance, Self::Write { offset, bytes }) => match chance.below(4) {
                0 => {}
                1 => self.apply(file),
                2 => sectors(*offset, bytes)
                    .filter(|_| chance.percent(50))
                    .for_each(|(at, sector)| put(file, at, sector)),
                _ => {
                    let cut = usize::try_from(chance.below(bytes.len() as u64 + 1)).unwrap();
                    put(file, *offset, &bytes[..cut]);
                }
            },
        }
    }
}

fn put(file: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let from = usize::try_from(offset).unwrap();
    if bytes.is_empty() {
        return;
    }
    if file.len() < from + bytes.len() {
        file.resize(from + bytes.len(), 0);
    }
    file[from..from + bytes.len()].copy_from_slice(bytes);
}

/// The pieces of a write that lie in one sector of the disk each.
fn sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let first = usize::try_from(SECTOR - offset % SECTOR).unwrap().min(bytes.len());
    let (head, rest) = bytes.split_at(first);
    let mut at = offset;
    std::iter::once(head).chain(rest.chunks(SECTOR as usize)).map(move |piece| {
        let from = at;
        at += piece.len() as u64;
        (from, piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn did(disk: &mut Disk, id: u64, call: Call) {
        disk.follow(&Event::Began { id, call });
        disk.follow(&Event::Ended { id, result: 0 });
    }

    /// The disk itself is held to what it is there for: it forgets what was not synced, and nothing else.
    #[test]
    fn what_was_synced_stays_and_the_rest_goes() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().join("state");
        fs::create_dir(&dir).unwrap();
        let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let open = |name| Call::Open { path: path(name), creates: true, empties: false };
        let write =
            |name, offset, bytes: &[u8]| Call::Write { path: path(name), offset, bytes: bytes.to_vec() };
        let mut disk = Disk::holding(std::slice::from_ref(&dir));
        for name in ["a", "b"] {
            did(&mut disk, 1, open(name));
            did(&mut disk, 2, write(name, 0, b"synced"));
            did(&mut disk, 3, Call::Sync { path: path(name) });
        }
        did(&mut disk, 4, Call::Rename { from: path("b"), to: path("c") });
        did(&mut disk, 5, Call::Sync { path: dir.to_str().unwrap().to_owned() });
        did(&mut disk, 6, write("a", 6, b" not"));
        did(&mut disk, 7, Call::Rename { from: path("c"), to: path("d") });
        // Begun before the write ended: it does not cover it.
        disk.follow(&Event::Began { id: 8, call: write("a", 0, b"S") });
        disk.follow(&Event::Began { id: 9, call: Call::Sync { path: path("a") } });
        disk.follow(&Event::Ended { id: 8, result: 1 });
        let left = |disk: &Disk, loss| {
            disk.leave(loss, &mut Chance::new(1));
            let read = |name| fs::read_to_string(path(name)).ok();
            (read("a"), read("b"), read("c"), read("d"))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(left(&disk, Loss::All), (text("synced"), None, text("synced"), None));
        assert_eq!(left(&disk, Loss::Nothing), (text("Synced not"), None, None, text("synced")));
        disk.follow(&Event::Ended { id: 9, result: 0 });
        assert_eq!(left(&disk, Loss::All).0, text("synced not"));
    }
}
