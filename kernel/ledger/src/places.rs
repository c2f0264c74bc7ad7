//! Where each synced entry lies: every 32nd line's offset is kept, the rest is counted from there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::segment::file_name;

const STRIDE: u64 = 32;

/// The log as readers see it: segments, marks and where the synced part ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Places {
    dir: PathBuf,
    segments: Vec<SegmentPlaces>,
    size: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct SegmentPlaces {
    first_seq: u64,
    path: Arc<Path>,
    /// Offset of each [`STRIDE`]th line, the first included.
    marks: Vec<u64>,
    end: u64,
}

/// One segment's places, to be kept: its name, its marks and where its entries end.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPlaces {
    pub first_seq: u64,
    pub marks: Vec<u64>,
    pub end: u64,
}

/// A run of whole lines in one file.
#[derive(Clone, Debug)]
pub struct Block {
    path: Arc<Path>,
    offset: u64,
    len: u64,
    /// `seq` of the first line.
    pub first_seq: u64,
}

impl Places {
    pub fn new(log_dir: &Path) -> Self {
        Self { dir: log_dir.to_owned(), segments: Vec::new(), size: 0 }
    }

    /// Takes up what [`Self::kept`] gave for a log of this size. Nothing is asked of the disk.
    pub fn restore(log_dir: &Path, kept: Vec<KeptPlaces>, size: u64) -> Self {
        let segments = kept.into_iter().map(|KeptPlaces { first_seq, marks, end }| {
            let path = log_dir.join(file_name(first_seq)).into();
            SegmentPlaces { first_seq, path, marks, end }
        });
        Self { dir: log_dir.to_owned(), segments: segments.collect(), size }
    }

    pub fn kept(&self) -> Vec<KeptPlaces> {
        let kept = |segment: &SegmentPlaces| KeptPlaces {
            first_seq: segment.first_seq,
            marks: segment.marks.clone(),
            end: segment.end,
        };
        self.segments.iter().map(kept).collect()
    }

    /// The entry that each segment begins with, and where its entries end.
    pub fn ends(&self) -> impl Iterator<Item = (u64, u64)> {
        self.segments.iter().map(|segment| (segment.first_seq, segment.end))
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Notes the next entry: `line_bytes` includes the line break.
    pub fn push(&mut self, segment_first_seq: u64, line_bytes: u64) {
        let is_new = self.segments.last().is_none_or(|segment| segment.first_seq != segment_first_seq);
        if is_new {
            let path = self.dir.join(file_name(segment_first_seq)).into();
            let segment = SegmentPlaces { first_seq: segment_first_seq, path, marks: Vec::new(), end: 0 };
            self.segments.push(segment);
        }
        if let Some(segment) = self.segments.last_mut() {
            if (self.size - segment.first_seq).is_multiple_of(STRIDE) {
                segment.marks.push(segment.end);
            }
            segment.end += line_bytes;
            self.size += 1;
        }
    }

    /// The run of lines that holds this entry; `None` if there is no such entry.
    pub fn block(&self, seq: u64) -> Option<Block> {
        if seq >= self.size {
            return None;
        }
        let index = self.segments.partition_point(|segment| segment.first_seq <= seq).checked_sub(1)?;
        let segment = self.segments.get(index)?;
        let stride = (seq - segment.first_seq) / STRIDE;
        let offset = *segment.marks.get(usize::try_from(stride).ok()?)?;
        let end = segment.marks.get(usize::try_from(stride + 1).ok()?).copied().unwrap_or(segment.end);
        let first_seq = segment.first_seq + stride * STRIDE;
        Some(Block { path: Arc::clone(&segment.path), offset, len: end - offset, first_seq })
    }
}

impl Block {
    /// The lines, without their breaks.
    pub fn read(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut bytes = vec![0; usize::try_from(self.len).map_err(io::Error::other)?];
        File::open(&self.path)?.read_exact_at(&mut bytes, self.offset)?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        Ok(lines.map(<[u8]>::to_vec).collect())
    }

    /// One line of the block.
    pub fn line(&self, seq: u64) -> io::Result<Vec<u8>> {
        let at = usize::try_from(seq - self.first_seq).map_err(io::Error::other)?;
        let line = self.read()?.into_iter().nth(at);
        line.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("entry {seq} is no longer in the log"))
        })
    }
}
