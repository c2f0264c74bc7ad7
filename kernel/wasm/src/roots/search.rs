//! Searching the files below a directory, line by line, within bounds.
//!
//! Each directory is walked to from the root anew, with every guard of the walk: whatever is renamed meanwhile, the search
//! does not leave the root, follows no link, enters no mount and no directory of the gate. Each file and directory is held to
//! the action's file rules before it is opened. What cannot be read is passed over.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use latchgate_monitor::plan::{FsPath, FsStep, Matcher};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::failure::{Failure, errno};
use super::file::RegularFile;
use super::temporary;
use super::walk::{Base, Parent, RESOLVE};

/// One matching line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) path: String,
    /// Counted from 1.
    pub(crate) line: u32,
    /// What is not UTF-8 in it is replaced by U+FFFD.
    pub(crate) text: String,
}

/// What a search gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    /// A bound was met: there may be more.
    pub(crate) is_truncated: bool,
}

/// How far a search goes.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Names looked at, of whatever they are.
    pub(super) entries: u64,
    /// Bytes read of all files, and of one.
    pub(super) bytes: u64,
    pub(super) file_bytes: u64,
    /// Bytes of one line that are searched.
    pub(super) line_bytes: usize,
    pub(super) time: Duration,
}

/// The time is half of what the bundled action has.
pub(super) const BOUNDS: Bounds = Bounds {
    entries: 50_000,
    bytes: 256 << 20,
    file_bytes: 8 << 20,
    line_bytes: 16 << 10,
    time: Duration::from_secs(5),
};

/// Characters of a line that are given.
const TEXT_CHARS_MAX: usize = 400;

/// Lines searched between two looks at the clock.
const LINES_PER_LOOK: usize = 256;

pub(super) fn search(base: &Base, step: &FsStep, bounds: Bounds) -> Result<Found, Failure> {
    let Some(planned) = &step.search else {
        return Err(Failure::refused("the plan does not say what is searched for"));
    };
    let matcher = planned.matcher().map_err(|error| Failure::refused(error.to_string()))?;
    // It exists and may be searched, or there is a reason to tell.
    base.directory(&step.path)?;
    if !matcher.enters(&step.path) {
        return Err(Failure::refused("the file rules of the action do not let it search there"));
    }
    let mut search = Search {
        base,
        matcher,
        results_max: usize::try_from(planned.results_max).unwrap_or(usize::MAX),
        output_bytes_left: step.bytes_max,
        bounds,
        until: Instant::now() + bounds.time,
        found: Found::default(),
    };
    search.run(step.path.clone());
    Ok(search.found)
}

struct Search<'a> {
    base: &'a Base,
    matcher: Matcher,
    results_max: usize,
    output_bytes_left: u64,
    /// What is left of them.
    bounds: Bounds,
    until: Instant,
    found: Found,
}

/// A bound was met that ends the search.
struct Ended;

impl Search<'_> {
    fn run(&mut self, start: FsPath) {
        let mut waiting = vec![start];
        while let Some(directory) = waiting.pop() {
            if self.directory(&directory, &mut waiting).is_err() {
                self.found.is_truncated = true;
                return;
            }
        }
    }

    /// Searches the files of a directory, and notes its directories so that the first in order is the next.
    fn directory(&mut self, path: &FsPath, waiting: &mut Vec<FsPath>) -> Result<(), Ended> {
        let Ok(walked) = self.base.directory(path) else { return Ok(()) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(dir) = rustix::fs::openat2(&walked, ".", flags, Mode::empty(), RESOLVE) else { return Ok(()) };
        let Ok(entries) = Dir::read_from(&dir) else { return Ok(()) };
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        let mut is_whole = Ok(());
        for entry in entries {
            let Ok(entry) = entry else { break };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") || temporary::is_kept(name.to_bytes()) {
                continue;
            }
            is_whole = self.spend_entry();
            if is_whole.is_err() {
                break;
            }
            let Some(below) = below(path, name) else { continue };
            let Ok(stat) = rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
            else {
                continue;
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile if self.matcher.reads(&below) => files.push(below),
                FileType::Directory if self.matcher.enters(&below) => directories.push(below),
                _ => {}
            }
        }
        files.sort_unstable();
        directories.sort_unstable();
        for path in &files {
            self.file(&walked, path)?;
        }
        waiting.extend(directories.into_iter().rev());
        is_whole
    }

    fn file(&mut self, dir: &impl std::os::fd::AsFd, path: &FsPath) -> Result<(), Ended> {
        self.look_at_clock()?;
        let name = path.as_str().rsplit('/').next().unwrap_or_default();
        let Ok(dir) = dir.as_fd().try_clone_to_owned() else { return Ok(()) };
        let Ok(file) = RegularFile::open(&Parent { dir, name, path }) else { return Ok(()) };
        let most = self.bounds.file_bytes.min(self.bounds.bytes);
        let Ok((content, is_whole)) = file.read_at_most(most) else { return Ok(()) };
        self.bounds.bytes -= content.len() as u64;
        if content.contains(&0) {
            return Ok(());
        }
        self.found.is_truncated |= !is_whole;
        self.lines(path, &content)?;
        if self.bounds.bytes == 0 { Err(Ended) } else { Ok(()) }
    }

    fn lines(&mut self, path: &FsPath, content: &[u8]) -> Result<(), Ended> {
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        for (i, line) in content.split(|byte| *byte == b'\n').enumerate() {
            if i % LINES_PER_LOOK == LINES_PER_LOOK - 1 {
                self.look_at_clock()?;
            }
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let searched = &line[..line.len().min(self.bounds.line_bytes)];
            self.found.is_truncated |= searched.len() < line.len();
            if self.matcher.finds(searched) {
                let text = String::from_utf8_lossy(searched).chars().take(TEXT_CHARS_MAX).collect();
                let line = u32::try_from(i + 1).unwrap_or(u32::MAX);
                self.add(Match { path: path.as_str().to_owned(), line, text })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, found: Match) -> Result<(), Ended> {
        let bytes = canonical(std::slice::from_ref(&found)).len() as u64;
        if self.found.matches.len() == self.results_max || bytes > self.output_bytes_left {
            return Err(Ended);
        }
        self.output_bytes_left -= bytes;
        self.found.matches.push(found);
        Ok(())
    }

    fn spend_entry(&mut self) -> Result<(), Ended> {
        self.bounds.entries = self.bounds.entries.checked_sub(1).ok_or(Ended)?;
        Ok(())
    }

    fn look_at_clock(&self) -> Result<(), Ended> {
        if Instant::now() >= self.until { Err(Ended) } else { Ok(()) }
    }
}

/// The path of an entry. `None` if it cannot be named in a plan: then it cannot be read either.
fn below(path: &FsPath, name: &CStr) -> Option<FsPath> {
    let name = name.to_str().ok()?;
    let text = if path.as_str().is_empty() { name.to_owned() } else { format!("{}/{name}", path.as_str()) };
    FsPath::parse(&text).ok()
}

/// The matches as bytes, for size and digest in the receipt: path, line number and text, each with a NUL behind it.
pub(crate) fn canonical(matches: &[Match]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for found in matches {
        for part in [found.path.as_bytes(), found.line.to_string().as_bytes(), found.text.as_bytes()] {
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
    }
    bytes
}

impl RegularFile {
    /// The content up to `bytes_max`, and whether that is all.
    fn read_at_most(mut self, bytes_max: u64) -> Result<(Vec<u8>, bool), Failure> {
        use std::io::Read as _;
        let mut content = Vec::new();
        let read = (&mut self.file).take(bytes_max).read_to_end(&mut content);
        read.map_err(|error| Failure::from_errno(&self.path, "read", errno(&error)))?;
        let is_whole = self.size() <= content.len() as u64;
        Ok((content, is_whole))
    }
}

#[cfg(test)]
mod tests;
