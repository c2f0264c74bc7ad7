//! Every checkpoint that was ever signed, a line each in `checkpoints`: what `verify` holds to the log, one after the other.
//!
//! A line (`Checkpoint::line`) is some 170 bytes and stands for one entry at least, under load for 256. Each is synced, off the
//! answer path, so that a power cut takes or tears the last one alone: one that is missing in the middle was taken out.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use latchgate_wire::checkpoint::Checkpoint;

/// More than any line has.
const LINE_BYTES_MAX: usize = 512;
const WINDOW_BYTES: usize = 64 << 10;

/// Where it lies in a ledger's directory.
pub fn path(ledger_dir: &Path) -> PathBuf {
    ledger_dir.join("checkpoints")
}

/// The file, for whoever signs.
pub struct History {
    file: File,
    len: u64,
}

impl History {
    /// Opens it, without what a crash left behind its last whole line.
    pub fn open(ledger_dir: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(path(ledger_dir))?;
        let len = whole_len(&file)?;
        file.set_len(len)?;
        Ok(Self { file, len })
    }

    /// Appends the checkpoint of a note.
    pub fn push(&mut self, note: &str) -> io::Result<()> {
        let line = Checkpoint::line(note).ok_or_else(|| io::Error::other("expected a signed note"))?;
        self.file.write_all_at(line.as_bytes(), self.len).inspect_err(|_| {
            // The next one begins where this one should have; a piece left behind it is cut at the next start.
            let _cut = self.file.set_len(self.len);
        })?;
        self.len += line.len() as u64;
        self.file.sync_data()
    }
}

/// Whole lines from an offset on, as many as fit; none at the end.
pub fn page(ledger_dir: &Path, from: u64, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; bytes_max];
    let read = read_at(&File::open(path(ledger_dir))?, &mut bytes, from)?;
    let end = bytes[..read].iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    bytes.truncate(end);
    Ok(bytes)
}

/// Where the last line ends that is one.
fn whole_len(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut window = vec![0; WINDOW_BYTES];
    while end > 0 {
        let start = end.saturating_sub(WINDOW_BYTES as u64);
        let window = &mut window[..usize::try_from(end - start).map_err(io::Error::other)?];
        file.read_exact_at(window, start)?;
        if let Some(last) = last_whole(window) {
            return Ok(start + last as u64);
        }
        if start == 0 {
            return Ok(0);
        }
        // A line may lie across the windows' border.
        end = start + LINE_BYTES_MAX as u64;
    }
    Ok(0)
}

fn last_whole(window: &[u8]) -> Option<usize> {
    let mut end = window.iter().rposition(|byte| *byte == b'\n')? + 1;
    loop {
        let start = window[..end - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
        if std::str::from_utf8(&window[start..end - 1])
            .is_ok_and(|line| Checkpoint::of_line("-", line).is_some())
        {
            return Some(end);
        }
        if start == 0 {
            return None;
        }
        end = start;
    }
}

fn read_at(file: &File, bytes: &mut [u8], from: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read_at(&mut bytes[read..], from + read as u64) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;

    fn note(size: u64) -> String {
        let checkpoint = Checkpoint { origin: "g/1".into(), size, root: [7; 32] };
        checkpoint.sign(&SigningKey::from_bytes(&[1; 32]))
    }

    #[test]
    fn a_torn_end_is_cut_and_what_is_whole_stays() {
        for torn in ["", "12", "12 AAAA", "\0\0\0\0", "\0\n", &"\0".repeat(200_000), "12 x y\n", "\n"] {
            let dir = tempfile::tempdir().unwrap();
            let mut history = History::open(dir.path()).unwrap();
            (1..=3).for_each(|size| history.push(&note(size)).unwrap());
            let whole = std::fs::read(path(dir.path())).unwrap();
            std::fs::write(path(dir.path()), [&whole, torn.as_bytes()].concat()).unwrap();
            History::open(dir.path()).unwrap().push(&note(4)).unwrap();
            let lines = std::fs::read_to_string(path(dir.path())).unwrap();
            let sizes: Vec<_> =
                lines.lines().map(|line| Checkpoint::of_line("g/1", line).unwrap().0.size).collect();
            assert_eq!(sizes, [1, 2, 3, 4], "{}", torn.len());
        }
    }

    #[test]
    fn pages_are_whole_lines_and_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut history = History::open(dir.path()).unwrap();
        (1..=9).for_each(|size| history.push(&note(size)).unwrap());
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let page = page(dir.path(), from, 400).unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.ends_with(b"\n") && page.len() <= 400);
            from += page.len() as u64;
            all.extend(page);
        }
        assert_eq!(all, std::fs::read(path(dir.path())).unwrap());
    }
}
