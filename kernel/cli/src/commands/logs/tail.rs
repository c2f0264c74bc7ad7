//! The end of a log that is rotated by size: its last lines, then what is added.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// An open log. Only whole lines come out of it.
pub struct Tail {
    path: PathBuf,
    file: File,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl Tail {
    /// The last `count` lines, those of the file set aside included, and where to go on.
    ///
    /// # Errors
    /// If there is no log, or it cannot be read.
    pub fn open(path: &Path, count: usize) -> io::Result<(Vec<String>, Self)> {
        let mut tail = Self { path: path.to_owned(), file: File::open(path)?, begun: Vec::new() };
        let mut lines = tail.read()?;
        if lines.len() < count {
            let before = fs::read(path.with_extension("log.1")).unwrap_or_default();
            let before = String::from_utf8_lossy(&before);
            lines = before.lines().map(str::to_owned).chain(lines).collect();
        }
        let surplus = lines.len().saturating_sub(count);
        Ok((lines.split_off(surplus), tail))
    }

    /// The lines written since the last time, across a rotation.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn added(&mut self) -> io::Result<Vec<String>> {
        // Looked at first: what the old file got before it was set aside is then read below.
        let newer = self.rotated()?;
        let mut lines = self.read()?;
        if let Some(file) = newer {
            self.file = file;
            self.begun.clear();
            lines.extend(self.read()?);
        }
        Ok(lines)
    }

    /// The file that now has the log's name, if it is another.
    fn rotated(&self) -> io::Result<Option<File>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Between the renaming and the new file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let (ours, found) = (self.file.metadata()?, file.metadata()?);
        Ok(((ours.dev(), ours.ino()) != (found.dev(), found.ino())).then_some(file))
    }

    fn read(&mut self) -> io::Result<Vec<String>> {
        self.file.read_to_end(&mut self.begun)?;
        let whole = self.begun.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = self.begun.drain(..whole).collect();
        Ok(String::from_utf8_lossy(&lines).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_lines_reach_back_into_the_file_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.log");
        append(&dir.path().join("gate.log.1"), "1\n2\n");
        append(&path, "3\n4\n");
        let last = |count| Tail::open(&path, count).unwrap().0;
        assert_eq!(last(1), ["4"]);
        assert_eq!(last(3), ["2", "3", "4"]);
        assert_eq!(last(9), ["1", "2", "3", "4"]);
        assert_eq!(last(0), [""; 0]);
    }

    #[test]
    fn what_is_added_comes_in_whole_lines_and_across_a_rotation() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gate.log");
        append(&path, "1\nbeg");
        let (lines, mut tail) = Tail::open(&path, 10).unwrap();
        assert_eq!((lines.len(), tail.added().unwrap().len()), (1, 0));
        append(&path, "un\n");
        assert_eq!(tail.added().unwrap(), ["begun"]);
        append(&path, "last\n");
        fs::rename(&path, dir.path().join("gate.log.1")).unwrap();
        append(&path, "first\n");
        assert_eq!(tail.added().unwrap(), ["last", "first"]);
    }
}
