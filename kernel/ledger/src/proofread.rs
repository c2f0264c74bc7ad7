//! What a start from a sealed state did not read is read behind it, and must lead to the root that was sealed.
//!
//! Decisions rest on the sealed state, and an entry that was not read yet is checked by its signature when somebody asks for it.
//! This finds the rest: whoever edits the beginning of a long log does not get a gate that runs on it for long.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use latchgate_wire::merkle::{Frontier, Hash, leaf_hash};

use crate::queue::OnFatal;
use crate::segment::file_name;
use crate::view::{Synced, View};

/// The part of a log that was not read.
#[derive(Clone, Debug)]
pub struct Unread {
    pub log_dir: PathBuf,
    /// The entry that each segment begins with, and where its part ends.
    pub segments: Vec<(u64, u64)>,
    pub size: u64,
    pub root: Hash,
    /// Goes when the log is not what was sealed, so that the next start reads everything and names the entry.
    pub sealed: PathBuf,
}

/// The running thread.
pub struct Thread {
    is_ending: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Thread {
    pub fn start(unread: Unread, view: Arc<View>, on_fatal: OnFatal) -> io::Result<Self> {
        let is_ending = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_ending);
        let run = move || match unread.read(&ends) {
            Ok(Some(root)) if root == unread.root => {
                view.has_read_all();
                tracing::info!(
                    entries = unread.size,
                    "the entries in front of the sealed state were read: they are as they were"
                );
            }
            // It ends before it has come through.
            Ok(None) => {}
            Ok(Some(_)) => unread.give_up("they are other entries", &on_fatal),
            Err(error) => unread.give_up(&error.to_string(), &on_fatal),
        };
        let handle = std::thread::Builder::new().name("proofread".into()).spawn(run)?;
        Ok(Self { is_ending, handle })
    }

    /// Ends it, read or not.
    pub fn end(self) {
        self.is_ending.store(true, Ordering::Release);
        if self.handle.join().is_err() {
            tracing::error!("the thread that reads the log's beginning panicked");
        }
    }
}

impl Unread {
    pub fn of(sealed: &Synced, ledger_dir: &Path, file: &Path) -> Self {
        Self {
            log_dir: ledger_dir.join("log"),
            segments: sealed.places.ends().collect(),
            size: sealed.tree.size(),
            root: sealed.tree.root(),
            sealed: file.to_owned(),
        }
    }

    /// The root over its entries; `None` if it was told to end.
    fn read(&self, is_ending: &AtomicBool) -> io::Result<Option<Hash>> {
        let mut tree = Frontier::default();
        for (first_seq, end) in &self.segments {
            let path = self.log_dir.join(file_name(*first_seq));
            if !read_segment(&path, *end, &mut tree, is_ending)? {
                return Ok(None);
            }
        }
        Ok(Some(tree.root()))
    }

    fn give_up(&self, why: &str, on_fatal: &OnFatal) {
        // Without it the next start reads the whole log, and says which entry it is.
        let _gone = std::fs::remove_file(&self.sealed);
        on_fatal(&format!(
            "the first {} entries of the ledger are not those that its state was sealed over: {why}",
            self.size
        ));
    }
}

/// `false` if it was told to end.
fn read_segment(path: &Path, end: u64, tree: &mut Frontier, is_ending: &AtomicBool) -> io::Result<bool> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?.take(end));
    let mut line = Vec::new();
    while !is_ending.load(Ordering::Relaxed) {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(true);
        }
        tree.push(leaf_hash(line.strip_suffix(b"\n").unwrap_or(&line)));
    }
    Ok(false)
}
