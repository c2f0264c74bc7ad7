//! A log read from its files without a lock, for whoever owns them: the gate may run meanwhile.
//!
//! Signatures are not looked at: that is `verify`. What follows the last whole line is not read.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use latchgate_wire::digest::Digest;

use crate::disk::RealDisk;
use crate::payload::{self, PayloadStore};
use crate::{scan, segment};

pub use crate::scan::map_all;

/// The ledger in a directory, as it was when each of its files was read.
#[derive(Debug)]
pub struct Past {
    dir: PathBuf,
}

/// One segment's bytes, and where its lines are (without line breaks).
#[derive(Debug)]
pub struct Lines {
    pub bytes: Vec<u8>,
    pub lines: Vec<Range<usize>>,
}

impl Past {
    pub fn of(ledger_dir: &Path) -> Self {
        Self { dir: ledger_dir.to_owned() }
    }

    /// Every segment, the oldest first, one at a time.
    ///
    /// # Errors
    /// A directory or a file that cannot be read.
    pub fn segments(&self) -> io::Result<impl Iterator<Item = io::Result<Lines>>> {
        let segments = segment::list(&self.dir.join("log"))?;
        Ok(segments.into_iter().map(|(_, path)| {
            let bytes = std::fs::read(path)?;
            let lines = scan::split(&bytes).lines;
            Ok(Lines { bytes, lines })
        }))
    }

    /// What calls were judged by: the document that an entry names.
    ///
    /// # Errors
    /// A file that is not there, or holds another document.
    pub fn policy(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let text = digest.to_string();
        let name = text.strip_prefix("sha256:").unwrap_or(&text);
        let bytes = std::fs::read(self.dir.join("policy").join(name))?;
        if Digest::of(&bytes) != *digest {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("policy/{name} was altered")));
        }
        Ok(bytes)
    }

    /// The payloads, to read from.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn payloads(&self, key: &[u8; 32]) -> io::Result<PayloadStore> {
        let sizes = payload::Sizes::default();
        PayloadStore::open(Arc::new(RealDisk), &self.dir.join("payload"), key, sizes)
    }
}
